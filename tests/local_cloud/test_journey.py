"""The smoke test, run against a shop that works and against shops in which one step fails."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress
from starlette.applications import Starlette

from local.journey import kinds_of, run
from sample import load, read
from support.fake_shop import FakeShop
from support.sample import first_products

Serve = Callable[[Starlette, str], str]


class Run:
    """A loaded shop, and the output of the journey through it."""

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

    def start(self) -> int:
        console = Console(file=self.printed, width=160)
        return run(self.endpoints, console, timeout=0.3)


@pytest.fixture
def journey(serve: Serve) -> Run:
    shop = FakeShop()
    address = serve(shop.app(), "/shop")
    quiet = Progress(console=Console(file=io.StringIO()))
    load(address, quiet, catalogue=first_products(3))
    return Run(shop, address)


def test_every_step_passes_in_a_shop_that_works(journey: Run) -> None:
    assert journey.start() == 0, journey.printed.getvalue()
    (order,) = journey.shop.orders.values()
    assert order["status"] == "CONFIRMED"
    assert len({journey.shop.products[item["product"]]["seller"] for item in order["items"]}) == 2


def test_every_step_is_printed_with_its_duration_and_the_figures_at_the_end(journey: Run) -> None:
    journey.start()
    printed = journey.printed.getvalue()
    for step in ("registered", "searched", "placed the order", "CONFIRMED", "mails arrived"):
        assert any("ms" in line for line in printed.splitlines() if step in line), step
    assert "Welcome to the shop" in printed
    assert "farah-home" in printed


def test_a_second_journey_in_the_same_shop_passes(journey: Run) -> None:
    assert journey.start() == 0
    assert journey.start() == 0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("search", "expected only “basmati rice”"),
        ("price order", "the prices' order"),
        ("cart total", "the cart's total: expected"),
        ("idempotency", "the repeated order: expected order-"),
        ("stock", "the stock of"),
        ("amount", "the amount in paise: expected"),
        ("signature", "got 400: The signature is wrong"),
        ("confirmation", "the order's status: expected CONFIRMED within 0.3 s, got PENDING"),
        ("Welcome to the shop", "the mails: expected order confirmed, welcome within 0.3 s"),
        ("Your order is confirmed", "got welcome"),
        ("other sellers' sales", "the sellers' figures: expected"),
    ],
)
def test_a_failed_step_fails_the_journey_and_is_explained(
    journey: Run, broken: str, message: str
) -> None:
    journey.shop.broken.add(broken)
    assert journey.start() == 1
    printed = " ".join(journey.printed.getvalue().split())
    assert message in printed
    assert "✗" in printed
    assert "every step passed" not in printed


def test_a_picture_that_is_not_an_image_fails_the_journey(journey: Run) -> None:
    for product in journey.shop.products.values():
        product["images"] = [{"url": f"{journey.endpoints['mailbox']}/api/messages"}]
    assert journey.start() == 1
    assert "expected an image, got 200 application/json" in journey.printed.getvalue()


def test_a_response_of_another_shape_fails_the_journey(journey: Run) -> None:
    for product in journey.shop.products.values():
        del product["price"]
    assert journey.start() == 1


def test_a_shop_that_does_not_run_fails_the_journey(journey: Run) -> None:
    journey.endpoints["api"] = "http://127.0.0.1:9"
    assert journey.start() == 1
    assert "no response" in journey.printed.getvalue()


def test_too_few_sellers_fail_the_journey(journey: Run) -> None:
    journey.endpoints["accounts"].pop()
    assert journey.start() == 1
    assert "expected 3 sample sellers, got 2" in journey.printed.getvalue()


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("Welcome to Super-Market, Asha", "welcome"),
        ("Your order over ₹12.00 is confirmed", "order confirmed"),
    ],
)
def test_the_kind_of_a_mail_follows_from_its_subject(subject: str, kind: str) -> None:
    assert list(kinds_of([subject])) == [kind]
