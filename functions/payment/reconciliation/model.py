"""The windows of time that are compared, how far each of them is, and what was counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Self

from payment.model.amounts import ForeignMoney
from supermarket.clock import iso
from supermarket.money import Money

PAGE = 100  # Razorpay's largest page
ITEMS_PAGE = 1_000  # its largest page of what was settled
MAX_UNANSWERED = 3  # consecutive records without a response, before Razorpay counts as down
LATEST = "latest"
# a window is compared again so long after its end: a customer may be paying when it is compared
# first, the orders that were not paid are expired by the second time, and an attempt that is only
# authorized may be captured long after it was made
COMPARED_AGAIN_AFTER = (timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))


@dataclass(frozen=True)
class UnreadableRecord:
    """A record of Razorpay that cannot be parsed, with the id that stands in it."""

    id: str


type HasTime = Callable[[], bool]
type Records[R] = Sequence[R | UnreadableRecord]
type DriftKind = Literal["missing_here", "missing_there", "different_amount", "different_state"]


class Phase(StrEnum):
    """The lists of a window that are compared: the last one shows what was not repaired."""

    ATTEMPTS = "attempts"
    REFUNDS = "refunds"
    ORDERS = "orders"  # with the shop's own payments
    UNSETTLED = "unsettled"


FIRST_TIME = (Phase.ATTEMPTS, Phase.REFUNDS, Phase.ORDERS)
AGAIN = (Phase.ATTEMPTS, Phase.REFUNDS, Phase.UNSETTLED)


@dataclass(frozen=True)
class RecordPage:
    """`PAGE` records of Razorpay from `since` until `until`, without the first `skip`."""

    since: datetime
    until: datetime
    skip: int


@dataclass(frozen=True)
class Window:
    """A part of time, both ends included. `compared` is how often it was compared completely."""

    since: datetime
    until: datetime
    compared: int = 0

    @property
    def due_at(self) -> datetime:
        """When it is to be compared next."""
        wait = COMPARED_AGAIN_AFTER[self.compared - 1] if self.compared else timedelta(0)
        return self.until + wait


@dataclass(frozen=True)
class Agenda:
    """The windows that are still to be compared, oldest first. Everything before `until` was in a
    window; `found` counts drift and failures in those that are compared.

    The windows of the agenda `LATEST` are compared several times, those of another one once.
    """

    name: str
    until: datetime
    windows: tuple[Window, ...] = ()
    plan: int = 1
    found: int = 0
    version: int = 1

    def name_of(self, window: Window) -> str:
        """Return the name of a window's checkpoint."""
        return f"{self.name}#{self.plan}#{iso(window.since)}"

    def due(self, now: datetime) -> list[Window]:
        """Return the windows to compare now, those first that are due for longest."""
        found = [one for one in self.windows if not one.compared or one.due_at <= now]
        return sorted(found, key=lambda window: window.due_at)

    def lag(self, now: datetime) -> timedelta:
        """Return for how long something has not been compared at all."""
        new = (window.until for window in self.windows if not window.compared)
        return now - min([self.until, *new])

    def with_progress(self, progress: "dict[Window, Checkpoint]") -> Self:
        """Return it after these windows have reached these checkpoints."""
        windows, found, last = [], self.found, 1
        if self.name == LATEST:
            last += len(COMPARED_AGAIN_AFTER)
        for window in self.windows:
            checkpoint = progress.get(window)
            if checkpoint is None or checkpoint.compared == window.compared:
                windows.append(window)
                continue
            found += checkpoint.found
            if checkpoint.compared < last:
                windows.append(replace(window, compared=checkpoint.compared))
        return replace(self, windows=tuple(windows), found=found, version=self.version + 1)


@dataclass(frozen=True)
class Checkpoint:
    """How far a window is compared. A later run continues from here.

    `position` is the number of records read of the present list. `orders`, `refunds` and
    `open_attempts` are the numbers of Razorpay's records when they were compared last; an open
    attempt may still change. `found` counts drift and failures in this window. `version` is 0 until
    it is saved. For a day of settlements, `sums` are those of their movements, in minor units.
    """

    name: str
    compared: int = 0
    phase: Phase = Phase.ATTEMPTS
    position: int = 0
    orders: int = 0
    refunds: int = 0
    open_attempts: int = 0
    found: int = 0
    version: int = 0
    sums: Mapping[str, int] = field(default_factory=dict)

    def moved(self, seen: int) -> Self:
        """Move on by a page with so many records, or to the next list after the last page."""
        if seen == PAGE:
            return replace(self, position=self.position + seen)
        return self.next_phase()

    def next_phase(self) -> Self:
        """Move on to the next list that needs to be compared; after the last one, the window is
        compared.
        """
        phases = AGAIN if self.compared else FIRST_TIME
        for phase in phases[phases.index(self.phase) + 1 :]:
            if self.needs(phase):
                return replace(self, phase=phase, position=0)
        finished = replace(self, compared=self.compared + 1, position=0)
        return replace(finished, phase=next(filter(finished.needs, AGAIN)))

    def needs(self, phase: Phase) -> bool:
        """Whether a list has to be compared: the first time all, then those that may change."""
        if phase is Phase.ATTEMPTS and self.compared:
            return self.open_attempts > 0
        if phase is Phase.REFUNDS and self.compared:
            return self.refunds > 0
        return True


@dataclass
class Report:
    """What a run did.

    `counts` has: checked, repaired, drift (each time it is seen), failed (records that could not be
    checked), superseded, stopped, and for open refunds synced, unsynced and overdue. `unanswered`
    counts consecutive records that Razorpay did not answer about. `agenda` is what is left to do.
    """

    counts: Counter[str] = field(default_factory=Counter)
    agenda: Agenda | None = None
    is_finished: bool = False
    windows: int = 0
    """The number of windows to compare in this run."""
    compared: int = 0
    """The number of windows that this run has compared."""
    unanswered: int = 0

    def note_failure(self, *, unanswered: bool) -> bool:
        """Count a failed record; returns whether Razorpay did not answer about several in a row."""
        self.unanswered = self.unanswered + 1 if unanswered else 0
        return self.unanswered >= MAX_UNANSWERED

    @property
    def found(self) -> int:
        return self.counts["drift"] + self.counts["failed"]


def in_minor_units(money: Money | ForeignMoney) -> str:
    """Format money of any currency: `49950 INR (minor units)`."""
    return f"{money.minor} {money.currency} (minor units)"
