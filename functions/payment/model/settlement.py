"""Settlements: what Razorpay pays to the shop's bank account."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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
