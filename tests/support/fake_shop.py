"""A fake of the shop's public API in memory, in which single steps can be made to fail."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from email.parser import BytesParser
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

type Json = dict[str, Any]
type Answer = tuple[int, Any]

PAGE = 100


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = status, {"message": message}


class FakeShop:
    """`broken` holds the names of the steps that fail."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.users: dict[str, Json] = {}
        self.tokens: dict[str, str] = {}
        self.addresses: dict[str, list[Json]] = {}
        self.products: dict[str, Json] = {}
        self.carts: dict[str, dict[str, int]] = {}
        self.orders: dict[str, Json] = {}
        self.keys: dict[str, str] = {}
        self.pictures: dict[str, bytes] = {}
        self.mails: list[Json] = []
        self.requests: list[str] = []
        # the number of requests that each account's first token is valid for
        self.uses_of_first_token = 1_000
        self._uses: Counter[str] = Counter()
        self.busiest = 0
        self._busy = 0
        self._counting = threading.Lock()
        self._lock = threading.RLock()
        self._ids = count(1)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(self._respond, request, body)

    def _respond(self, request: Request, body: bytes) -> Response:
        path = f"/{request.path_params['path']}"
        with self._counting:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            with self._lock:
                self.requests.append(f"{request.method} {path}")
                if path.startswith("/picture/"):
                    return Response(self.pictures[path[9:]], media_type="image/webp")
                status, answer = self._dispatch(request, path, body)
                return JSONResponse(answer, status)
        finally:
            with self._counting:
                self._busy -= 1

    def _dispatch(self, request: Request, path: str, body: bytes) -> Answer:
        for pattern, handle in self._routes().items():
            if found := re.fullmatch(pattern, f"{request.method} {path}"):
                try:
                    return handle(request, body, *found.groups())
                except Refusal as refusal:
                    return refusal.answer
        return 404, {"message": "No such route"}

    def _routes(self) -> dict[str, Callable[..., Answer]]:
        return {
            "POST /api/auth/register": self._register,
            "POST /api/auth/login": self._login,
            "GET /api/auth/me": lambda request, _: (200, {"user": self._user(request)}),
            "GET /api/auth/users/me/address": self._list_addresses,
            "POST /api/auth/users/me/address": self._add_address,
            "GET /api/products/seller": self._own_products,
            "GET /api/products": self._browse,
            "POST /api/products": self._offer,
            "GET /api/products/([^/]+)": self._product,
            "GET /api/cart": lambda request, _: (200, self._cart(request)),
            "POST /api/cart/items": self._add_item,
            "POST /api/orders": self._place,
            "GET /api/orders/([^/]+)": self._order,
            "POST /api/payments/create/([^/]+)": self._create_payment,
            "POST /api/payments/verify": self._verify,
            "POST /razorpay/simulator/pay": self._simulate,
            "GET /mailbox/api/messages": self._messages,
            "GET /api/seller/dashboard/metrics": self._metrics,
        }

    def _id(self, kind: str) -> str:
        return f"{kind}-{next(self._ids):04}"

    def _user(self, request: Request) -> Json:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise Refusal(401, "Not signed in")
        user: Json = self.users[self.tokens[token]]["user"]
        self._uses[user["id"]] += 1
        if self._uses[user["id"]] == self.uses_of_first_token:
            del self.tokens[token]
            raise Refusal(401, "Token has expired")
        return user

    def _mail(self, to: str, subject: str) -> None:
        if subject not in self.broken:
            mail = {"to": to, "subject": subject, "html": "<p>Hello</p>", "text": "Hello"}
            self.mails.insert(0, mail)

    def _register(self, request: Request, given: bytes) -> Answer:
        body = parsed(given)
        if body["email"] in self.users:
            raise Refusal(409, "That email is taken")
        user = {
            "id": self._id("user"),
            "username": body["username"],
            "email": body["email"],
            "role": body.get("role", "user"),
        }
        self.users[body["email"]] = {"user": user, "password": body["password"]}
        self._mail(body["email"], "Welcome to the shop")
        return 201, {"message": "Welcome", "user": user}

    def _login(self, request: Request, body: bytes) -> Answer:
        given = parsed(body)
        known = self.users.get(given["email"])
        if not known or known["password"] != given["password"]:
            raise Refusal(401, "Invalid credentials")
        token = self._id("token")
        self.tokens[token] = given["email"]
        return 200, {"accessToken": token, "user": known["user"]}

    def _list_addresses(self, request: Request, _: bytes) -> Answer:
        return 200, {"addresses": self.addresses.get(self._user(request)["id"], [])}

    def _add_address(self, request: Request, body: bytes) -> Answer:
        address = parsed(body) | {"id": self._id("address")}
        self.addresses.setdefault(self._user(request)["id"], []).append(address)
        return 201, {"address": address}

    def _offer(self, request: Request, body: bytes) -> Answer:
        seller = self._user(request)
        form = multipart(request.headers["Content-Type"], body)
        if form["title"].decode() in self.broken:
            raise Refusal(400, "The title is refused")
        product = {
            "id": self._id("product"),
            "title": form["title"].decode(),
            "description": form["description"].decode(),
            "price": {"amount": float(form["priceAmount"]), "currency": "INR"},
            "stock": int(form["stock"]),
            "category": form["category"].decode(),
            "seller": seller["id"],
            "images": [],
        }
        self.products[product["id"]] = product
        if images := form.get("images"):
            self.pictures[product["id"]] = images
            path = f"{request.scope['root_path']}/picture/{product['id']}"
            product["images"].append({"url": str(request.url.replace(path=path))})
        return 201, {"product": product}

    def _product(self, request: Request, _: bytes, product_id: str) -> Answer:
        return 200, {"product": self.products[product_id]}

    def _order(self, request: Request, _: bytes, order_id: str) -> Answer:
        return 200, {"order": self.orders[order_id]}

    def _own_products(self, request: Request, _: bytes) -> Answer:
        seller = self._user(request)["id"]
        own = [product for product in self.products.values() if product["seller"] == seller]
        start, limit = int(request.query_params.get("cursor", 0)), request.query_params["limit"]
        end = start + int(limit)
        return 200, {"products": own[start:end], "nextCursor": str(end) if own[end:] else None}

    def _browse(self, request: Request, _: bytes) -> Answer:
        query = request.query_params
        words = query.get("q", "").split() if "search" not in self.broken else []
        found = [
            product
            for product in self.products.values()
            if product["stock"]
            and all(
                word in f"{product['title']} {product['description']}".lower() for word in words
            )
        ]
        if query.get("sort") == "price" and "price order" not in self.broken:
            found.sort(key=lambda product: product["price"]["amount"])
        return 200, {"products": found[: int(query["limit"])], "nextCursor": None}

    def _cart(self, request: Request) -> Json:
        lines = self.carts.setdefault(self._user(request)["id"], {})
        items = [{"productId": key, "quantity": quantity} for key, quantity in lines.items()]
        total = self._sum(lines) + ("cart total" in self.broken)
        return {"cart": {"items": items}, "totals": {"price": rupees(total)}}

    def _sum(self, lines: dict[str, int]) -> Decimal:
        prices = {key: Decimal(str(self.products[key]["price"]["amount"])) for key in lines}
        return sum((prices[key] * quantity for key, quantity in lines.items()), Decimal(0))

    def _add_item(self, request: Request, body: bytes) -> Answer:
        wanted = parsed(body)
        lines = self.carts.setdefault(self._user(request)["id"], {})
        lines[wanted["productId"]] = lines.get(wanted["productId"], 0) + wanted["quantity"]
        return 200, self._cart(request)

    def _place(self, request: Request, _: bytes) -> Answer:
        user = self._user(request)
        key = request.headers["Idempotency-Key"]
        if key in self.keys and "idempotency" not in self.broken:
            return 201, {"order": self.orders[self.keys[key]]}
        lines = self.carts[user["id"]]
        order = {
            "id": self._id("order"),
            "status": "PENDING",
            "items": [{"product": key, "quantity": lines[key]} for key in lines],
            "pricing": {"subtotal": rupees(self._sum(lines)), "total": rupees(self._sum(lines))},
            "email": user["email"],
        }
        if "stock" not in self.broken:
            for product_id, quantity in lines.items():
                self.products[product_id]["stock"] -= quantity
        self.carts[user["id"]] = {}
        self.orders[order["id"]] = order
        self.keys[key] = order["id"]
        return 201, {"order": order}

    def _create_payment(self, request: Request, _: bytes, order_id: str) -> Answer:
        order = self.orders[order_id]
        paise = round(Decimal(str(order["pricing"]["total"]["amount"])) * 100)
        paise += "amount" in self.broken
        razorpay = {"keyId": "rzp_test", "orderId": f"rzp_{order_id}", "amount": paise}
        return 201, {"razorpay": razorpay}

    def _simulate(self, request: Request, body: bytes) -> Answer:
        order_id = parsed(body)["orderId"]
        names = ("razorpay_payment_id", "razorpay_signature")
        return 200, {"razorpay_order_id": order_id} | dict.fromkeys(names, "signed")

    def _verify(self, request: Request, body: bytes) -> Answer:
        order = self.orders[parsed(body)["razorpay_order_id"].removeprefix("rzp_")]
        if "signature" in self.broken:
            raise Refusal(400, "The signature is wrong")
        if "confirmation" not in self.broken:
            order["status"] = "CONFIRMED"
        self._mail(order["email"], "Your order is confirmed")
        return 200, {"payment": {"status": "COMPLETED"}}

    def _messages(self, request: Request, _: bytes) -> Answer:
        return 200, self.mails

    def _metrics(self, request: Request, _: bytes) -> Answer:
        seller = self._user(request)["id"]
        units, orders, revenue = 0, 0, Decimal(0)
        for order in self.orders.values():
            everything = "other sellers' sales" in self.broken
            lines = {
                item["product"]: item["quantity"]
                for item in order["items"]
                if everything or self.products[item["product"]]["seller"] == seller
            }
            units += sum(lines.values())
            orders += bool(lines)
            revenue += self._sum(lines)
        amounts = [rupees(revenue)] if revenue else []
        return 200, {"sales": units, "orders": orders, "revenue": amounts}


def rupees(amount: Decimal) -> Json:
    return {"amount": float(amount), "currency": "INR"}


def parsed(body: bytes) -> Json:
    read: Json = json.loads(body)
    return read


def multipart(content_type: str, body: bytes) -> dict[str, bytes]:
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\n\n" + body)
    form = {}
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        form[str(name)] = part.get_payload(decode=True)
    return form  # type: ignore[return-value]
