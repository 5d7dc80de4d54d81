"""Cancels unpaid orders whose reservation has ended: shard by shard, until the time is up."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from order.model import Outcome
from order.ports import Lag, Reservations
from order.service import GRACE
from supermarket import telemetry
from supermarket.clock import Clock

# an order that could not be released must not hold up others
POSTPONED = timedelta(minutes=15)


type Expire = Callable[[str], Outcome]
type RunAll = Callable[[Callable[[str], "Progress"], Iterable[str]], Iterable["Progress"]]
"""Calls a function with each shard, like `map`; some at the same time."""


@dataclass(frozen=True)
class Progress:
    """What a run did. `left` is when the oldest reservation was due that it had no time for."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    left: datetime | None = None
    is_paused: bool = False

    def __add__(self, other: "Progress") -> "Progress":
        left = min((one for one in (self.left, other.left) if one), default=None)
        return Progress(self.counts + other.counts, left)


@dataclass(frozen=True)
class Expiry:
    """Ends reservations. `longest_lag` is how late events may be: while they are later, nothing is
    cancelled, since the news that an order is paid may be among them.
    """

    reservations: Reservations
    expire: Expire
    lag: Lag
    longest_lag: Callable[[], timedelta]
    run_all: RunAll
    clock: Clock

    def run(self, until: datetime, has_time: Callable[[], bool]) -> Progress:
        """Expire what had ended at `until`, until the time is up."""
        lag = self.lag.oldest_event()
        if lag > self.longest_lag():
            late = {"seconds": round(lag.total_seconds())}
            telemetry.logger.warning("events are late, so no order expires", extra=late)
            return Progress(is_paused=True)
        parts = self.run_all(
            lambda shard: self._run(shard, until, has_time), self.reservations.shards
        )
        return sum(parts, Progress())

    def _run(self, shard: str, until: datetime, has_time: Callable[[], bool]) -> Progress:
        counts: Counter[Outcome] = Counter()
        for reservation in self.reservations.list_expired(until - GRACE, shard):
            if not has_time():
                return Progress(counts, reservation.ends_at + GRACE)
            counts[self._expire(reservation.order_id)] += 1
        return Progress(counts)

    def _expire(self, order_id: str) -> Outcome:
        try:
            outcome = self.expire(order_id)
        except Exception:
            telemetry.logger.exception("reservation not released", extra={"orderId": order_id})
            outcome = Outcome.FAILED
        if outcome in {Outcome.POSTPONED, Outcome.FAILED}:
            with telemetry.warn_on_failure("reservation not postponed"):
                self.reservations.postpone(order_id, self.clock() + POSTPONED)
        return outcome
