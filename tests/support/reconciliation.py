"""Reconciliation's ports in memory: Razorpay's records as lists, checkpoints in a dictionary."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from payment.model import (
    Attempt,
    AttemptStatus,
    Payment,
    PaymentStatus,
    RazorpayOrder,
    RazorpayRefund,
    Unreadable,
)
from payment.reconciliation import (
    Checkpoint,
    Drift,
    FoundBefore,
    OtherRun,
    place_of,
)
from supermarket.transaction import Transaction
from support.in_memory import in_memory


@dataclass
class Dated[R]:
    at: datetime
    record: R


def _page[R](
    dated: list[Dated[R]], since: datetime, until: datetime, skip: int, count: int
) -> list[R]:
    found = [one for one in dated if since <= one.at <= until]
    newest_first = sorted(found, key=lambda one: one.at, reverse=True)
    return [one.record for one in newest_first[skip : skip + count]]


class FakeRecords:
    """`Records` as a test says. `before_call` may raise, or let somebody else in."""

    def __init__(self) -> None:
        self.attempts: list[Dated[Attempt]] = []
        self.unreadable: list[Unreadable] = []
        """What nobody understands, on top of every first page."""
        self.refunds: list[Dated[RazorpayRefund]] = []
        self.orders: list[Dated[RazorpayOrder]] = []
        self.before_call: Callable[[str], None] = lambda _: None
        self.asked: list[str] = []

    def payments_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[Attempt | Unreadable]:
        self._note(f"payments {skip}")
        return [*self._nonsense(skip), *_page(self.attempts, since, until, skip, count)]

    def refunds_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayRefund | Unreadable]:
        self._note(f"refunds {skip}")
        return [*self._nonsense(skip), *_page(self.refunds, since, until, skip, count)]

    def orders_between(
        self, since: datetime, until: datetime, skip: int, count: int
    ) -> Sequence[RazorpayOrder | Unreadable]:
        self._note(f"orders {skip}")
        return [*self._nonsense(skip), *_page(self.orders, since, until, skip, count)]

    def order(self, razorpay_order_id: str) -> RazorpayOrder | None:
        found = (one.record for one in self.orders if one.record.id == razorpay_order_id)
        return next(found, None)

    def attempt(self, razorpay_payment_id: str) -> Attempt:
        known = {one.record.id: one.record for one in self.attempts}
        taken = Attempt(razorpay_payment_id, None, 100, "INR", AttemptStatus.CAPTURED)
        return known.get(razorpay_payment_id, taken)

    def attempts_of(self, razorpay_order_id: str) -> Sequence[Attempt]:
        every = (one.record for one in self.attempts)
        return [one for one in every if one.razorpay_order_id == razorpay_order_id]

    def refunds_of(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        every = (one.record for one in self.refunds)
        return [one for one in every if one.payment_id == razorpay_payment_id]

    def knows(self, payment: Payment, status: str = "created") -> RazorpayOrder:
        """Razorpay has the order of this payment."""
        price = payment.price
        order = RazorpayOrder(
            payment.razorpay_order_id,
            price.minor,
            price.currency.value,
            status,
        )
        self.orders = [one for one in self.orders if one.record.id != order.id]
        self.orders.append(Dated(payment.created_at, order))
        return order

    def takes(
        self,
        payment: Payment,
        at: datetime,
        status: AttemptStatus = AttemptStatus.CAPTURED,
        **changes: int,
    ) -> Attempt:
        """A customer pays, or tries to."""
        price = payment.price
        number = len(self.attempts) + 1
        attempt = Attempt(
            f"pay_{number:014}",
            payment.razorpay_order_id,
            changes.get("minor", price.minor),
            price.currency.value,
            status,
        )
        self.attempts.append(Dated(at, attempt))
        if attempt.is_taken:
            self.knows(payment, "paid")
        return attempt

    def _nonsense(self, skip: int) -> list[Unreadable]:
        return [] if skip else self.unreadable

    def _note(self, call: str) -> None:
        self.asked.append(call)
        self.before_call(call)


class FakeOwnPayments:
    """`OwnPayments` in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, Payment] = {}

    def keep(self, payment: Payment) -> Payment:
        self.kept[payment.id] = payment
        return payment

    def find(self, payment_id: str) -> Payment | None:
        return self.kept.get(payment_id)

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None:
        found = (p for p in self.kept.values() if p.razorpay_order_id == razorpay_order_id)
        return next(found, None)

    def find_by_razorpay_orders(self, razorpay_order_ids: Collection[str]) -> dict[str, Payment]:
        found = self.kept.values()
        return {p.razorpay_order_id: p for p in found if p.razorpay_order_id in razorpay_order_ids}

    def refunding(self, limit: int) -> list[str]:
        found = [p for p in self.kept.values() if p.open_refunds]
        return [p.id for p in sorted(found, key=lambda p: p.updated_at)][:limit]

    def put_last(self, payment_id: str, at: datetime) -> None:
        self.kept[payment_id] = replace(self.kept[payment_id], updated_at=at)

    def created_between(
        self, since: datetime, until: datetime, after: str, count: int
    ) -> Sequence[Payment]:
        found = [p for p in self.kept.values() if since <= p.created_at <= until]
        return sorted((p for p in found if place_of(p) > after), key=place_of)[:count]


@dataclass
class FakeMending:
    """Believes Razorpay in everything, as the real one does, and counts how often it changed
    something.
    """

    payments: FakeOwnPayments
    at: datetime
    driven: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    """The payments whose orders have not heard of them."""
    refunds: dict[str, Payment] = field(default_factory=dict)
    """The payments that refunds are known to belong to."""

    def learn_of_attempt(
        self, razorpay_order_id: str, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment | None:
        payment = self.payments.find_by_razorpay_order(razorpay_order_id)
        if payment is None:
            return payment
        if attempt.is_taken and payment.is_paid:
            return self.payments.keep(payment.taken_again(attempt, self.at))
        if attempt.is_taken:
            self.completed.append(payment.id)
            return self.payments.keep(payment.completed(attempt, self.at))
        if attempt.status is AttemptStatus.FAILED and payment.status is PaymentStatus.PENDING:
            return self.payments.keep(payment.declined_by(attempt, self.at))
        return payment

    def take(self, razorpay_order_id: str, attempt: Attempt) -> Payment | None:
        captured = replace(attempt, status=AttemptStatus.CAPTURED)
        return self.learn_of_attempt(razorpay_order_id, captured)

    def agree_with_order(self, payment_id: str) -> bool:
        is_waiting = payment_id in self.waiting
        self.waiting.discard(payment_id)
        return is_waiting

    def learn_of_refund(self, record: RazorpayRefund) -> Payment | None:
        return self.refunds.get(record.id)

    def drive_refunds(self, payment_id: str) -> Payment:
        self.driven.append(payment_id)
        return self.payments.kept[payment_id]


class InMemoryFindings:
    """`Findings` in dictionaries."""

    def __init__(self) -> None:
        self.checkpoints: dict[str, Checkpoint] = {}
        self.drift: dict[tuple[str, str], Drift] = {}

    def checkpoint(self, name: str) -> Checkpoint | None:
        return self.checkpoints.get(name)

    def save(self, checkpoint: Checkpoint) -> None:
        known = self.checkpoints.get(checkpoint.name)
        if (known.version if known else 0) != checkpoint.version - 1:
            raise OtherRun("overtaken")
        self.checkpoints[checkpoint.name] = checkpoint

    def add(self, drift: Drift, transaction: Transaction) -> None:
        key = (drift.subject_id, drift.kind)
        in_memory(transaction).add(
            lambda: key not in self.drift,
            lambda: self.drift.update({key: drift}),
            FoundBefore("found before"),
        )
