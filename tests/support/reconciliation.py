"""The ports of reconciliation in memory."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

from conftest import NOON, FrozenClock
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute
from payment.model.order import RazorpayOrder
from payment.model.payment import Payment, sort_key
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.status import PaymentStatus
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import (
    PAGE,
    Agenda,
    Checkpoint,
    HasTime,
    RecordPage,
    Report,
    UnreadableRecord,
)
from payment.reconciliation.ports import KnownDrift
from payment.reconciliation.refund_driver import RefundDriver
from payment.reconciliation.walker import Reconciliation
from payment.service import PaymentService
from supermarket.contracts import PaymentDriftFound
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.api import a_caller
from support.in_memory import InMemoryOutbox, in_memory
from support.payment import a_payment

CUSTOMER = a_caller()
OPENED_AT = NOON - timedelta(hours=1)  # an hour before the time of the frozen clock


@dataclass
class Dated[R]:
    at: datetime
    record: R


def _records[R](dated: list[Dated[R]], page: RecordPage) -> list[R]:
    found = [one for one in dated if page.since <= one.at <= page.until]
    newest_first = sorted(found, key=lambda one: one.at, reverse=True)
    return [one.record for one in newest_first[page.skip : page.skip + PAGE]]


class FakeRazorpayRecords:
    """`RazorpayRecords` in lists. `before_call` runs before each page is read, and may raise."""

    def __init__(self) -> None:
        self.attempts: list[Dated[Attempt]] = []
        self.unreadable: list[UnreadableRecord] = []
        """Added to every first page."""
        self.refunds: list[Dated[RazorpayRefund]] = []
        self.orders: list[Dated[RazorpayOrder]] = []
        self.before_call: Callable[[str], None] = lambda _: None
        self.calls: list[str] = []

    def list_attempts_between(self, page: RecordPage) -> Sequence[Attempt | UnreadableRecord]:
        self._call(f"attempts {page.skip}")
        return [*self._first(page), *_records(self.attempts, page)]

    def list_refunds_between(self, page: RecordPage) -> Sequence[RazorpayRefund | UnreadableRecord]:
        self._call(f"refunds {page.skip}")
        return [*self._first(page), *_records(self.refunds, page)]

    def list_orders_between(self, page: RecordPage) -> Sequence[RazorpayOrder | UnreadableRecord]:
        self._call(f"orders {page.skip}")
        return [*self._first(page), *_records(self.orders, page)]

    def find_order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        found = (one.record for one in self.orders if one.record.id == razorpay_order_id)
        return next(found, None)

    def get_attempt(self, razorpay_payment_id: str) -> Attempt:
        known = {one.record.id: one.record for one in self.attempts}
        amount = Money(100, Currency.INR)
        captured = Attempt(razorpay_payment_id, None, amount, AttemptStatus.CAPTURED)
        return known.get(razorpay_payment_id, captured)

    def get_dispute(self, dispute_id: str) -> Dispute:
        raise AssertionError(dispute_id)  # there are none

    def list_attempts(self, razorpay_order_id: str) -> Sequence[Attempt]:
        every = (one.record for one in self.attempts)
        return [one for one in every if one.razorpay_order_id == razorpay_order_id]

    def list_refunds(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        every = (one.record for one in self.refunds)
        return [one for one in every if one.payment_id == razorpay_payment_id]

    def add_order(self, payment: Payment, *, is_paid: bool = False) -> RazorpayOrder:
        """Add or replace the order of a payment."""
        made_at = payment.created_at
        order = RazorpayOrder(payment.razorpay_order_id, payment.price, is_paid, made_at)
        self.orders = [one for one in self.orders if one.record.id != order.id]
        self.orders.append(Dated(payment.created_at, order))
        return order

    def add_attempt(
        self,
        payment: Payment,
        at: datetime,
        status: AttemptStatus = AttemptStatus.CAPTURED,
        amount: Money | None = None,
    ) -> Attempt:
        """Add an attempt to pay; a captured one pays the order."""
        id_ = f"pay_{len(self.attempts) + 1:014}"
        attempt = Attempt(id_, payment.razorpay_order_id, amount or payment.price, status)
        self.attempts.append(Dated(at, attempt))
        if attempt.was_captured:
            self.add_order(payment, is_paid=True)
        return attempt

    def _first(self, page: RecordPage) -> list[UnreadableRecord]:
        return [] if page.skip else self.unreadable

    def _call(self, call: str) -> None:
        self.calls.append(call)
        self.before_call(call)


class FakeReconciledPayments:
    """`ReconciledPayments` in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, Payment] = {}

    def store(self, payment: Payment) -> Payment:
        self.stored[payment.id] = payment
        return payment

    def find(self, payment_id: str) -> Payment | None:
        return self.stored.get(payment_id)

    def find_many(self, payment_ids: Collection[str]) -> list[Payment]:
        return [self.stored[id_] for id_ in payment_ids if id_ in self.stored]

    def find_by_razorpay_id(self, razorpay_id: str) -> Payment | None:
        found = (p for p in self.stored.values() if p.razorpay_order_id == razorpay_id)
        return next(found, None)

    def find_by_razorpay_ids(self, razorpay_ids: Collection[str]) -> dict[str, Payment]:
        found = self.stored.values()
        return {p.razorpay_order_id: p for p in found if p.razorpay_order_id in razorpay_ids}

    def list_with_open_refunds(self, limit: int) -> list[str]:
        found = [p for p in self.stored.values() if p.open_refunds]
        return [p.id for p in sorted(found, key=lambda p: p.updated_at)][:limit]

    def touch(self, payment_id: str, at: datetime) -> None:
        self.stored[payment_id] = replace(self.stored[payment_id], updated_at=at)

    def list_keys_between(self, since: datetime, until: datetime) -> Iterator[str]:
        found = [p for p in self.stored.values() if since <= p.created_at <= until]
        return iter(sorted(map(sort_key, found)))

    def list_unsettled_between(self, since: datetime, until: datetime) -> list[Payment]:
        unpaid = [payment for payment in self.stored.values() if not payment.is_paid]
        return [payment for payment in unpaid if since <= payment.created_at <= until]


@dataclass
class FakePaymentUpdates:
    """The updates of `PaymentService`: applies every record and remembers its calls.

    `unconfirmed` are the payments whose orders missed their event; `refunds` are the payments by
    the id of a Razorpay refund.
    """

    payments: FakeReconciledPayments
    at: datetime
    synced: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    unconfirmed: set[str] = field(default_factory=set)
    refunds: dict[str, Payment] = field(default_factory=dict)

    def apply_payment_update(
        self, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment | None:
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        if payment is None:
            return payment
        if attempt.was_captured and (payment.is_paid or not payment.matches(attempt)):
            return self.payments.store(payment.with_surplus(attempt, self.at))
        if attempt.was_captured:
            self.completed.append(payment.id)
            return self.payments.store(payment.completed(attempt, self.at))
        if attempt.status is AttemptStatus.FAILED and payment.status is PaymentStatus.PENDING:
            return self.payments.store(payment.with_failed_attempt(attempt, self.at))
        return payment

    def capture(self, attempt: Attempt) -> Payment | None:
        return self.apply_payment_update(replace(attempt, status=AttemptStatus.CAPTURED))

    def list_unconfirmed(self, payments: Collection[Payment]) -> list[Payment]:
        completed = PaymentStatus.COMPLETED
        return [p for p in payments if p.status is completed and p.id in self.unconfirmed]

    def sync_order(self, payment_id: str) -> bool:
        is_unconfirmed = payment_id in self.unconfirmed
        self.unconfirmed.discard(payment_id)
        return is_unconfirmed

    def apply_refund_update(self, record: RazorpayRefund) -> Payment | None:
        return self.refunds.get(record.id)

    def sync_refunds(self, payment_id: str) -> Payment:
        self.synced.append(payment_id)
        return self.payments.stored[payment_id]


class InMemoryDriftStore:
    """`DriftStore` in dictionaries."""

    def __init__(self) -> None:
        self.agendas: dict[str, Agenda] = {}
        self.checkpoints: dict[str, Checkpoint] = {}
        self.drift: dict[tuple[str, str], PaymentDriftFound] = {}

    def find_agenda(self, name: str) -> Agenda | None:
        return self.agendas.get(name)

    def save_agenda(self, agenda: Agenda) -> None:
        known = self.agendas.get(agenda.name)
        if (known.version if known else 0) != agenda.version - 1:
            raise StaleWrite("superseded")
        self.agendas[agenda.name] = agenda

    def find_checkpoint(self, name: str) -> Checkpoint | None:
        return self.checkpoints.get(name)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        known = self.checkpoints.get(checkpoint.name)
        if (known.version if known else 0) != checkpoint.version - 1:
            raise StaleWrite("superseded")
        self.checkpoints[checkpoint.name] = checkpoint

    def add(self, drift: PaymentDriftFound, transaction: Transaction) -> None:
        key = (drift.subject_id, drift.kind)
        in_memory(transaction).add(
            lambda: key not in self.drift,
            lambda: self.drift.update({key: drift}),
            KnownDrift("reported before"),
        )


class ReconciledShop:
    """A reconciliation with its ports in memory."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.payments = FakeReconciledPayments()
        self.records = FakeRazorpayRecords()
        self.updates = FakePaymentUpdates(self.payments, clock.now)
        self.store = InMemoryDriftStore()
        self.outbox = InMemoryOutbox()
        updates = cast("PaymentService", self.updates)
        self.reconciliation = Reconciliation(
            self.payments, self.records, updates, self.store, self.outbox.begin, clock, workers=1
        )
        drift = DriftReporter(self.store, self.outbox.begin, clock)
        self.refunds = RefundDriver(self.payments, updates, drift, clock, workers=1)

    def add_payment(self, at: datetime = OPENED_AT) -> Payment:
        """Add an open payment and its Razorpay order."""
        payment = replace(a_payment(CUSTOMER), created_at=at, updated_at=at)
        self.records.add_order(payment)
        return self.payments.store(payment)

    def pay(self, at: datetime = OPENED_AT) -> Payment:
        """Add a payment that is paid at Razorpay only."""
        payment = self.add_payment(at)
        self.records.add_attempt(payment, at)
        return payment

    def add_pending_refund(self) -> Payment:
        """Add a paid payment with a pending refund."""
        payment = self.add_payment()
        attempt = self.records.add_attempt(payment, OPENED_AT)
        paid = payment.completed(attempt, OPENED_AT)
        amount = Money(100, Currency.INR)
        pending = RazorpayRefund("r", attempt.id, amount, RefundStatus.PENDING)
        return self.payments.store(paid.with_refund_record(pending, "01JD9F", OPENED_AT))

    def add_unsent_refund(self, refund_id: str, since: datetime) -> Payment:
        """Add a payment of 30 days ago with a refund that was requested at `since`."""
        payment = self.add_payment(NOON - timedelta(days=30))
        attempt = self.records.add_attempt(payment, payment.created_at)
        paid = payment.completed(attempt, since)
        return self.payments.store(paid.with_full_refund(attempt.id, refund_id, "why", since))

    def run(self, has_time: HasTime = lambda: True) -> Report:
        return self.reconciliation.catch_up(has_time)

    def run_again(self) -> Report:
        """Compare the hour before noon completely, however often it was compared."""
        return self.reconciliation.reconcile(OPENED_AT, NOON, lambda: True)

    def send_refunds(self, has_time: HasTime = lambda: True) -> Report:
        return self.refunds.run(has_time)[0]

    def status(self, payment: Payment) -> PaymentStatus:
        return self.payments.stored[payment.id].status

    @property
    def drift(self) -> list[tuple[str, str]]:
        """Subject and kind of each drift."""
        return list(self.store.drift)


def pages(number: int) -> HasTime:
    """Return a `has_time` that allows so many pages."""
    left: Iterator[bool] = iter([True] * number)
    return lambda: next(left, False)
