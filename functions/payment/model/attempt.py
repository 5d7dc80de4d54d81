"""Attempts to pay, and the money that they took."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from payment.model.amounts import ForeignMoney
from supermarket.money import Money


class ForeignAmount(ValueError):
    """An attempt took money in a currency that the shop does not trade in."""


class AttemptStatus(StrEnum):
    """Razorpay's own states of an attempt to pay."""

    CREATED = "created"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"


@dataclass(frozen=True)
class Attempt:
    """Razorpay's record of one attempt to pay. `fee` includes the `tax` on it."""

    id: str
    razorpay_order_id: str | None
    amount: Money | ForeignMoney
    status: AttemptStatus
    fee: Money | None = None
    tax: Money | None = None

    @property
    def was_captured(self) -> bool:
        """Whether the shop received the money, even if it was refunded since."""
        return self.status in {AttemptStatus.CAPTURED, AttemptStatus.REFUNDED}


@dataclass(frozen=True)
class Capture:
    """Money that an attempt took. `fee` is Razorpay's fee with its `tax`, once they are known."""

    attempt_id: str
    amount: Money
    fee: Money | None = None
    tax: Money | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Raises `ForeignAmount`, since the shop keeps no books in other currencies."""
        if isinstance(attempt.amount, ForeignMoney):
            raise ForeignAmount(attempt.id)
        return cls(attempt.id, attempt.amount, attempt.fee, attempt.tax)
