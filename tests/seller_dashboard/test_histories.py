"""Whatever happens to orders, and however often and in whatever order the facts arrive, sellers see
what an oracle makes of the histories themselves.
"""

from collections.abc import Sequence
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seller_dashboard import wiring
from seller_dashboard.listeners import event_handlers
from seller_dashboard.model import Period
from seller_dashboard.schemas import (
    MetricsView,
    SellerCustomerView,
    SellerOrderView,
    SellerProductView,
)
from supermarket.contracts import Event, Metadata
from supermarket.schemas import View
from support.histories import (
    BEGAN,
    DAYS,
    Life,
    expected_customers,
    expected_metrics,
    expected_orders,
    expected_products,
    facts,
    random_lives,
    seen_customers,
    seen_metrics,
    seen_orders,
    seen_products,
)
from support.seller_dashboard import Books

SELLERS = ("meera", "ravi", "zoya")
EVER = Period.between(None, None)
PERIOD = Period(*(date.fromisoformat(DAYS[end]) for end in ("from", "to")))
PLENTY = 10_000


def hear(event: Event, number: int = 0) -> None:
    metadata = Metadata(
        event_id=f"e{number}", version=1, occurred_at=BEGAN, correlation_id="histories"
    )
    _, reaction = event_handlers.handlers[type(event).__name__]
    reaction(event, metadata)


def three_times_each(lives: Sequence[Life], random: Random) -> list[Event]:
    told = [event for life in lives for event in facts(life)] * 3
    random.shuffle(told)
    return told


def as_json(view: View) -> Any:
    return view.model_dump(mode="json", by_alias=True)


def assert_seen(books: Books, lives: Sequence[Life]) -> None:
    for seller in SELLERS:
        metrics = as_json(MetricsView.of(books.dashboard.metrics(seller, PERIOD)))
        assert seen_metrics(metrics) == expected_metrics(lives, seller)
        orders = books.dashboard.orders(seller, EVER, None, PLENTY, None).items
        listed = [as_json(SellerOrderView.of(sale)) for sale in orders]
        assert seen_orders(listed) == expected_orders(lives, seller)
        buyers = books.dashboard.customers(seller, PLENTY, None).items
        known = [as_json(SellerCustomerView.of(buyer)) for buyer in buyers]
        assert seen_customers(known) == expected_customers(lives, seller)
        products = books.dashboard.products(seller, PLENTY, None).items
        shelf = [as_json(SellerProductView.of(product)) for product in products]
        assert seen_products(shelf) == expected_products(lives, seller)
        paid = books.dashboard.payments(seller, EVER, PLENTY, None).items
        assert {share.order_id: share.payment.status for share in paid} == {
            life.id: life.payment
            for life in lives
            if life.payment and any(line.seller == seller for line in life.lines)
        }


@settings(max_examples=150)
@given(random=st.randoms(use_true_random=False), orders=st.integers(0, 6))
def test_sellers_see_what_happened_however_they_heard_of_it(random: Random, orders: int) -> None:
    lives = random_lives(random, orders, SELLERS)
    books = Books()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "bookkeeping", lambda: books.keeping)
        for number, event in enumerate(three_times_each(lives, random)):
            hear(event, number)
    assert_seen(books, lives)


def test_five_hundred_orders_three_times_in_random_order(monkeypatch: pytest.MonkeyPatch) -> None:
    lives = random_lives(Random(500), 500, SELLERS)
    books = Books()
    monkeypatch.setattr(wiring, "bookkeeping", lambda: books.keeping)
    for number, event in enumerate(three_times_each(lives, Random(3))):
        hear(event, number)
    assert_seen(books, lives)


@given(random=st.randoms(use_true_random=False))
def test_sellers_bear_together_what_went_back_and_no_more(random: Random) -> None:
    [life] = random_lives(random, 1, SELLERS)
    books = Books()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "bookkeeping", lambda: books.keeping)
        for event in facts(life):
            hear(event)
    sales = [
        sale
        for seller in SELLERS
        for sale in books.dashboard.orders(seller, EVER, None, PLENTY, None).items
    ]
    borne = sum(sale.refunded.minor for sale in sales)
    goods = sum(sale.total.minor for sale in sales)
    assert 2 * abs(borne * life.total - life.refunded * goods) <= life.total
    if life.refunded == life.total:
        assert borne == goods
