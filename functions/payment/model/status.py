"""The states of a payment, and the reasons why it failed or is refunded."""

from enum import StrEnum


class PaymentStatus(StrEnum):
    """The states of a payment."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"


# A failed payment can be tried again (PENDING), and money that was believed lost can still arrive
# (COMPLETED). A completed payment is never undone, only refunded, in part (COMPLETED again) or in
# full.
TRANSITIONS: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset({PaymentStatus.COMPLETED, PaymentStatus.FAILED}),
    PaymentStatus.FAILED: frozenset({PaymentStatus.PENDING, PaymentStatus.COMPLETED}),
    PaymentStatus.COMPLETED: frozenset({PaymentStatus.REFUND_PENDING, PaymentStatus.REFUNDED}),
    PaymentStatus.REFUND_PENDING: frozenset({PaymentStatus.COMPLETED, PaymentStatus.REFUNDED}),
    PaymentStatus.REFUNDED: frozenset(),
}


class Failure(StrEnum):
    """Why a payment failed, or why its money is refunded in full."""

    DECLINED = "DECLINED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    ORDER_EXPIRED = "ORDER_EXPIRED"


# for the customer
FAILURE_REASONS = {
    Failure.DECLINED: "The payment was declined. You can try again.",
    Failure.ORDER_CANCELLED: "The order was cancelled before it was paid.",
    Failure.ORDER_EXPIRED: "The order was not paid in time, so it was cancelled.",
}
REFUND_REASONS = {
    Failure.ORDER_CANCELLED: "The order was cancelled.",
    Failure.ORDER_EXPIRED: "The payment arrived after the order had expired.",
}
PAID_TWICE = "This order was paid twice, so the second payment is refunded."
WRONG_AMOUNT = "The amount was not that of the order, so the payment is refunded."


class IllegalTransition(RuntimeError):
    """A payment cannot change to this state from its present one: a defect, or a stale read."""
