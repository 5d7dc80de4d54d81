"""A payment, and how captures, refunds and disputes change it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, Capture
from payment.model.dispute import Dispute
from payment.model.order import PayableOrder
from payment.model.refund import RazorpayRefund, Refund, RefundBalance, RefundStatus
from payment.model.status import (
    PAID_TWICE,
    REFUND_REASONS,
    TRANSITIONS,
    WRONG_AMOUNT,
    Failure,
    IllegalTransition,
    PaymentStatus,
)
from supermarket.clock import iso
from supermarket.money import Money
from supermarket.people import Recipient

SHOP, RAZORPAY = "shop", "razorpay"  # who changes a payment when it is no person
# a required refund that Razorpay rejects is sent again for so long; then a person has to act
RETRY_REJECTED_FOR = timedelta(days=3)


class RecordMismatch(ValueError):
    """A refund or dispute at Razorpay belongs to another payment, or is in another currency."""


@dataclass(frozen=True)
class Payment:
    """The one payment of an order. `version` grows with every change.

    `captures` is the money that arrived. The attempt `completed_by` took the price. The others are
    a surplus: they took the price again, or another amount; they are refunded in full and do not
    change the status. `failed_attempts` counts each failed attempt once, however often it is
    reported. `failure` is why the payment failed last; the failure of a cancelled order stays when
    its money arrives, and is set when it had arrived. `late_authorizations` are the attempts that
    were authorized after that, and are released. `pay_until` is until when the order waits for
    its payment.
    """

    id: str
    order_id: str
    razorpay_order_id: str
    customer: Recipient
    price: Money
    pay_until: datetime
    created_at: datetime
    updated_at: datetime
    status: PaymentStatus = PaymentStatus.PENDING
    failure: Failure | None = None
    failed_attempts: frozenset[str] = frozenset()
    completed_by: str | None = None
    captures: tuple[Capture, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    late_authorizations: frozenset[str] = frozenset()
    version: int = 1

    @classmethod
    def opened(cls, id_: str, order: PayableOrder, razorpay_order_id: str, at: datetime) -> Self:
        pay_until = order.payable_until(at)
        return cls(id_, order.id, razorpay_order_id, order.customer, order.total, pay_until, at, at)

    @property
    def is_open(self) -> bool:
        return self.status is PaymentStatus.PENDING

    @property
    def is_paid(self) -> bool:
        """Whether its price was captured, even if it was refunded since."""
        return self.completed_by is not None

    @property
    def is_refunded(self) -> bool:
        """Whether all of the money that completed it is back with the customer."""
        return self.status is PaymentStatus.REFUNDED

    @property
    def keeps_money(self) -> bool:
        """Whether the shop keeps some of the money that completed it."""
        return bool(self.balance.remaining.minor) and not self.has_cancelled_order

    @property
    def is_cancelled(self) -> bool:
        """Whether no money should be captured for it any more."""
        return self.status is PaymentStatus.FAILED and self.has_cancelled_order

    @property
    def has_cancelled_order(self) -> bool:
        """Whether its order is known to be cancelled, paid or not."""
        return self.failure in {Failure.ORDER_CANCELLED, Failure.ORDER_EXPIRED}

    @property
    def attempt_ids(self) -> frozenset[str]:
        """The attempts that took money: the one that completed it, and the surplus."""
        return frozenset(capture.attempt_id for capture in self.captures)

    @property
    def razorpay_payment_id(self) -> str | None:
        """The attempt that completed it."""
        return self.completed_by

    @property
    def fee(self) -> Money | None:
        """Razorpay's fee for the attempt that completed it, once it is known."""
        return self.fee_of(self.completed_by)

    @property
    def surplus(self) -> tuple[Capture, ...]:
        """The money that did not complete it."""
        return tuple(one for one in self.captures if one.attempt_id != self.completed_by)

    @property
    def balance(self) -> RefundBalance:
        """The balance of the money that completed it; zero while it is not paid."""
        return self.balance_of(self.completed_by)

    @property
    def refunded(self) -> Money:
        return self.balance.refunded

    @property
    def open_refunds(self) -> tuple[Refund, ...]:
        return tuple(refund for refund in self.refunds if refund.is_open)

    @property
    def is_disputed(self) -> bool:
        """Whether a dispute is open."""
        return any(dispute.is_open for dispute in self.disputes)

    def balance_of(self, attempt_id: str | None) -> RefundBalance:
        """Return the balance of the money that an attempt took; zero if it took none."""
        capture = self.find_capture(attempt_id)
        captured = capture.amount if capture else Money.zero(self.price.currency)
        refunds = tuple(refund for refund in self.refunds if refund.attempt_id == attempt_id)
        disputes = (dispute for dispute in self.disputes if dispute.attempt_id == attempt_id)
        withheld = Money.total((dispute.withheld for dispute in disputes), captured.currency)
        return RefundBalance(captured, refunds, withheld)

    def fee_of(self, attempt_id: str | None) -> Money | None:
        """Return Razorpay's fee for an attempt, if it is known."""
        capture = self.find_capture(attempt_id)
        return capture.fee if capture else None

    def find_capture(self, attempt_id: str | None) -> Capture | None:
        return next((one for one in self.captures if one.attempt_id == attempt_id), None)

    def get_refund(self, refund_id: str) -> Refund:
        return next(refund for refund in self.refunds if refund.id == refund_id)

    def refunds_processed_since(self, before: "Payment | None") -> list[Refund]:
        """Return the refunds that are processed now and were not `before`."""
        done = {refund.id for refund in before.refunds if refund.is_processed} if before else set()
        return [one for one in self.refunds if one.is_processed and one.id not in done]

    def is_surplus(self, refund: Refund) -> bool:
        """Whether a refund returns money that did not complete the payment."""
        return refund.attempt_id != self.completed_by

    def requires_full_refund(self, attempt_id: str) -> bool:
        """Whether all that an attempt took must go back: it is a surplus, or the order is
        cancelled.
        """
        return self.has_cancelled_order or attempt_id != self.completed_by

    def requires_refund_now(self, attempt_id: str) -> bool:
        """Whether a refund of what is left of an attempt is required and possible."""
        is_refundable = self.balance_of(attempt_id).is_refundable
        return is_refundable and self.requires_full_refund(attempt_id)

    def refund_reason(self, attempt_id: str) -> str:
        """Return why all of an attempt is refunded, for the customer."""
        capture = self.find_capture(attempt_id)
        if capture and capture.amount != self.price:
            return WRONG_AMOUNT
        if attempt_id == self.completed_by and self.failure in REFUND_REASONS:
            return REFUND_REASONS[self.failure]
        return PAID_TWICE

    def needs_manual_action(self, attempt_id: str) -> bool:
        """Whether a required refund failed for good: sending it again would fail again."""
        left = self.balance_of(attempt_id).remaining
        return self.requires_full_refund(attempt_id) and bool(left.minor)

    def matches(self, attempt: Attempt) -> bool:
        """Whether an attempt pays the same Razorpay order, amount and currency."""
        expected = (self.razorpay_order_id, self.price)
        return (attempt.razorpay_order_id, attempt.amount) == expected

    def completed(self, attempt: Attempt, at: datetime) -> Self:
        """Complete the payment with the money of an attempt."""
        captures = (*self.captures, Capture.of(attempt))
        values = {"captures": captures, "completed_by": attempt.id}
        return self._transition(PaymentStatus.COMPLETED, at, **values)

    def with_surplus(self, attempt: Attempt, at: datetime) -> Self:
        """Add an attempt that took the price again, or another amount."""
        return self._changed(at, captures=(*self.captures, Capture.of(attempt)))

    def with_late_authorization(self, attempt_id: str, at: datetime) -> Self:
        """Note that an attempt was authorized after the order was cancelled."""
        if attempt_id in self.late_authorizations:
            return self
        return self._changed(at, late_authorizations=self.late_authorizations | {attempt_id})

    def with_fee(self, attempt: Attempt, at: datetime) -> Self:
        """Set Razorpay's fee for an attempt, unless it is known or the attempt has none yet."""
        if attempt.fee is None or self.fee_of(attempt.id) is not None:
            return self
        captures = (
            replace(one, fee=attempt.fee, tax=attempt.tax) if one.attempt_id == attempt.id else one
            for one in self.captures
        )
        return self._changed(at, captures=tuple(captures))

    def with_failed_attempt(self, attempt: Attempt, at: datetime) -> Self:
        """Fail the payment because an attempt was declined."""
        failed = self.failed_attempts | {attempt.id}
        return self._transition(
            PaymentStatus.FAILED, at, failure=Failure.DECLINED, failed_attempts=failed
        )

    def cancelled(self, failure: Failure, at: datetime) -> Self:
        """Fail the payment because its order is cancelled, also if it was declined before."""
        if self.status is PaymentStatus.FAILED:
            return self._changed(at, failure=failure)
        return self._transition(PaymentStatus.FAILED, at, failure=failure)

    def reopened(self, at: datetime) -> Self:
        """Open it for another attempt at the same Razorpay order."""
        return self._transition(PaymentStatus.PENDING, at)

    def with_refund(self, refund: Refund, at: datetime) -> Self:
        """Add or replace a refund, and adapt the status."""
        if refund in self.refunds:
            return self
        refunds = tuple(({one.id: one for one in self.refunds} | {refund.id: refund}).values())
        status = replace(self, refunds=refunds).balance.status if self.is_paid else self.status
        if status is self.status:
            return self._changed(at, refunds=refunds)
        return self._transition(status, at, refunds=refunds)

    def with_full_refund(self, attempt_id: str, refund_id: str, reason: str, at: datetime) -> Self:
        """Request a refund of all that is left of an attempt's money."""
        left = self.balance_of(attempt_id).remaining
        return self.with_refund(Refund(refund_id, attempt_id, left, reason, SHOP, at, at), at)

    def with_cancelled_order(self, failure: Failure, refund_id: str, at: datetime) -> Self:
        """Note that the order of a paid payment is cancelled, and refund what is left."""
        changed = self._changed(at, failure=failure)
        attempt_id = self.completed_by
        if attempt_id is None or not changed.requires_refund_now(attempt_id):
            return changed
        return changed.with_full_refund(attempt_id, refund_id, REFUND_REASONS[failure], at)

    def reduced_to_remaining(self, refund_id: str, new_refund_id: str, at: datetime) -> Self:
        """Replace a required refund that exceeds what is left by a smaller one, or by none.

        Part of the money may have been refunded in Razorpay's dashboard.
        """
        refund = self.get_refund(refund_id)
        if refund.is_sent or not self.requires_full_refund(refund.attempt_id):
            return self
        ended = self.with_refund(refund.with_status(RefundStatus.FAILED, at), at)
        balance = ended.balance_of(refund.attempt_id)
        if balance.remaining.minor >= refund.amount.minor:
            return self
        if not balance.is_refundable:
            return ended
        return ended.with_full_refund(refund.attempt_id, new_refund_id, refund.reason, at)

    def with_rejected_refund(self, refund_id: str, at: datetime) -> Self:
        """Fail a refund that Razorpay rejected; a required one first stays requested for days."""
        refund = self.get_refund(refund_id)
        if refund.is_sent:
            return self
        rejected_at = refund.rejected_at or at
        if self.requires_full_refund(refund.attempt_id) and at - rejected_at < RETRY_REJECTED_FOR:
            return self.with_refund(replace(refund, rejected_at=rejected_at), at)
        return self.with_refund(refund.with_status(RefundStatus.FAILED, at), at)

    def with_refund_record(self, record: RazorpayRefund, new_refund_id: str, at: datetime) -> Self:
        """Apply Razorpay's record of a refund, also of one made in Razorpay's dashboard.

        Raises `RecordMismatch` when the record cannot belong to this payment.
        """
        amount = self._own_amount(record.id, record.payment_id, record.amount)
        for refund in self.refunds:
            if refund.matches(record):
                return self.with_refund(refund.with_status(record.status, at, record.id), at)
        by, reason = RAZORPAY, "The refund was made at Razorpay."
        ids = (new_refund_id, record.payment_id)
        made = Refund(*ids, amount, reason, by, at, at, record.status, record.id)
        return self.with_refund(made, at)

    def with_dispute(self, report: Dispute, new_refund_id: str, at: datetime) -> Self:
        """Apply a report of a dispute; the outcome does not depend on the order of the reports.

        What the shop gets back by its end is refunded if the order is cancelled meanwhile. Raises
        `RecordMismatch` when it cannot belong to this payment.
        """
        self._own_amount(report.id, report.attempt_id, report.amount)
        known = {dispute.id: dispute for dispute in self.disputes}
        before = known.get(report.id)
        if before is not None:
            if not report.status.follows(before.status):
                return self
            # the amount is booked
            report = replace(report, amount=before.amount, opened_at=before.opened_at)
        after = self._changed(at, disputes=tuple((known | {report.id: report}).values()))
        attempt_id = report.attempt_id
        if not report.status.is_final or not after.requires_refund_now(attempt_id):
            return after
        reason = after.refund_reason(attempt_id)
        return after.with_full_refund(attempt_id, new_refund_id, reason, at)

    def _own_amount(self, id_: str, attempt_id: str, amount: Money | ForeignMoney) -> Money:
        """Return the amount of a record of this payment. Raises `RecordMismatch`."""
        capture = self.find_capture(attempt_id)
        if capture is None or amount.currency != capture.amount.currency:
            raise RecordMismatch(id_)
        return Money(amount.minor, capture.amount.currency)

    def _changed(self, at: datetime, **values: Any) -> Self:
        return replace(self, **values, updated_at=at, version=self.version + 1)

    def _transition(self, to: PaymentStatus, at: datetime, **values: Any) -> Self:
        if to not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"a payment cannot change from {self.status} to {to}")
        return self._changed(at, status=to, **values)


def sort_key(payment: Payment) -> str:
    """Return the place of a payment among all, by time and then by id."""
    return f"{iso(payment.created_at)}#{payment.id}"


def payment_id_in(key: str) -> str:
    """Return the id of the payment with this sort key."""
    return key.partition("#")[2]
