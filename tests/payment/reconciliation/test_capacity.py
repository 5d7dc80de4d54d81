"""What a reconciliation costs: calls to Razorpay and reads of the database, counted."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import cast

import pytest

from conftest import NOON, FrozenClock
from payment import jobs
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.order import RazorpayOrder
from payment.model.payment import Payment, sort_key
from payment.model.settlement import ItemKind, SettledItem, Settlement
from payment.model.status import PaymentStatus
from payment.reconciliation.comparison import Comparison
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import (
    COMPARED_AGAIN_AFTER,
    ITEMS_PAGE,
    LATEST,
    PAGE,
    RecordPage,
    Report,
)
from payment.reconciliation.ports import RazorpayRecords
from payment.reconciliation.settlements import LOOK_BACK, SettlementSync
from payment.reconciliation.walker import WORKERS
from payment.settlements import Settlements
from supermarket.clock import iso
from supermarket.money import Currency, Money
from support.in_memory import InMemoryAuditTrail
from support.payment import InMemoryLedger, a_payment
from support.reconciliation import CUSTOMER, FakeReconciledPayments, ReconciledShop
from support.template import functions, template

FEE = Money(1_000, Currency.INR)
RATE = 10  # calls of all jobs in a second, the default of the template
LATENCY_SECONDS = 0.6  # of a call to Razorpay
READ_SECONDS = 0.02  # of a BatchGetItem
SECONDS_OF_A_RUN = 600 - 90  # the Lambda's time-out without the time that a step may take
SCHEDULE = timedelta(minutes=15)
FIRST_TIME, FOR_SETTLED, AT_MOST = 23, 2, 30  # calls for 1,000 settled payments


class Sale(ReconciledShop):
    """A shop after a sale. `calls` counts those to Razorpay; each takes the time of one of eight
    workers, and of the pace.
    """

    def __init__(self, clock: FrozenClock, since: datetime, until: datetime, number: int) -> None:
        super().__init__(clock)
        self.calls = self.reads = 0
        self.payments = self.updates.payments = self.index = IndexedPayments(self)
        self.razorpay = SaleRecords(self)
        self.reconciliation = replace(
            self.reconciliation, payments=self.index, records=cast("RazorpayRecords", self.razorpay)
        )
        drift = DriftReporter(self.store, self.outbox.begin, clock)
        records, updates = cast("RazorpayRecords", self.razorpay), self.reconciliation.updates
        comparison = Comparison(self.index, records, updates, drift, Report())
        booked = Settlements(InMemoryLedger(), InMemoryAuditTrail(), self.outbox.begin)
        self.settlement_sync = SettlementSync(self.razorpay, booked, comparison, self.store, clock)
        step = (until - since) / number
        for n in range(number):
            at = since + n * step
            self.payments.store(replace(a_payment(CUSTOMER), created_at=at, updated_at=at))

    def settle(self, payments: Collection[Payment]) -> None:
        """Pay at Razorpay, with webhooks."""
        for payment in self.pay_unnoticed(payments):
            [attempt] = self.razorpay.list_attempts_of(payment)
            self.payments.store(payment.completed(attempt, payment.created_at))

    def pay_unnoticed(self, payments: Collection[Payment]) -> list[Payment]:
        """Pay at Razorpay, without webhooks."""
        for payment in payments:
            self.razorpay.paid.add(payment.razorpay_order_id)
        return list(payments)

    def take_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


class IndexedPayments(FakeReconciledPayments):
    """Payments in the order of their creation, with an index by the ids of Razorpay."""

    def __init__(self, sale: Sale) -> None:
        super().__init__()
        self._sale = sale
        self._by_razorpay_id: dict[str, str] = {}

    @cached_property
    def keys(self) -> list[str]:
        return sorted(map(sort_key, self.stored.values()))

    def store(self, payment: Payment) -> Payment:
        for id_ in (payment.razorpay_order_id, *payment.attempt_ids):
            self._by_razorpay_id[id_] = payment.id
        return super().store(payment)

    def find_by_razorpay_id(self, razorpay_id: str) -> Payment | None:
        return self.stored.get(self._by_razorpay_id.get(razorpay_id, ""))

    def find_by_razorpay_ids(self, razorpay_ids: Collection[str]) -> dict[str, Payment]:
        self._read(2)  # pointers and payments
        found = {id_: self.find_by_razorpay_id(id_) for id_ in razorpay_ids}
        return {id_: payment for id_, payment in found.items() if payment}

    def find_many(self, payment_ids: Collection[str]) -> list[Payment]:
        self._read(1)
        return super().find_many(payment_ids)

    def list_keys_between(self, since: datetime, until: datetime) -> Iterator[str]:
        first = bisect_left(self.keys, iso(since))
        found = self.keys[first : bisect_right(self.keys, f"{iso(until)}~")]
        self._read(len(found) // 1_000 + 1)
        return iter(found)

    def list_unsettled_between(self, since: datetime, until: datetime) -> list[Payment]:
        ids = [key.partition("#")[2] for key in self.list_keys_between(since, until)]
        unpaid = [payment for payment in map(self.stored.__getitem__, ids) if not payment.is_paid]
        self._read(8 + len(unpaid) // PAGE)
        return unpaid

    def _read(self, calls: int) -> None:
        self._sale.reads += calls
        self._sale.take_time(calls * READ_SECONDS / WORKERS)


class SaleRecords:
    """`RazorpayRecords` and `SettlementRecords` of payments that have one order and, if paid, one
    attempt each.
    """

    def __init__(self, sale: Sale) -> None:
        self._sale = sale
        self.paid: set[str] = set()
        self._ids: dict[tuple[datetime, datetime], list[str]] = {}

    def list_orders_between(self, page: RecordPage) -> Sequence[RazorpayOrder]:
        stored = self._sale.payments.stored
        return [self._order(stored[id_]) for id_ in self._page(page, self._ids_of(page))]

    def list_attempts_between(self, page: RecordPage) -> Sequence[Attempt]:
        stored = self._sale.payments.stored
        created = [stored[id_] for id_ in self._ids_of(page)]
        paid = [one for one in created if one.razorpay_order_id in self.paid]
        return [attempt for one in self._page(page, paid) for attempt in self.list_attempts_of(one)]

    def list_refunds_between(self, page: RecordPage) -> Sequence[object]:
        return self._page(page, [])

    def list_settlements_between(self, page: RecordPage) -> Sequence[Settlement]:
        self._page(page, [])
        return []

    def list_settled_items(self, day: date, skip: int) -> Sequence[SettledItem]:
        """Everything is settled on the day before the present one."""
        self._call()
        if day != (self._sale.clock.now - timedelta(days=1)).date():
            return []
        paid = [p for p in self._sale.payments.stored.values() if p.razorpay_order_id in self.paid]
        attempts = [one for p in paid for one in self.list_attempts_of(p)]
        return [_settled(one) for one in attempts[skip : skip + ITEMS_PAGE]]

    def list_attempts(self, razorpay_order_id: str) -> Sequence[Attempt]:
        self._call()
        payment = self._sale.payments.find_by_razorpay_id(razorpay_order_id)
        return self.list_attempts_of(payment) if payment else []

    def list_attempts_of(self, payment: Payment) -> list[Attempt]:
        order_id = payment.razorpay_order_id
        if order_id not in self.paid:
            return []
        captured = AttemptStatus.CAPTURED
        return [Attempt(f"pay_{order_id}", order_id, payment.price, captured, FEE)]

    def find_order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        self._call()
        payment = self._sale.payments.find_by_razorpay_id(razorpay_order_id)
        return self._order(payment) if payment else None

    def _order(self, payment: Payment) -> RazorpayOrder:
        is_paid = payment.razorpay_order_id in self.paid
        return RazorpayOrder(payment.razorpay_order_id, payment.price, is_paid, payment.created_at)

    def _ids_of(self, page: RecordPage) -> list[str]:
        """The payments of a window, newest first."""
        window = page.since, page.until
        if window not in self._ids:
            keys = self._sale.index.keys
            first = bisect_left(keys, iso(page.since))
            found = keys[first : bisect_right(keys, f"{iso(page.until)}~")]
            self._ids[window] = [key.partition("#")[2] for key in reversed(found)]
        return self._ids[window]

    def _page[T](self, page: RecordPage, records: Sequence[T]) -> Sequence[T]:
        self._call()
        return records[page.skip : page.skip + PAGE]

    def _call(self) -> None:
        self._sale.calls += 1
        self._sale.take_time(max(1 / RATE, LATENCY_SECONDS / WORKERS))


def _settled(attempt: Attempt) -> SettledItem:
    kind, net = ItemKind.PAYMENT, attempt.amount.minor - FEE.minor
    return SettledItem(attempt.id, kind, attempt.amount, net, None, attempt.id, fee=attempt.fee)


def run(sale: Sale, seconds: float = SECONDS_OF_A_RUN) -> Report:
    ends = sale.clock.now + timedelta(seconds=seconds)
    return sale.run(lambda: sale.clock.now < ends)


def test_the_template_gives_a_run_this_rate_and_this_time() -> None:
    assert template()["Parameters"]["RazorpayCallsPerSecond"]["Default"] == RATE
    properties = functions()["ReconcilePayments"]
    assert properties["Timeout"] == SECONDS_OF_A_RUN + jobs.SECONDS_PER_STEP


def test_a_thousand_settled_payments_cost_at_most_thirty_calls(clock: FrozenClock) -> None:
    sale = Sale(clock, NOON - timedelta(hours=1), NOON - timedelta(minutes=1), 1_000)
    sale.settle(list(sale.payments.stored.values()))
    assert run(sale).is_finished
    assert sale.calls == FIRST_TIME
    for _ in range(100):  # 25 hours, in which it is compared again
        sale.clock.advance(SCHEDULE)
        assert run(sale).is_finished
    empty_windows = 3 * 100
    before_settlement = sale.calls
    counts = sale.settlement_sync.catch_up(lambda: True)
    assert (counts["checked"], counts["repaired"]) == (1_000, 0)
    empty_lists = LOOK_BACK // timedelta(days=1)  # of settlements, and of the days before
    assert sale.calls - empty_windows - empty_lists <= AT_MOST
    assert sale.calls - before_settlement - empty_lists == FOR_SETTLED
    assert sale.drift == []


@pytest.mark.parametrize("unpaid", [5, 300])
def test_what_is_not_paid_costs_a_call_each_or_a_call_per_page(
    clock: FrozenClock, unpaid: int
) -> None:
    sale = Sale(clock, NOON - timedelta(hours=1), NOON - timedelta(minutes=1), 1_000)
    sale.settle(list(sale.payments.stored.values())[unpaid:])
    run(sale)
    first = sale.calls
    for wait in COMPARED_AGAIN_AFTER:
        sale.clock.advance(wait)
        assert run(sale).is_finished
    again, empty_windows = sale.calls - first, 3 * len(COMPARED_AGAIN_AFTER)
    assert again - empty_windows <= len(COMPARED_AGAIN_AFTER) * min(unpaid, 1_000 // PAGE + 1)
    assert sale.drift == []


def test_a_run_after_an_hours_sale_of_60_000_orders_fits_its_schedule(clock: FrozenClock) -> None:
    """Of the orders, 30 % are abandoned, and 1 % are paid and have no webhook."""
    hour = timedelta(hours=1)
    sale = Sale(clock, NOON - hour, NOON - timedelta(seconds=2), 60_000)
    everything = list(sale.payments.stored.values())
    abandoned = everything[::10] + everything[1::10] + everything[2::10]
    lost = everything[3::100]
    unpaid = {payment.id for payment in (*abandoned, *lost)}
    settled = [payment for payment in everything if payment.id not in unpaid]
    sale.settle(settled)
    sale.pay_unnoticed(lost)
    report = run(sale)
    took = sale.clock.now - NOON
    assert report.is_finished
    assert took < timedelta(seconds=SECONDS_OF_A_RUN)
    assert report.counts["repaired"] == len(lost)
    assert {sale.status(payment) for payment in lost} == {PaymentStatus.COMPLETED}
    assert sale.calls * 1_000 / len(settled) <= AT_MOST + 10  # the abandoned orders have pages, too
    windows = len(sale.store.agendas[LATEST].windows)
    print(
        f"{sale.calls} calls, {sale.reads} reads, {windows} windows, {took.total_seconds():.0f} s"
    )
    for wait in COMPARED_AGAIN_AFTER:
        sale.clock.advance(wait)
        before = sale.clock.now
        calls = sale.calls
        assert run(sale).is_finished
        assert sale.clock.now - before < timedelta(seconds=SECONDS_OF_A_RUN)
        print(f"again: {sale.calls - calls} calls")
    assert sale.drift == []
