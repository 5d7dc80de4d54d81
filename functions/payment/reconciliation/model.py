"""How far a reconciliation has come, and what it counted."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from payment.model import ForeignMoney, UnreadableRecord
from supermarket.money import Money

PAGE = 100  # Razorpay's largest page
MAX_UNANSWERED = 3  # consecutive records without a response, before Razorpay counts as down

type HasTime = Callable[[], bool]
type Records[R] = Sequence[R | UnreadableRecord]
type DriftKind = Literal["missing_here", "missing_there", "different_amount", "different_state"]


class Phase(StrEnum):
    """The lists that are compared, in this order: the last two show what was not repaired."""

    ATTEMPTS = "attempts"
    REFUNDS = "refunds"
    ORDERS = "orders"
    OWN_PAYMENTS = "own_payments"
    FINISHED = "finished"

    def next(self) -> Self:
        phases = list(type(self))
        return phases[phases.index(self) + 1]


@dataclass(frozen=True)
class RecordPage:
    """`PAGE` records of Razorpay from `since` until `until`, without the first `skip`."""

    since: datetime
    until: datetime
    skip: int


@dataclass(frozen=True)
class Checkpoint:
    """How far a window of time is compared, both ends included. A later run continues from here.

    `own_since` is its beginning for the shop's payments. `position` is the number of records read
    of Razorpay's list, or the sort key of the last own payment that was read. `found` counts drift
    and failures in this window.
    """

    name: str
    since: datetime
    own_since: datetime
    until: datetime
    phase: Phase = Phase.ATTEMPTS
    position: str = ""
    version: int = 1
    found: int = 0

    @property
    def is_finished(self) -> bool:
        return self.phase is Phase.FINISHED

    def moved(self, position: str, found: int = 0) -> Self:
        """Move on in the present list, or to the next list when `position` is empty."""
        phase = self.phase if position else self.phase.next()
        version, found = self.version + 1, self.found + found
        return replace(self, phase=phase, position=position, version=version, found=found)


@dataclass
class Report:
    """What a run did.

    `counts` has: checked, repaired, drift (each time it is seen), failed (records that could not be
    checked), superseded, stopped, and for open refunds synced, unsynced and overdue. `unanswered`
    counts consecutive records that Razorpay did not answer about.
    """

    counts: Counter[str] = field(default_factory=Counter)
    checkpoint: Checkpoint | None = None
    unanswered: int = 0

    def note_failure(self, *, unanswered: bool) -> bool:
        """Count a failed record; returns whether Razorpay did not answer about several in a row."""
        self.unanswered = self.unanswered + 1 if unanswered else 0
        return self.unanswered >= MAX_UNANSWERED

    @property
    def found(self) -> int:
        return self.counts["drift"] + self.counts["failed"]

    @property
    def is_finished(self) -> bool:
        return self.checkpoint is not None and self.checkpoint.is_finished


def in_minor_units(money: Money | ForeignMoney) -> str:
    """Format money of any currency: `49950 INR (minor units)`."""
    return f"{money.minor} {money.currency} (minor units)"
