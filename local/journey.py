"""Smoke test of a running shop: buys two products over HTTP as a customer and checks every step."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sample.client import Json, UnexpectedResponse, UserSession, connect, request_json

# Events pass a stream, a bus and queues, whose functions may have to start first.
TIMEOUT = 60.0
POLL_INTERVAL = 0.25

ADDRESS = {
    "street": "3 Harbour Lane",
    "city": "Kochi",
    "state": "Kerala",
    "zip": "682001",
    "country": "IN",
}
SEARCH = "basmati rice"
MAILS = {"welcome": r"\bwelcome\b", "order confirmed": r"\border\b.*\bconfirmed\b"}


class StepFailed(Exception):
    """The shop answered a step with something unexpected."""


@dataclass(frozen=True)
class Choice:
    """A product to buy, with its stock before the purchase."""

    product_id: str
    title: str
    seller_id: str
    unit_price: Decimal
    quantity: int
    stock: int

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(frozen=True)
class SalesFigures:
    """The figures of a seller's dashboard that a sale changes; revenue in rupees."""

    units: int
    orders: int
    revenue: Decimal

    def plus(self, choice: Choice) -> SalesFigures:
        revenue = self.revenue + choice.total
        return SalesFigures(self.units + choice.quantity, self.orders + 1, revenue)

    def __str__(self) -> str:
        return f"{self.units} sold, {self.orders} orders, INR {self.revenue:,.2f}"


def run(endpoints: Json, console: Console, *, timeout: float = TIMEOUT) -> int:
    """Run the journey against the shop described by `endpoints`; return 0 if every step passed."""
    with connect(endpoints["api"]) as client:
        try:
            _Journey(endpoints, client, console, timeout).run()
        except (StepFailed, UnexpectedResponse) as error:
            failure = f"the journey failed:[/] {escape(str(error))}"
        except httpx.HTTPError as error:
            failure = f"no response:[/] {escape(repr(error))}"
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            failure = f"a response has an unexpected shape:[/] {escape(repr(error))}"
        else:
            console.print("[bold green]✓ every step passed[/]")
            return 0
    console.print(f"[bold red]✗ {failure}", highlight=False)
    return 1


class _Journey:
    def __init__(
        self, endpoints: Json, client: httpx.Client, console: Console, timeout: float
    ) -> None:
        self._endpoints = endpoints
        self._client = client
        self._console = console
        self._timeout = timeout
        self._username = f"journey-{secrets.token_hex(4)}"
        self._email = f"{self._username}@example.com"
        self._password = secrets.token_urlsafe(12)
        self._customer = UserSession(client, self._email, self._password)
        self._sellers: dict[str, UserSession] = {}

    def run(self) -> None:
        self._register()
        before = self._read_dashboards()
        choices = self._choose_products()
        address_id = self._add_address()
        self._fill_cart(choices)
        order = self._place_order(choices, address_id)
        self._check_stock(choices)
        self._pay(order)
        with self._step("the order is CONFIRMED"):
            self._wait_for("the order's status", "CONFIRMED", lambda: self._status(order["id"]))
        self._await_mails()
        self._await_sales(before, choices)

    @contextmanager
    def _step(self, title: str) -> Iterator[list[str]]:
        """Print a line with the step's duration and the details that the step adds."""
        started, details = time.perf_counter(), list[str]()
        try:
            yield details
        except BaseException:
            self._console.print(f"[red]✗[/] {title}", highlight=False)
            raise
        took = (time.perf_counter() - started) * 1000
        more = f" [dim]· {escape(' · '.join(details))}[/]" if details else ""
        self._console.print(f"[green]✓[/] [dim]{took:7.0f} ms[/]  {title}{more}", highlight=False)

    def _register(self) -> None:
        with self._step("registered and signed in") as details:
            body = {
                "username": self._username,
                "email": self._email,
                "password": self._password,
                "fullName": {"firstName": "Jaya", "lastName": "Rao"},
            }
            path, created = "/api/auth/register", HTTPStatus.CREATED
            request_json(self._client, "POST", path, expect=created, json=body)
            self._customer.sign_in()
            me = self._customer.request("GET", "/api/auth/me")["user"]
            _expect("the new account's email", self._email, me["email"])
            _expect("the new account's role", "user", me["role"])
            details.append(self._email)

    def _read_dashboards(self) -> dict[str, SalesFigures]:
        with self._step("read the sellers' dashboards") as details:
            accounts = [a for a in self._endpoints["accounts"] if a["role"] == "seller"]
            if len(accounts) < 3:
                raise StepFailed(f"expected 3 sample sellers, got {len(accounts)}")
            for account in accounts:
                seller = UserSession(self._client, account["email"], account["password"])
                self._sellers[seller.sign_in()["id"]] = seller
            details.append(f"{len(accounts)} sellers")
            return self._all_figures()

    def _all_figures(self) -> dict[str, SalesFigures]:
        return {seller_id: self._figures(seller) for seller_id, seller in self._sellers.items()}

    def _figures(self, seller: UserSession) -> SalesFigures:
        metrics = seller.request("GET", "/api/seller/dashboard/metrics")
        rupees = [row["amount"] for row in metrics["revenue"] if row["currency"] == "INR"]
        revenue = sum(map(Decimal, rupees), Decimal(0))
        return SalesFigures(metrics["sales"], metrics["orders"], revenue)

    def _choose_products(self) -> list[Choice]:
        """Choose two of the first search hit, and one of another seller's cheapest product."""
        with self._step(f"searched for “{SEARCH}”") as details:
            found = self._list_products(q=SEARCH, inStock="true", limit=50)
            for product in found:
                words = f"{product['title']} {product['description']}".casefold()
                if not all(word in words for word in SEARCH.split()):
                    raise StepFailed(f"expected only “{SEARCH}”, got “{product['title']}”")
            first = self._choose("found by search", found, quantity=2)
            details += [f"{len(found)} found", first.title]
        with self._step("listed by price, lowest first") as details:
            listed = self._list_products(sort="price", inStock="true", limit=100)
            amounts = [Decimal(product["price"]["amount"]) for product in listed]
            _expect("the prices' order", sorted(amounts), amounts)
            others = [p for p in listed if _id_of(p["seller"]) != first.seller_id]
            second = self._choose("of another seller", others, quantity=1)
            details += [f"{len(listed)} listed", second.title]
        with self._step("loaded their pictures"):
            for choice in (first, second):
                self._load_picture(choice)
        return [first, second]

    def _list_products(self, **query: Any) -> list[Json]:
        path = "/api/products"
        products: list[Json] = self._customer.request("GET", path, params=query)["products"]
        return products

    def _get_product(self, choice: Choice) -> Json:
        path = f"/api/products/{choice.product_id}"
        product: Json = self._customer.request("GET", path)["product"]
        return product

    def _choose(self, which: str, products: list[Json], quantity: int) -> Choice:
        for product in products:
            seller_id, price = _id_of(product["seller"]), product["price"]
            is_sample = seller_id in self._sellers and price["currency"] == "INR"
            if is_sample and product["stock"] >= quantity:
                amount, stock = Decimal(price["amount"]), product["stock"]
                return Choice(product["id"], product["title"], seller_id, amount, quantity, stock)
        raise StepFailed(f"expected a product {which} with {quantity} in stock, got none")

    def _load_picture(self, choice: Choice) -> None:
        images = self._get_product(choice)["images"]
        if not images:
            raise StepFailed(f"expected a picture of {choice.title}, got none")
        picture = self._client.get(images[0]["url"], follow_redirects=True)
        content_type = picture.headers.get("Content-Type", "")
        if picture.status_code != HTTPStatus.OK or not content_type.startswith("image/"):
            raise StepFailed(f"expected an image, got {picture.status_code} {content_type}")

    def _add_address(self) -> str:
        with self._step("added an address") as details:
            path, created = "/api/auth/users/me/address", HTTPStatus.CREATED
            answer = self._customer.request("POST", path, expect=created, json=ADDRESS)
            details.append(f"{ADDRESS['street']}, {ADDRESS['city']}")
            return _id_of(answer["address"])

    def _fill_cart(self, choices: list[Choice]) -> None:
        for choice in choices:
            with self._step(f"added {choice.quantity} of {choice.title} to the cart"):
                item = {"productId": choice.product_id, "quantity": choice.quantity}
                self._customer.request("POST", "/api/cart/items", json=item)
        with self._step("viewed the cart") as details:
            answer = self._customer.request("GET", "/api/cart")
            lines = {item["productId"]: item["quantity"] for item in answer["cart"]["items"]}
            _expect("the cart's lines", {c.product_id: c.quantity for c in choices}, lines)
            total = Decimal(answer["totals"]["price"]["amount"])
            _expect("the cart's total", sum(choice.total for choice in choices), total)
            details.append(f"INR {total:,.2f}")

    def _place_order(self, choices: list[Choice], address_id: str) -> Json:
        key, body = secrets.token_hex(16), {"addressId": address_id}
        with self._step("placed the order") as details:
            order = self._post_order(key, body)
            _expect("the order's status", "PENDING", order["status"])
            lines = {_id_of(item["product"]): item["quantity"] for item in order["items"]}
            _expect("the order's lines", {c.product_id: c.quantity for c in choices}, lines)
            subtotal = Decimal(order["pricing"]["subtotal"]["amount"])
            _expect("the order's subtotal", sum(choice.total for choice in choices), subtotal)
            details += [order["id"], f"INR {_total(order):,.2f}"]
        with self._step("sent the same order again: still one order"):
            _expect("the repeated order", order["id"], self._post_order(key, body)["id"])
            cart = self._customer.request("GET", "/api/cart")["cart"]
            _expect("the cart afterwards", [], cart["items"])
        return order

    def _post_order(self, key: str, body: Json) -> Json:
        created, headers = HTTPStatus.CREATED, {"Idempotency-Key": key}
        options = {"expect": created, "headers": headers, "json": body}
        order: Json = self._customer.request("POST", "/api/orders", **options)["order"]
        return order

    def _check_stock(self, choices: list[Choice]) -> None:
        with self._step("the stock is lower by the quantity bought") as details:
            for choice in choices:
                left = choice.stock - choice.quantity
                _expect(f"the stock of {choice.title}", left, self._get_product(choice)["stock"])
                details.append(f"{choice.stock} → {left}")

    def _pay(self, order: Json) -> None:
        with self._step("created the payment") as details:
            path = f"/api/payments/create/{order['id']}"
            checkout = self._customer.request("POST", path, expect=HTTPStatus.CREATED)["razorpay"]
            _expect("the amount in paise", _total(order) * 100, Decimal(checkout["amount"]))
            _expect("the key", self._endpoints["razorpayKeyId"], checkout["keyId"])
            details.append(checkout["orderId"])
        with self._step("paid at the Razorpay simulator") as details:
            address = f"{self._endpoints['razorpay']}/simulator/pay"
            body = {"orderId": checkout["orderId"], "outcome": "success"}
            paid = request_json(self._client, "POST", address, json=body)
            details.append(paid["razorpay_payment_id"])
        with self._step("verified the payment"):
            payment = self._customer.request("POST", "/api/payments/verify", json=paid)["payment"]
            _expect("the payment's status", "COMPLETED", payment["status"])

    def _status(self, order_id: str) -> str:
        return str(self._customer.request("GET", f"/api/orders/{order_id}")["order"]["status"])

    def _await_mails(self) -> None:
        with self._step("the mails arrived") as details:
            self._wait_for("the mails", set(MAILS), self._kinds_of_mail)
            mails = self._list_mails()
            for mail in mails:
                if not (mail["html"] and mail["text"]):
                    raise StepFailed(f"expected HTML and text in “{mail['subject']}”")
            details.append(f"{len(mails)} mails")
        for mail in reversed(mails):
            self._console.print(f"              ✉ {mail['subject']}", highlight=False, markup=False)

    def _kinds_of_mail(self) -> set[str]:
        return kinds_of([mail["subject"] for mail in self._list_mails()])

    def _list_mails(self) -> list[Json]:
        """List the mails sent to this customer, newest first."""
        address = f"{self._endpoints['mailbox']}/api/messages"
        mails = request_json(self._client, "GET", address, params={"to": self._email})
        return [mail for mail in mails if self._email in mail["to"]]

    def _await_sales(self, before: dict[str, SalesFigures], choices: list[Choice]) -> None:
        expected = dict(before)
        for choice in choices:
            expected[choice.seller_id] = expected[choice.seller_id].plus(choice)
        with self._step("the sale is on its sellers' dashboards, and on no other"):
            self._wait_for("the sellers' figures", expected, self._all_figures)
        table = Table("seller", "before", "after", title="sellers' figures")
        for seller_id, seller in self._sellers.items():
            after = str(expected[seller_id]) if before[seller_id] != expected[seller_id] else "same"
            table.add_row(seller.user["username"], str(before[seller_id]), after)
        self._console.print(table)

    def _wait_for[T](self, subject: str, expected: T, read: Callable[[], T]) -> None:
        """Poll until the value is as expected; raises `StepFailed` after the timeout."""
        deadline = time.monotonic() + self._timeout
        while (actual := read()) != expected:
            if time.monotonic() > deadline:
                _expect(subject, expected, actual, f" within {self._timeout:g} s")
            time.sleep(POLL_INTERVAL)


def kinds_of(subjects: list[str]) -> set[str]:
    """Return the kinds of mail, of those in `MAILS`, that have one of these subjects."""
    return {
        kind
        for kind, pattern in MAILS.items()
        if any(re.search(pattern, subject, re.IGNORECASE) for subject in subjects)
    }


def _expect(subject: str, expected: object, actual: object, when: str = "") -> None:
    if actual != expected:
        wanted = f"{_formatted(expected)}{when}"
        raise StepFailed(f"{subject}: expected {wanted}, got {_formatted(actual)}")


def _formatted(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_formatted(of)}" for key, of in value.items()) + "}"
    if isinstance(value, set):
        return ", ".join(sorted(map(str, value))) or "nothing"
    if isinstance(value, list):
        return "[" + ", ".join(map(_formatted, value)) + "]"
    return str(value)


def _id_of(value: Any) -> str:
    """Return the id of a resource that is shown either as its id or as an object."""
    return str(value["id"] if isinstance(value, dict) else value)


def _total(order: Json) -> Decimal:
    return Decimal(order["pricing"]["total"]["amount"])
