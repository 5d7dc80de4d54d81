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
from seller_dashboard.projections import totals
from seller_dashboard.projections.model import (
    OrderFacts,
    Period,
    Purchase,
    SaleStatus,
    Slice,
    StatusChange,
)
from seller_dashboard.projections.projector import Projector
from seller_dashboard.schemas import (
    SellerCustomerView,
    SellerMetricsResponse,
    SellerOrderView,
    SellerProductView,
)
from supermarket.contracts import Event, Metadata
from supermarket.errors import Conflict
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
from support.in_memory import InMemoryTransaction
from support.payment import PRICE, a_payment
from support.seller_dashboard import ASHA, Projections, a_line

SELLERS = ("meera", "ravi", "zoya")
EVER = Period.between(None, None)
PERIOD = Period(*(date.fromisoformat(DAYS[end]) for end in ("from", "to")))
PLENTY = 10_000
MAX_CRASHES, MAX_AT_ONCE = 12, 4
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


class Crash(Exception):
    """A Lambda ends between two of its calls."""


class Interrupted:
    """An adapter; before and after each of its calls something else happens."""

    def __init__(self, adapter: Any, interrupt: Callable[[], None]) -> None:
        self._adapter = adapter
        self._interrupt = interrupt

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._interrupt()
            answer = getattr(self._adapter, name)(*args, **kwargs)
            self._interrupt()
            return answer

        return call


class InterruptedTransaction(InMemoryTransaction):
    """A transaction before and after whose commit something else happens."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        super().__init__([])
        self._interrupt = interrupt

    def commit(self) -> None:
        self._interrupt()
        super().commit()
        self._interrupt()


class Listeners:
    """Several listeners that handle events at the same time, and crash; a queue repeats events."""

    def __init__(self, random: Random, events: Sequence[Event]) -> None:
        self.random, self.queue = random, list(events)
        self.crashes = self.at_once = 0
        self.projections = Projections()

        def begin() -> InMemoryTransaction:
            return InterruptedTransaction(self.interrupt)

        self.projector = Projector(
            Interrupted(self.projections.orders, self.interrupt),
            Interrupted(self.projections.sales, self.interrupt),
            self.projections.catalogue,
            begin,
        )

    def run(self) -> None:
        while self.queue:
            self.handle_next()

    def handle_next(self) -> None:
        event = self.queue.pop()
        self.at_once += 1
        try:
            handle(event)
        except (Crash, Conflict):
            self.queue.insert(self.random.randint(0, len(self.queue)), event)
        self.at_once -= 1

    def interrupt(self) -> None:
        dice = self.random.randint(1, 60)
        if dice == 1 and self.crashes < MAX_CRASHES:
            self.crashes += 1
            raise Crash
        if dice <= 6 and self.queue and self.at_once < MAX_AT_ONCE:
            self.handle_next()


@settings(max_examples=60)
@given(random=st.randoms(use_true_random=False), orders=st.integers(1, 3))
def test_dashboards_are_right_although_listeners_crash_and_work_at_the_same_time(
    random: Random, orders: int
) -> None:
    histories = random_histories(random, orders, SELLERS)
    events = [event for history in histories for event in events_of(history)] * 2
    random.shuffle(events)
    listeners = Listeners(random, events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(totals, "PRODUCTS_PER_STEP", random.choice([1, 2, 40]))
        patch.setattr(wiring, "projector", lambda: listeners.projector)
        patch.setattr(wiring, "sellers", lambda: listeners.projections.sellers)
        listeners.run()
    assert_dashboards(listeners.projections, histories)


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
    bought = Purchase(ASHA, (a_line(seller_id="meera"),), BEGAN, BEGAN.date())
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
