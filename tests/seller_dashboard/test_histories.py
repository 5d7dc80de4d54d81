"""Model-based tests: random histories of orders, whose events arrive several times and in random
order, give the dashboards that an oracle derives from the histories themselves.
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
from seller_dashboard.projections.model import Period, Slice
from seller_dashboard.schemas import (
    SellerCustomerView,
    SellerMetricsResponse,
    SellerOrderView,
    SellerProductView,
)
from supermarket.contracts import Event, Metadata
from supermarket.schemas import View
from support.histories import (
    BEGAN,
    DAYS,
    OrderHistory,
    events_of,
    expected_customers,
    expected_metrics,
    expected_orders,
    expected_products,
    random_histories,
    shown_customers,
    shown_metrics,
    shown_orders,
    shown_products,
)
from support.seller_dashboard import Projections

SELLERS = ("meera", "ravi", "zoya")
EVER = Period.between(None, None)
PERIOD = Period(*(date.fromisoformat(DAYS[end]) for end in ("from", "to")))
PLENTY = 10_000


def handle(event: Event, number: int = 0) -> None:
    metadata = Metadata(
        event_id=f"e{number}", version=1, occurred_at=BEGAN, correlation_id="histories"
    )
    _, handler = event_handlers.handlers[type(event).__name__]
    handler(event, metadata)


def three_times_each(histories: Sequence[OrderHistory], random: Random) -> list[Event]:
    events = [event for history in histories for event in events_of(history)] * 3
    random.shuffle(events)
    return events


def as_json(view: View) -> Any:
    return view.model_dump(mode="json", by_alias=True)


def assert_dashboards(projections: Projections, histories: Sequence[OrderHistory]) -> None:
    for seller in SELLERS:
        metrics = as_json(
            SellerMetricsResponse.model_validate(projections.dashboard.get_metrics(seller, PERIOD))
        )
        assert shown_metrics(metrics) == expected_metrics(histories, seller)
        orders = projections.dashboard.list_orders(seller, EVER, None, Slice(PLENTY)).items
        listed = [as_json(SellerOrderView.model_validate(sale)) for sale in orders]
        assert shown_orders(listed) == expected_orders(histories, seller)
        customers = projections.dashboard.list_customers(seller, Slice(PLENTY)).items
        known = [as_json(SellerCustomerView.model_validate(one)) for one in customers]
        assert shown_customers(known) == expected_customers(histories, seller)
        products = projections.dashboard.list_products(seller, Slice(PLENTY)).items
        sold = [as_json(SellerProductView.model_validate(product)) for product in products]
        assert shown_products(sold) == expected_products(histories, seller)
        paid = projections.dashboard.list_payments(seller, EVER, Slice(PLENTY)).items
        assert {sale.order_id: sale.payment and sale.payment.status for sale in paid} == {
            history.id: history.payment
            for history in histories
            if history.payment and any(line.seller == seller for line in history.lines)
        }


@settings(max_examples=150)
@given(random=st.randoms(use_true_random=False), orders=st.integers(0, 6))
def test_dashboards_show_the_histories_however_the_events_arrive(
    random: Random, orders: int
) -> None:
    histories = random_histories(random, orders, SELLERS)
    projections = Projections()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "projector", lambda: projections.projector)
        patch.setattr(wiring, "sellers", lambda: projections.sellers)
        for number, event in enumerate(three_times_each(histories, random)):
            handle(event, number)
    assert_dashboards(projections, histories)


def test_dashboards_show_five_hundred_orders_with_each_event_three_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    histories = random_histories(Random(500), 500, SELLERS)
    projections = Projections()
    monkeypatch.setattr(wiring, "projector", lambda: projections.projector)
    monkeypatch.setattr(wiring, "sellers", lambda: projections.sellers)
    for number, event in enumerate(three_times_each(histories, Random(3))):
        handle(event, number)
    assert_dashboards(projections, histories)


@given(random=st.randoms(use_true_random=False))
def test_the_refunds_of_all_sellers_add_up_to_the_refunds_of_the_goods(random: Random) -> None:
    [history] = random_histories(random, 1, SELLERS)
    projections = Projections()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "projector", lambda: projections.projector)
        patch.setattr(wiring, "sellers", lambda: projections.sellers)
        for event in events_of(history):
            handle(event)
    sales = [
        sale
        for seller in SELLERS
        for sale in projections.dashboard.list_orders(seller, EVER, None, Slice(PLENTY)).items
    ]
    refunded = sum(sale.refunded.minor for sale in sales)
    goods = sum(sale.total.minor for sale in sales)
    assert 2 * abs(refunded * history.total - history.refunded * goods) <= history.total
    if history.refunded == history.total:
        assert refunded == goods
