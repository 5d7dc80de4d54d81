"""Settlements: what Razorpay pays to the shop's bank account, and what they contain."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payment.model.amounts import ForeignMoney
from payment.model.attempt import Capture
from supermarket.money import Money


class SettlementStatus(StrEnum):
    """Razorpay's own states of a settlement."""

    CREATED = "created"
    PROCESSED = "processed"
    FAILED = "failed"


@dataclass(frozen=True)
class Settlement:
    """Razorpay's record of money that it paid to the shop's bank account.

    `fees` are those of the settlement itself, which include the `tax` on them. `utr` is the
    reference in the bank's statement.
    """

    id: str
    amount: Money
    status: SettlementStatus
    created_at: datetime
    fees: Money
    tax: Money
    utr: str | None = None


class ItemKind(StrEnum):
    """Razorpay's own kinds of movements in a settlement."""

    PAYMENT = "payment"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"  # by a dispute, or by Razorpay


@dataclass(frozen=True)
class SettledItem:
    """Razorpay's record of a movement that a settlement contains, and adds `net` minor units to it.

    `id` is that of the attempt, of the refund or of the adjustment. `fee` includes the `tax` on it.
    """

    id: str
    kind: ItemKind
    amount: Money | ForeignMoney
    net: int
    settlement_id: str | None = None
    attempt_id: str | None = None
    dispute_id: str | None = None
    fee: Money | None = None
    tax: Money | None = None

    def contradicts(self, capture: Capture) -> bool:
        """Whether a capture that is booked has another amount, fee or tax. Money in another
        currency is settled in the currency of the account.
        """
        is_same_currency = self.amount.currency == capture.amount.currency
        has_other_amount = is_same_currency and self.amount != capture.amount
        return has_other_amount or (self.fee, self.tax) != (capture.fee, capture.tax)
