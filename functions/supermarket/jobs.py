"""The scheduled edge: a job becomes one Lambda, which reports what it counted as metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from supermarket import telemetry
from supermarket.clock import new_id, utc_now
from supermarket.days import day_of, start_of
from supermarket.init_phase import Handler

type Counts = Mapping[str, int]


@dataclass(frozen=True)
class Run:
    """One run of a job. `day` is the shop's day that an operator asked for; None on schedule."""

    now: datetime
    day: date | None
    has_time: Callable[[], bool]

    @property
    def until(self) -> datetime:
        """The end of the time that the run covers: now, or the end of `day`."""
        if self.day is None:
            return self.now
        return min(self.now, start_of(self.day + timedelta(days=1)))

    @property
    def today(self) -> date:
        """The day of the run: `day`, or the present one."""
        return self.day or day_of(self.now)


@dataclass(frozen=True)
class Job(Handler[Callable[[Run], Counts]]):
    """The handler of a scheduled Lambda.

    @job(spare_seconds=30)
    def purge_something(run: Run) -> Counts: ...

    The event is the schedule's, or `{"date": "2026-11-22"}`. `run.has_time()` returns whether
    another page of work, which takes at most `spare_seconds`, ends before the Lambda times out.
    """

    spare_seconds: int

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, int]:
        telemetry.begin(new_id(), job=self.name)
        day = date.fromisoformat(event["date"]) if "date" in event else None
        counts = dict(self.function(Run(utc_now(), day, lambda: self._has_time(context))))
        telemetry.logger.info("ran", extra={"counts": counts})
        for outcome, number in counts.items():
            telemetry.count("JobCounted", number, job=self.name, outcome=outcome)
        return counts

    def _has_time(self, context: Any) -> bool:
        return bool(context.get_remaining_time_in_millis() > self.spare_seconds * 1000)


def job(spare_seconds: int) -> Callable[[Callable[[Run], Counts]], Job]:
    """Make the function the work of a scheduled Lambda."""
    return lambda work: Job(work, spare_seconds)
