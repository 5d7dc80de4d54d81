"""Disputes with their states, and what they withhold."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from supermarket.money import Money


class DisputeStatus(StrEnum):
    """The states of a dispute."""

    OPEN = "OPEN"
    UNDER_REVIEW = "UNDER_REVIEW"
    CLOSED = "CLOSED"  # without a decision
    WON = "WON"
    LOST = "LOST"

    @property
    def is_final(self) -> bool:
        return self in {DisputeStatus.CLOSED, DisputeStatus.WON, DisputeStatus.LOST}

    def follows(self, other: "DisputeStatus") -> bool:
        """Whether a report of this status counts after one of `other`.

        It does not depend on the order in which reports arrive: a loss is final for the shop.
        """
        order = list(DisputeStatus)
        return order.index(self) > order.index(other)


@dataclass(frozen=True)
class Dispute:
    """A dispute of an attempt, as Razorpay and the shop record it.

    While it is open, the shop cannot use its amount. `deducted` is what the shop lost by it.
    """

    id: str
    attempt_id: str
    amount: Money
    status: DisputeStatus
    phase: str
    reason: str
    opened_at: datetime
    respond_by: datetime | None = None
    deducted: Money | None = None

    @property
    def is_open(self) -> bool:
        return not self.status.is_final

    @property
    def lost(self) -> Money:
        """What the shop lost: all of the amount, unless Razorpay says that it was less."""
        if self.status is not DisputeStatus.LOST:
            return Money.zero(self.amount.currency)
        return self.deducted or self.amount

    @property
    def withheld(self) -> Money:
        """What the shop cannot refund because of it."""
        return self.amount if self.is_open else self.lost
