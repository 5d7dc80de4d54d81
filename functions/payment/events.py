"""Converts changes of a payment to events and audit records."""

from collections.abc import Iterator
from typing import Any

from payment.model.dispute import Dispute
from payment.model.payment import Payment
from payment.model.refund import Refund
from payment.model.status import FAILURE_REASONS, PaymentStatus
from supermarket.audit import Facts
from supermarket.contracts import (
    Amount,
    Event,
    PaymentAuthorizedLate,
    PaymentCompleted,
    PaymentDisputed,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
    PaymentRefundProgressed,
)


def events_between(before: Payment | None, after: Payment) -> Iterator[Event]:
    """Yield the events of a change of a payment."""
    status, at = before.status if before else None, after.updated_at
    if after.status is PaymentStatus.PENDING and status is not PaymentStatus.PENDING:
        yield PaymentInitiated(**_common(after), initiated_at=at)
    has_failed = after.status is PaymentStatus.FAILED and status is not PaymentStatus.FAILED
    if has_failed and after.failure:
        yield PaymentFailed(**_common(after), reason=FAILURE_REASONS[after.failure], failed_at=at)
    if after.is_paid and not (before and before.is_paid) and not after.is_refunded:
        # a payment that was refunded before its first report completes no order
        yield PaymentCompleted(
            **_common(after),
            razorpay_payment_id=after.razorpay_payment_id,
            completed_at=at,
            goes_back=after.status is PaymentStatus.REFUND_PENDING,
        )
    if after.is_paid and _refund_totals(after) != (_refund_totals(before) if before else (0, 0)):
        yield to_refund_progressed(after)
    for refund in after.refunds_processed_since(before):
        yield to_payment_refunded(after, refund)
    yield from _late_authorizations(before, after)
    known = {one.id: one.status for one in before.disputes} if before else {}
    for dispute in after.disputes:
        if known.get(dispute.id) is not dispute.status:
            yield to_payment_disputed(after, dispute)


def audit_snapshot(payment: Payment | None) -> Facts:
    """Return what the audit trail stores of a payment: its money, but no personal data."""
    if payment is None:
        return {}
    fee = payment.fee
    return {
        "status": payment.status.value,
        "minor": payment.price.minor,
        "currency": payment.price.currency.value,
        "failure": payment.failure.value if payment.failure else None,
        "razorpayOrderId": payment.razorpay_order_id,
        "razorpayPaymentId": payment.razorpay_payment_id,
        "feeMinor": fee.minor if fee else None,
        "feeCurrency": fee.currency.value if fee else None,
        "refundedMinor": payment.refunded.minor,
        **{f"surplus {one.attempt_id}": one.amount.minor for one in payment.surplus},
        **{f"refund {one.id}": f"{one.status} {one.amount.minor}" for one in payment.refunds},
        **{f"dispute {one.id}": f"{one.status} {one.amount.minor}" for one in payment.disputes},
    }


def to_payment_refunded(payment: Payment, refund: Refund) -> PaymentRefunded:
    is_surplus = payment.is_surplus(refund)
    return PaymentRefunded(
        **_common(payment) | {"amount": Amount.of(refund.amount)},
        refund_id=refund.id,
        fully=payment.is_refunded and not is_surplus,
        surplus=is_surplus,
        reason=refund.reason,
        refunded_at=refund.updated_at,
    )


def to_refund_progressed(payment: Payment) -> PaymentRefundProgressed:
    return PaymentRefundProgressed(
        payment_id=payment.id,
        order_id=payment.order_id,
        revision=payment.version,
        refunded=Amount.of(payment.refunded),
        returning=Amount.of(payment.balance.pending),
        progressed_at=payment.updated_at,
    )


def to_payment_disputed(payment: Payment, dispute: Dispute) -> PaymentDisputed:
    return PaymentDisputed(
        payment_id=payment.id,
        order_id=payment.order_id,
        dispute_id=dispute.id,
        status=dispute.status.value,
        amount=Amount.of(dispute.amount),
        lost=Amount.of(dispute.lost),
        reason=dispute.reason,
        respond_by=dispute.respond_by,
        changed_at=payment.updated_at,
    )


def _late_authorizations(before: Payment | None, after: Payment) -> Iterator[Event]:
    known = before.late_authorizations if before else frozenset()
    for attempt_id in sorted(after.late_authorizations - known):
        yield PaymentAuthorizedLate(
            payment_id=after.id,
            order_id=after.order_id,
            razorpay_payment_id=attempt_id,
            authorized_at=after.updated_at,
        )


def _common(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.id,
        "order_id": payment.order_id,
        "customer": payment.customer,
        "amount": Amount.of(payment.price),
        "revision": payment.version,
    }


def _refund_totals(payment: Payment) -> tuple[int, int]:
    return payment.refunded.minor, payment.balance.pending.minor
