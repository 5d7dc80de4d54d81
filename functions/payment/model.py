"""What a payment is, its one table of states, and what proves that it was made."""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Self

from supermarket.caller import Caller
from supermarket.money import Currency, Money

MINIMUM_MINOR = 100  # Razorpay takes no payment below one rupee or dollar


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


# A failed payment may be tried again (PENDING), and money that was believed lost may still arrive
# (COMPLETED). Nothing undoes a completed one.
TRANSITIONS: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset({PaymentStatus.COMPLETED, PaymentStatus.FAILED}),
    PaymentStatus.FAILED: frozenset({PaymentStatus.PENDING, PaymentStatus.COMPLETED}),
    PaymentStatus.COMPLETED: frozenset(),
}


class Failure(StrEnum):
    """Why a payment failed."""

    DECLINED = "DECLINED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    ORDER_EXPIRED = "ORDER_EXPIRED"

    @property
    def reason(self) -> str:
        """For the customer's eyes."""
        return _REASONS[self]


_REASONS = {
    Failure.DECLINED: "The payment was declined. You can try again.",
    Failure.ORDER_CANCELLED: "The order was cancelled before it was paid.",
    Failure.ORDER_EXPIRED: "The order was not paid in time, so it was cancelled.",
}


class IllegalTransition(RuntimeError):
    """The table of states does not know this change: a defect, or something read too long ago."""


class AttemptStatus(StrEnum):
    """Razorpay's own word for where one attempt to pay stands."""

    CREATED = "created"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"


@dataclass(frozen=True)
class Attempt:
    """One attempt to pay, as Razorpay's record tells it; its currency may be one we do not know."""

    id: str
    razorpay_order_id: str | None
    minor: int
    currency: str
    status: AttemptStatus


@dataclass(frozen=True)
class Proof:
    """What a browser brings back from Razorpay's checkout."""

    razorpay_order_id: str
    razorpay_payment_id: str
    signature: str

    def is_signed_with(self, secret: str) -> bool:
        """Whether Razorpay, which shares the secret, wrote this; in time that tells nothing."""
        message = f"{self.razorpay_order_id}|{self.razorpay_payment_id}"
        expected = hmac.new(secret.encode(), message.encode(), sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), self.signature.encode())


@dataclass(frozen=True)
class Customer:
    """Who pays; mail address and name as of the order."""

    user_id: str
    email: str
    first_name: str


@dataclass(frozen=True)
class PayableOrder:
    """An order that may be paid right now."""

    id: str
    customer: Customer
    total: Money


@dataclass(frozen=True)
class Payment:
    """The one payment of an order. `version` grows with every change, so that no change is lost.

    `declined` are the attempts known to have failed: each of them counts once, however often it is
    reported.
    """

    id: str
    order_id: str
    razorpay_order_id: str
    customer: Customer
    price: Money
    created_at: datetime
    updated_at: datetime
    status: PaymentStatus = PaymentStatus.PENDING
    razorpay_payment_id: str | None = None
    failure: Failure | None = None
    declined: frozenset[str] = frozenset()
    version: int = 1

    @classmethod
    def opened(cls, id_: str, order: PayableOrder, razorpay_order_id: str, at: datetime) -> Self:
        return cls(id_, order.id, razorpay_order_id, order.customer, order.total, at, at)

    @property
    def is_completed(self) -> bool:
        return self.status is PaymentStatus.COMPLETED

    @property
    def is_open(self) -> bool:
        return self.status is PaymentStatus.PENDING

    @property
    def is_called_off(self) -> bool:
        """Whether its order is gone, so that no more money should be taken."""
        return self.status is PaymentStatus.FAILED and self.failure is not Failure.DECLINED

    def is_of(self, caller: Caller) -> bool:
        return self.customer.user_id == caller.user_id

    def may_be_seen_by(self, caller: Caller) -> bool:
        return caller.is_admin or self.is_of(caller)

    def is_meant_by(self, attempt: Attempt) -> bool:
        """Whether an attempt is for this payment: same Razorpay order, same amount, same
        currency.
        """
        wanted = (self.razorpay_order_id, self.price.minor, self.price.currency.value)
        return (attempt.razorpay_order_id, attempt.minor, attempt.currency) == wanted

    def completed(self, attempt: Attempt, at: datetime) -> Self:
        moved = self._moved(PaymentStatus.COMPLETED, at)
        return replace(moved, razorpay_payment_id=attempt.id)

    def declined_by(self, attempt: Attempt, at: datetime) -> Self:
        """Failed by one more attempt; an attempt that is known already does not count again."""
        moved = self._moved(PaymentStatus.FAILED, at)
        return replace(moved, failure=Failure.DECLINED, declined=self.declined | {attempt.id})

    def called_off(self, failure: Failure, at: datetime) -> Self:
        return replace(self._moved(PaymentStatus.FAILED, at), failure=failure)

    def reopened(self, at: datetime) -> Self:
        """Another try, through the same Razorpay order: that takes several attempts."""
        return self._moved(PaymentStatus.PENDING, at)

    def _moved(self, to: PaymentStatus, at: datetime) -> Self:
        if to not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"a payment does not go from {self.status} to {to}")
        return replace(self, status=to, updated_at=at, version=self.version + 1)


def is_large_enough(price: Money) -> bool:
    return price.minor >= MINIMUM_MINOR


def smallest(currency: Currency) -> Money:
    """The least that can be paid."""
    return Money(MINIMUM_MINOR, currency)
