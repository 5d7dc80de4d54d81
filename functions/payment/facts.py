"""What a change of a payment means to others: its events, and its entry in the audit trail."""

from collections.abc import Iterator

from payment.model import Payment, PaymentStatus, Refund
from supermarket.audit import Facts
from supermarket.contracts import (
    Amount,
    Event,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
    PaymentRefundProgressed,
)
from supermarket.people import Recipient


def facts_between(before: Payment | None, after: Payment) -> Iterator[Event]:
    """What a change has to tell others."""
    was = before.status if before else None
    if after.status is PaymentStatus.PENDING and was is not PaymentStatus.PENDING:
        yield _initiated(after)
    if after.status is PaymentStatus.FAILED and was is not PaymentStatus.FAILED:
        yield _failed(after)
    if after.is_paid and not (before and before.is_paid) and not after.is_refunded:
        # what was back with its customer before we heard of it completes no order
        yield _completed(after)
    if after.is_paid and _way_back(after) != (_way_back(before) if before else (0, 0)):
        yield _progressed(after)
    known = before.refunds if before else ()
    done = {refund.id for refund in known if refund.is_processed}
    for refund in after.refunds:
        if refund.is_processed and refund.id not in done:
            yield _refunded(after, refund)


def audited(payment: Payment | None) -> Facts:
    """What the audit trail keeps of a payment: all that is about money, nothing about people."""
    if payment is None:
        return {}
    return {
        "status": payment.status.value,
        "minor": payment.price.minor,
        "currency": payment.price.currency.value,
        "failure": payment.failure.value if payment.failure else None,
        "razorpayOrderId": payment.razorpay_order_id,
        "razorpayPaymentId": payment.razorpay_payment_id,
        "feeMinor": payment.fee.minor if payment.fee else None,
        "feeCurrency": payment.fee.currency.value if payment.fee else None,
        "refundedMinor": payment.refunded.minor,
        **{f"surplus {one.attempt_id}": payment.price.minor for one in payment.surplus},
        **{f"refund {one.id}": f"{one.status} {one.amount.minor}" for one in payment.refunds},
    }


def _initiated(payment: Payment) -> PaymentInitiated:
    return PaymentInitiated(
        payment_id=payment.id,
        order_id=payment.order_id,
        customer=_recipient(payment),
        amount=Amount.of(payment.price),
        initiated_at=payment.updated_at,
    )


def _completed(payment: Payment) -> PaymentCompleted:
    if payment.razorpay_payment_id is None:
        raise ValueError("a payment is complete by an attempt")
    return PaymentCompleted(
        payment_id=payment.id,
        order_id=payment.order_id,
        customer=_recipient(payment),
        amount=Amount.of(payment.price),
        razorpay_payment_id=payment.razorpay_payment_id,
        completed_at=payment.updated_at,
        goes_back=payment.status is PaymentStatus.REFUND_PENDING,
    )


def _failed(payment: Payment) -> PaymentFailed:
    if payment.failure is None:
        raise ValueError("a payment fails for a reason")
    return PaymentFailed(
        payment_id=payment.id,
        order_id=payment.order_id,
        customer=_recipient(payment),
        amount=Amount.of(payment.price),
        reason=payment.failure.reason,
        failed_at=payment.updated_at,
    )


def _refunded(payment: Payment, refund: Refund) -> PaymentRefunded:
    return PaymentRefunded(
        payment_id=payment.id,
        order_id=payment.order_id,
        customer=_recipient(payment),
        amount=Amount.of(refund.amount),
        refund_id=refund.id,
        fully=payment.is_refunded and not refund.is_of_surplus,
        surplus=refund.is_of_surplus,
        reason=refund.reason,
        refunded_at=refund.updated_at,
    )


def _way_back(payment: Payment) -> tuple[int, int]:
    return payment.refunded.minor, payment.returning.minor


def _progressed(payment: Payment) -> PaymentRefundProgressed:
    return PaymentRefundProgressed(
        payment_id=payment.id,
        order_id=payment.order_id,
        revision=payment.version,
        refunded=Amount.of(payment.refunded),
        returning=Amount.of(payment.returning),
        progressed_at=payment.updated_at,
    )


def _recipient(payment: Payment) -> Recipient:
    customer = payment.customer
    return Recipient(user_id=customer.user_id, email=customer.email, first_name=customer.first_name)
