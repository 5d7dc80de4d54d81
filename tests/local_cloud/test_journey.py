"""The journey through a shop that works, and through shops in which one step is wrong."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress
from starlette.applications import Starlette

from local.catalogue import load, read
from local.journey import kinds_of, run
from support.fake_shop import FakeShop

Serve = Callable[[Starlette, str], str]


class Trip:
    """A loaded shop, and what the journey through it printed."""

    def __init__(self, shop: FakeShop, address: str) -> None:
        self.shop = shop
        sellers = read().sellers
        self.endpoints: dict[str, Any] = {
            "api": address,
            "razorpay": f"{address}/razorpay",
            "mailbox": f"{address}/mailbox",
            "razorpayKeyId": "rzp_test",
            "accounts": [
                {"role": "seller", "email": who.email, "password": who.password} for who in sellers
            ],
        }
        self.printed = io.StringIO()

    def go(self) -> int:
        console = Console(file=self.printed, width=160)
        return run(self.endpoints, console, patience=0.3)


@pytest.fixture(scope="module")
def kept_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def trip(serve: Serve, kept_pictures: Path) -> Trip:
    shop = FakeShop()
    address = serve(shop.app(), "/shop")
    small = replace(
        read(), categories=tuple(replace(c, products=c.products[:3]) for c in read().categories)
    )
    quiet = Progress(console=Console(file=io.StringIO()))
    load(address, quiet, catalogue=small, kept_pictures=kept_pictures)
    return Trip(shop, address)


def test_a_shop_that_works_is_travelled_to_the_end(trip: Trip) -> None:
    assert trip.go() == 0, trip.printed.getvalue()
    (order,) = trip.shop.orders.values()
    assert order["status"] == "CONFIRMED"
    assert len({trip.shop.products[item["product"]]["seller"] for item in order["items"]}) == 2


def test_every_step_is_printed_with_its_time_and_the_numbers_at_the_end(trip: Trip) -> None:
    trip.go()
    printed = trip.printed.getvalue()
    for step in ("registered", "searched", "placed the order", "CONFIRMED", "mails arrived"):
        assert any("ms" in line for line in printed.splitlines() if step in line), step
    assert "Welcome to the shop" in printed
    assert "farah-home" in printed


def test_a_second_journey_through_the_same_shop_works_too(trip: Trip) -> None:
    assert trip.go() == 0
    assert trip.go() == 0


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("search", "expected only “basmati rice”"),
        ("price order", "the prices' order"),
        ("cart total", "the cart's total: expected"),
        ("idempotency", "the repeated order: expected order-"),
        ("stock", "the stock of"),
        ("amount", "the amount in paise: expected"),
        ("signature", "came 400: The signature is wrong"),
        ("confirmation", "the order's status: expected CONFIRMED within 0.3 s, came PENDING"),
        ("Welcome to the shop", "came order confirmed, order placed, payment completed"),
        ("Your order is placed", "came order confirmed, payment completed, payment initiated"),
        ("Your payment was initiated", "came order confirmed, order placed, payment completed"),
        ("Payment completed", "came order confirmed, order placed, payment initiated"),
        ("Your order is confirmed", "came order placed, payment completed, payment initiated"),
        ("other sellers' sales", "the sellers' numbers: expected"),
    ],
)
def test_a_wrong_step_fails_the_journey_and_says_why(trip: Trip, broken: str, told: str) -> None:
    trip.shop.broken.add(broken)
    assert trip.go() == 1
    printed = " ".join(trip.printed.getvalue().split())
    assert told in printed
    assert "✗" in printed
    assert "the whole journey is right" not in printed


def test_a_picture_that_is_no_image_fails_the_journey(trip: Trip) -> None:
    for product in trip.shop.products.values():
        product["images"] = [{"url": f"{trip.endpoints['mailbox']}/api/messages"}]
    assert trip.go() == 1
    assert "expected an image, came 200 application/json" in trip.printed.getvalue()


def test_an_answer_of_another_shape_fails_the_journey(trip: Trip) -> None:
    for product in trip.shop.products.values():
        del product["price"]
    assert trip.go() == 1


def test_a_shop_that_is_not_there_fails_the_journey(trip: Trip) -> None:
    trip.endpoints["api"] = "http://127.0.0.1:9"
    assert trip.go() == 1
    assert "no answer" in trip.printed.getvalue()


def test_too_few_sellers_fail_the_journey(trip: Trip) -> None:
    trip.endpoints["accounts"].pop()
    assert trip.go() == 1
    assert "expected 3 sample sellers, came 2" in trip.printed.getvalue()


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("Welcome to Super-Market, Asha", "welcome"),
        ("We have your order 01K…", "order placed"),
        ("Order 01K… placed", "order placed"),
        ("Your order over ₹12.00 is confirmed", "order confirmed"),
        ("Payment started for your order", "payment initiated"),
        ("Your payment is waiting", "payment initiated"),
        ("Complete your payment of INR 12.00", "payment initiated"),
        ("Your payment of ₹12.00 is ready", "payment initiated"),
        ("Payment received for your order", "payment completed"),
        ("Thank you: ₹12.00 received", "payment completed"),
        ("We received your payment", "payment completed"),
    ],
)
def test_a_mails_kind_is_told_by_its_subject(subject: str, kind: str) -> None:
    assert list(kinds_of([subject])) == [kind]
