"""Model-based tests: random histories of orders, whose events arrive several times and in random
order, give the dashboards that an oracle derives from the histories themselves.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment.events import events_between
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.payment import Payment
from payment.model.refund import Refund, RefundStatus
from payment.model.status import Failure, PaymentStatus
from seller_dashboard import wiring
from seller_dashboard.listeners import event_handlers
from seller_dashboard.projections.model import (
    OrderFacts,
    Period,
    Purchase,
    SaleStatus,
    Slice,
    StatusChange,
)
from seller_dashboard.schemas import (
    SellerCustomerView,
    SellerMetricsResponse,
    SellerOrderView,
    SellerProductView,
)
from supermarket.contracts import Event, Metadata
from supermarket.money import Money
from supermarket.schemas import View
from support.api import a_caller
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
from support.payment import PRICE, a_payment
from support.seller_dashboard import ASHA, Projections, a_line

SELLERS = ("meera", "ravi", "zoya")
EVER = Period.between(None, None)
PERIOD = Period(*(date.fromisoformat(DAYS[end]) for end in ("from", "to")))
PLENTY = 10_000
CAPTURED = AttemptStatus.CAPTURED


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


def changed_payment(random: Random, payment: Payment, at: datetime) -> Payment:
    """Return the payment after a random change that its state permits."""
    status, number = payment.status, payment.version
    attempt = Attempt(f"pay_{number}", payment.razorpay_order_id, payment.price, CAPTURED)
    changes: list[Callable[[], Payment]] = [lambda: payment.with_late_authorization(attempt.id, at)]
    if payment.is_paid:
        left = payment.balance.remaining.minor
        amount = Money(random.choice([left, left // 2 + 1]), payment.price.currency)
        ids = (f"refund-{number}", str(payment.completed_by))
        refund = Refund(*ids, amount, "requested", "an admin", at, at)
        outcome = random.choice(list(RefundStatus))
        refunds = [*payment.open_refunds, *[refund] * bool(left)]
        ended = [one.with_status(outcome, at) for one in refunds]
        return payment.with_refund(random.choice(ended), at) if ended else payment
    changes += [lambda: payment.completed(attempt, at)]
    if status is PaymentStatus.PENDING:
        changes += [lambda: payment.with_failed_attempt(attempt, at)] * 3
    elif not payment.has_cancelled_order:
        changes += [lambda: payment.reopened(at)] * 3
        changes += [lambda: payment.cancelled(Failure.ORDER_EXPIRED, at)]
    return random.choice(changes)()


@settings(max_examples=150)
@given(random=st.randoms(use_true_random=False), changes=st.integers(0, 8))
def test_a_sale_ends_in_the_state_of_its_payment_however_the_events_arrive(
    random: Random, changes: int
) -> None:
    """Also when the clocks of those who change the payment differ."""
    payment = a_payment(a_caller())
    events = list(events_between(None, payment))
    for _ in range(changes):
        at = BEGAN + timedelta(seconds=random.randint(0, 9))
        before, payment = payment, changed_payment(random, payment, at)
        events += events_between(before, payment)
    shown = [event for event in events if type(event).__name__ in event_handlers.handlers]
    arriving = [*shown, *random.choices(shown, k=4)]
    random.shuffle(arriving)
    projections = Projections()
    bought = Purchase(ASHA, (a_line(seller_id="meera"),), BEGAN)
    placed = StatusChange(SaleStatus.PENDING, BEGAN)
    projections.projector.apply(OrderFacts(payment.order_id, bought, PRICE, placed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "projector", lambda: projections.projector)
        for event in arriving:
            handle(event)
    [sale] = projections.dashboard.list_orders("meera", EVER, None, Slice(PLENTY)).items
    is_pending_refund = payment.status is PaymentStatus.REFUND_PENDING
    status = "COMPLETED" if is_pending_refund else payment.status.value
    assert sale.payment is not None
    assert (sale.payment.id, sale.payment.status.value) == (payment.id, status)
