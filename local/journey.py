"""Buys something from a running shop over HTTP, as a customer would, and checks every step."""

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

from local.client import Json, UnexpectedAnswer, Visitor, ask, connect

# Facts travel through a stream, a bus and queues, whose functions may have to start first.
PATIENCE = 60.0
PAUSE = 0.25

ADDRESS = {
    "street": "3 Harbour Lane",
    "city": "Kochi",
    "state": "Kerala",
    "zip": "682001",
    "country": "IN",
}
SEARCHED = "basmati rice"
MAILS = {
    "welcome": r"\bwelcome\b",
    "order placed": r"^(?!.*\b(payment|confirmed)\b).*\border\b",
    "order confirmed": r"\border\b.*\bconfirmed\b",
    "payment initiated": r"\bpayment\b.*\b(initiated|started|pending|waiting|awaiting|ready)\b"
    r"|\b(complete|finish) (your|the) payment\b",
    "payment completed": r"\bpayment\b.*\b(completed?|received|successful|succeeded)\b"
    r"|\b(received|thank you for) your payment\b|\bthank you\b.*\breceived\b",
}


class StepFailed(Exception):
    """The shop did something else than it should have."""


@dataclass(frozen=True)
class Choice:
    """A product in the basket, as it was before it was bought."""

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
class Numbers:
    """A seller's dashboard, as far as a sale moves it."""

    units: int
    orders: int
    revenue: Decimal

    def plus(self, choice: Choice) -> Numbers:
        return Numbers(self.units + choice.quantity, self.orders + 1, self.revenue + choice.total)

    def __str__(self) -> str:
        return f"{self.units} sold, {self.orders} orders, INR {self.revenue:,.2f}"


def run(endpoints: Json, console: Console | None = None, *, patience: float = PATIENCE) -> int:
    """The whole journey against the shop that `endpoints` describes; 0 when all of it is right."""
    console = console or Console(soft_wrap=True)
    with connect(endpoints["api"]) as client:
        try:
            _Journey(endpoints, client, console, patience).travel()
        except (StepFailed, UnexpectedAnswer) as wrong:
            console.print(
                f"[bold red]✗ the journey failed:[/] {escape(str(wrong))}", highlight=False
            )
        except httpx.HTTPError as broken:
            console.print(f"[bold red]✗ no answer:[/] {escape(repr(broken))}", highlight=False)
        except (LookupError, TypeError, ValueError, ArithmeticError) as surprise:
            shape = escape(repr(surprise))
            console.print(f"[bold red]✗ an answer has another shape:[/] {shape}", highlight=False)
        else:
            console.print("[bold green]✓ the whole journey is right[/]")
            return 0
    return 1


class _Journey:
    def __init__(
        self, endpoints: Json, client: httpx.Client, console: Console, patience: float
    ) -> None:
        self._endpoints = endpoints
        self._client = client
        self._console = console
        self._patience = patience
        name = f"journey-{secrets.token_hex(4)}"
        self._email, self._password = f"{name}@example.com", secrets.token_urlsafe(12)
        self._username = name
        self._customer = Visitor(client, self._email, self._password)
        self._sellers: dict[str, Visitor] = {}

    def travel(self) -> None:
        self._register()
        before = self._sellers_numbers()
        choices = self._choose()
        address_id = self._add_address()
        self._fill_cart(choices)
        order = self._place_order(choices, address_id)
        self._check_stock(choices)
        self._pay(order)
        self._await_confirmation(order["id"])
        self._await_mails()
        self._await_sales(before, choices)

    @contextmanager
    def _step(self, what: str) -> Iterator[list[str]]:
        """A line with the time it took; the step may add what a reader wants to know."""
        started, details = time.perf_counter(), list[str]()
        try:
            yield details
        except BaseException:
            self._console.print(f"[red]✗[/] {what}", highlight=False)
            raise
        took = (time.perf_counter() - started) * 1000
        told = f" [dim]· {escape(' · '.join(details))}[/]" if details else ""
        self._console.print(f"[green]✓[/] [dim]{took:7.0f} ms[/]  {what}{told}", highlight=False)

    def _register(self) -> None:
        with self._step("registered and signed in") as details:
            body = {
                "username": self._username,
                "email": self._email,
                "password": self._password,
                "fullName": {"firstName": "Jaya", "lastName": "Rao"},
            }
            created = HTTPStatus.CREATED
            ask(self._client, "POST", "/api/auth/register", expect=created, json=body)
            self._customer.sign_in()
            me = self._customer.ask("GET", "/api/auth/me")["user"]
            _expect("the new account's email", self._email, me["email"])
            _expect("the new account's role", "user", me["role"])
            details.append(self._email)

    def _sellers_numbers(self) -> dict[str, Numbers]:
        with self._step("read the sellers' dashboards") as details:
            accounts = [who for who in self._endpoints["accounts"] if who["role"] == "seller"]
            if len(accounts) < 3:
                raise StepFailed(f"expected 3 sample sellers, came {len(accounts)}")
            for account in accounts:
                seller = Visitor(self._client, account["email"], account["password"])
                self._sellers[seller.sign_in()["id"]] = seller
            details.append(f"{len(accounts)} sellers")
            return {seller_id: self._numbers(seller_id) for seller_id in self._sellers}

    def _numbers(self, seller_id: str) -> Numbers:
        metrics = self._sellers[seller_id].ask("GET", "/api/seller/dashboard/metrics")
        rupees = [row["amount"] for row in metrics["revenue"] if row["currency"] == "INR"]
        return Numbers(metrics["sales"], metrics["orders"], sum(map(Decimal, rupees), Decimal(0)))

    def _choose(self) -> list[Choice]:
        """Two of the first thing found by search, one of the cheapest from another seller."""
        with self._step(f"searched for “{SEARCHED}”") as details:
            found = self._browse(q=SEARCHED, inStock="true", limit=50)
            for product in found:
                words = f"{product['title']} {product['description']}".casefold()
                if not all(word in words for word in SEARCHED.split()):
                    raise StepFailed(f"expected only “{SEARCHED}”, came “{product['title']}”")
            first = self._pick("found by search", found, quantity=2)
            details += [f"{len(found)} found", first.title]
        with self._step("listed by price, lowest first") as details:
            listed = self._browse(sort="price", inStock="true", limit=100)
            amounts = [Decimal(product["price"]["amount"]) for product in listed]
            _expect("the prices' order", sorted(amounts), amounts)
            others = [p for p in listed if _id_of(p["seller"]) != first.seller_id]
            second = self._pick("of another seller", others, quantity=1)
            details += [f"{len(listed)} listed", second.title]
        with self._step("looked at their pictures"):
            for choice in (first, second):
                self._see_picture(choice)
        return [first, second]

    def _browse(self, **query: Any) -> list[Json]:
        products: list[Json] = self._customer.ask("GET", "/api/products", params=query)["products"]
        return products

    def _pick(self, which: str, products: list[Json], quantity: int) -> Choice:
        for product in products:
            seller_id, price = _id_of(product["seller"]), product["price"]
            known = seller_id in self._sellers and price["currency"] == "INR"
            if known and product["stock"] >= quantity:
                amount, stock = Decimal(price["amount"]), product["stock"]
                return Choice(product["id"], product["title"], seller_id, amount, quantity, stock)
        raise StepFailed(f"expected a product {which} with {quantity} in stock, came none")

    def _see_picture(self, choice: Choice) -> None:
        product = self._customer.ask("GET", f"/api/products/{choice.product_id}")["product"]
        if not product["images"]:
            raise StepFailed(f"expected a picture of {choice.title}, came none")
        picture = self._client.get(product["images"][0]["url"], follow_redirects=True)
        kind = picture.headers.get("Content-Type", "")
        if picture.status_code != HTTPStatus.OK or not kind.startswith("image/"):
            raise StepFailed(f"expected an image, came {picture.status_code} {kind}")

    def _add_address(self) -> str:
        with self._step("added an address") as details:
            answer = self._customer.ask(
                "POST", "/api/auth/users/me/address", expect=HTTPStatus.CREATED, json=ADDRESS
            )
            details.append(f"{ADDRESS['street']}, {ADDRESS['city']}")
            return _id_of(answer["address"])

    def _fill_cart(self, choices: list[Choice]) -> None:
        for choice in choices:
            with self._step(f"put {choice.quantity} of {choice.title} into the cart"):
                wanted = {"productId": choice.product_id, "quantity": choice.quantity}
                self._customer.ask("POST", "/api/cart/items", json=wanted)
        with self._step("viewed the cart") as details:
            answer = self._customer.ask("GET", "/api/cart")
            lines = {item["productId"]: item["quantity"] for item in answer["cart"]["items"]}
            _expect("the cart's lines", {c.product_id: c.quantity for c in choices}, lines)
            total = Decimal(answer["totals"]["price"]["amount"])
            _expect("the cart's total", sum(choice.total for choice in choices), total)
            details.append(f"INR {total:,.2f}")

    def _place_order(self, choices: list[Choice], address_id: str) -> Json:
        with self._step("placed the order") as details:
            key, body = secrets.token_hex(16), {"addressId": address_id}
            order = self._order(key, body)
            _expect("the order's status", "PENDING", order["status"])
            lines = {_id_of(item["product"]): item["quantity"] for item in order["items"]}
            _expect("the order's lines", {c.product_id: c.quantity for c in choices}, lines)
            subtotal = Decimal(order["pricing"]["subtotal"]["amount"])
            _expect("the order's subtotal", sum(choice.total for choice in choices), subtotal)
            details += [order["id"], f"INR {_total(order):,.2f}"]
        with self._step("sent the same order again: still one order"):
            _expect("the repeated order", order["id"], self._order(key, body)["id"])
            _expect(
                "the cart afterwards", [], self._customer.ask("GET", "/api/cart")["cart"]["items"]
            )
        return order

    def _order(self, key: str, body: Json) -> Json:
        order: Json = self._customer.ask(
            "POST",
            "/api/orders",
            expect=HTTPStatus.CREATED,
            headers={"Idempotency-Key": key},
            json=body,
        )["order"]
        return order

    def _check_stock(self, choices: list[Choice]) -> None:
        with self._step("stock went down by what was bought") as details:
            for choice in choices:
                shown = self._customer.ask("GET", f"/api/products/{choice.product_id}")["product"]
                left = choice.stock - choice.quantity
                _expect(f"the stock of {choice.title}", left, shown["stock"])
                details.append(f"{choice.stock} → {left}")

    def _pay(self, order: Json) -> None:
        with self._step("opened the payment") as details:
            path = f"/api/payments/create/{order['id']}"
            checkout = self._customer.ask("POST", path, expect=HTTPStatus.CREATED)["razorpay"]
            _expect("the amount in paise", _total(order) * 100, Decimal(checkout["amount"]))
            _expect("the key", self._endpoints["razorpayKeyId"], checkout["keyId"])
            details.append(checkout["orderId"])
        with self._step("paid at Razorpay's simulator") as details:
            pay = {"orderId": checkout["orderId"], "outcome": "success"}
            proof = ask(
                self._client, "POST", f"{self._endpoints['razorpay']}/simulator/pay", json=pay
            )
            details.append(proof["razorpay_payment_id"])
        with self._step("had the payment verified"):
            names = ("razorpay_order_id", "razorpay_payment_id", "razorpay_signature")
            body = {name: proof[name] for name in names}
            payment = self._customer.ask("POST", "/api/payments/verify", json=body)["payment"]
            _expect("the payment's status", "COMPLETED", payment["status"])

    def _await_confirmation(self, order_id: str) -> None:
        with self._step("the order is CONFIRMED"):
            self._wait_for("the order's status", "CONFIRMED", lambda: self._status(order_id))

    def _status(self, order_id: str) -> str:
        return str(self._customer.ask("GET", f"/api/orders/{order_id}")["order"]["status"])

    def _await_mails(self) -> None:
        with self._step("the mails arrived") as details:
            self._wait_for("the mails", set(MAILS), self._kinds_of_mail)
            mails = self._mails()
            for mail in mails:
                if not (mail["html"] and mail["text"]):
                    raise StepFailed(f"expected HTML and text in “{mail['subject']}”")
            details.append(f"{len(mails)} mails")
        for mail in reversed(mails):
            self._console.print(f"              ✉ {mail['subject']}", highlight=False, markup=False)

    def _kinds_of_mail(self) -> set[str]:
        return set(kinds_of([mail["subject"] for mail in self._mails()]))

    def _mails(self) -> list[Json]:
        """What was sent to this customer, newest first."""
        path = f"{self._endpoints['mailbox']}/api/messages"
        mails = ask(self._client, "GET", path, params={"to": self._email})
        return [mail for mail in mails if self._email in mail["to"]]

    def _await_sales(self, before: dict[str, Numbers], choices: list[Choice]) -> None:
        expected = dict(before)
        for choice in choices:
            expected[choice.seller_id] = expected[choice.seller_id].plus(choice)
        with self._step("the sale is on its sellers' dashboards, and on nobody else's"):
            self._wait_for(
                "the sellers' numbers",
                expected,
                lambda: {seller_id: self._numbers(seller_id) for seller_id in self._sellers},
            )
        table = Table("seller", "before", "after", title="sellers' numbers")
        for seller_id, seller in self._sellers.items():
            after = str(expected[seller_id]) if before[seller_id] != expected[seller_id] else "same"
            table.add_row(seller.user["username"], str(before[seller_id]), after)
        self._console.print(table)

    def _wait_for[T](self, what: str, expected: T, look: Callable[[], T]) -> None:
        """Looks again and again until it is so, or until patience ends."""
        deadline = time.monotonic() + self._patience
        while (came := look()) != expected:
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"{what}: expected {_shown(expected)} within {self._patience:g} s, "
                    f"came {_shown(came)}"
                )
            time.sleep(PAUSE)


def kinds_of(subjects: list[str]) -> Iterator[str]:
    """Which of the journey's mails these subjects belong to."""
    for kind, pattern in MAILS.items():
        if any(re.search(pattern, subject, re.IGNORECASE) for subject in subjects):
            yield kind


def _expect(what: str, expected: object, came: object) -> None:
    if came != expected:
        raise StepFailed(f"{what}: expected {_shown(expected)}, came {_shown(came)}")


def _shown(value: object) -> str:
    """As a person writes it."""
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(of)}" for key, of in value.items()) + "}"
    if isinstance(value, set):
        return ", ".join(sorted(map(str, value))) or "nothing"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def _id_of(thing: Any) -> str:
    """The id of what the contract names, whether it is shown as an id or as an object."""
    return str(thing["id"] if isinstance(thing, dict) else thing)


def _total(order: Json) -> Decimal:
    return Decimal(order["pricing"]["total"]["amount"])
