"""Refunds with their states, and what is left of an attempt's money."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from payment.model.amounts import ForeignMoney
from payment.model.status import PaymentStatus
from supermarket.money import SMALLEST_PAYMENT_MINOR, Money


class RefundStatus(StrEnum):
    """The states of a refund: requested by the shop, accepted by Razorpay, made, or failed."""

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


# Razorpay's record is the truth. A refund that failed here may have been made there: it was sent
# twice at once, and only one of both requests was rejected.
REFUND_TRANSITIONS: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.REQUESTED: frozenset(
        {RefundStatus.PENDING, RefundStatus.PROCESSED, RefundStatus.FAILED}
    ),
    RefundStatus.PENDING: frozenset({RefundStatus.PROCESSED, RefundStatus.FAILED}),
    RefundStatus.FAILED: frozenset({RefundStatus.PENDING, RefundStatus.PROCESSED}),
    RefundStatus.PROCESSED: frozenset(),
}


@dataclass(frozen=True)
class RazorpayRefund:
    """Razorpay's record of a refund. `our_id` is the id of the shop's refund that requested it."""

    id: str
    payment_id: str
    amount: Money | ForeignMoney
    status: RefundStatus
    our_id: str | None = None


@dataclass(frozen=True)
class Refund:
    """Money of one attempt that is returned to the customer.

    `requested_by` is the id of an admin, `SHOP` or `RAZORPAY`. `rejected_at` is when Razorpay first
    rejected a refund that is required and therefore stays requested.
    """

    id: str
    attempt_id: str
    amount: Money
    reason: str
    requested_by: str
    requested_at: datetime
    updated_at: datetime
    status: RefundStatus = RefundStatus.REQUESTED
    razorpay_refund_id: str | None = None
    rejected_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether its outcome is not known yet."""
        return self.status in {RefundStatus.REQUESTED, RefundStatus.PENDING}

    @property
    def is_sent(self) -> bool:
        """Whether Razorpay has accepted, made or finally rejected it."""
        return self.status is not RefundStatus.REQUESTED

    @property
    def is_processed(self) -> bool:
        """Whether the money is back with the customer."""
        return self.status is RefundStatus.PROCESSED

    @property
    def has_failed_at_razorpay(self) -> bool:
        """Whether Razorpay accepted it and could not make it: a person has to find another way."""
        return self.status is RefundStatus.FAILED and self.razorpay_refund_id is not None

    def matches(self, record: RazorpayRefund) -> bool:
        """Whether the record is Razorpay's record of this refund."""
        if self.razorpay_refund_id is not None:
            return self.razorpay_refund_id == record.id
        return (self.id, self.amount) == (record.our_id, record.amount)

    def with_status(
        self, status: RefundStatus, at: datetime, razorpay_refund_id: str | None = None
    ) -> Self:
        """Set the status, unless it is not reachable: then the report of it is a late one."""
        known = replace(self, razorpay_refund_id=razorpay_refund_id or self.razorpay_refund_id)
        is_late = self.has_failed_at_razorpay and status is RefundStatus.PENDING
        if is_late or status not in REFUND_TRANSITIONS[self.status]:
            return known
        return replace(known, status=status, updated_at=at)


@dataclass(frozen=True)
class RefundBalance:
    """How much of the money that one attempt took is refunded, on its way back, and left.

    `withheld` is what the shop cannot refund because of disputes.
    """

    captured: Money
    refunds: tuple[Refund, ...]
    withheld: Money

    @property
    def refunded(self) -> Money:
        return self._total(refund for refund in self.refunds if refund.is_processed)

    @property
    def pending(self) -> Money:
        return self._total(refund for refund in self.refunds if refund.is_open)

    @property
    def remaining(self) -> Money:
        left = self.captured - self.refunded - self.pending - self.withheld
        # a refund made in Razorpay's dashboard may compete with an open one; Razorpay rejects one
        return Money(max(left.minor, 0), left.currency)

    @property
    def is_refundable(self) -> bool:
        """Whether what is left is as much as Razorpay can refund."""
        return self.remaining.minor >= SMALLEST_PAYMENT_MINOR

    @property
    def is_refunded(self) -> bool:
        """Whether all of it is back with the customer."""
        return self.refunded.minor >= self.captured.minor

    @property
    def status(self) -> PaymentStatus:
        """The status that a paid payment has by its refunds."""
        if self.is_refunded:
            return PaymentStatus.REFUNDED
        return PaymentStatus.REFUND_PENDING if self.pending.minor else PaymentStatus.COMPLETED

    def _total(self, refunds: Iterable[Refund]) -> Money:
        return Money.total((refund.amount for refund in refunds), self.captured.currency)
