"""The scheduled edge: a job becomes one Lambda, which reports what it counted as metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from supermarket import telemetry
from supermarket.clock import new_id, utc_now
from supermarket.init_phase import make_services

type Counts = Mapping[str, int]


@dataclass(frozen=True)
class Run:
    """One run of a job. `day` (UTC) is the day that an operator asked for; None on schedule."""

    now: datetime
    day: date | None
    has_time: Callable[[], bool]

    @property
    def until(self) -> datetime:
        """The end of the time that the run covers: now, or the end of `day`."""
        if self.day is None:
            return self.now
        return min(self.now, datetime.combine(self.day + timedelta(days=1), time(), UTC))

    @property
    def today(self) -> date:
        """The day of the run: `day`, or the present one."""
        return self.day or self.now.date()


class Job:
    """The handler of a scheduled Lambda, around a function that does the work.

    @job(spare_seconds=30)
    def purge_something(run: Run) -> Counts: ...

    The event is the schedule's, or `{"date": "2026-11-22"}`. `run.has_time()` returns whether
    another page of work, which takes at most `spare_seconds`, ends before the Lambda times out.
    """

    def __init__(self, work: Callable[[Run], Counts], spare_seconds: int) -> None:
        self.name = f"{work.__module__.partition('.')[0]}.{work.__name__}"
        self._work = work
        self._spare_milliseconds = spare_seconds * 1000

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, int]:
        telemetry.begin(new_id(), job=self.name)
        counts = dict(self._work(Run(utc_now(), _day(event), lambda: self._has_time(context))))
        telemetry.logger.info("ran", extra={"counts": counts})
        for outcome, number in counts.items():
            telemetry.count("JobCounted", number, job=self.name, outcome=outcome)
        return counts

    def prepare(self) -> None:
        """Make what an invocation needs; see `init_phase`."""
        make_services(self._work)

    def _has_time(self, context: Any) -> bool:
        return bool(context.get_remaining_time_in_millis() > self._spare_milliseconds)


def job(spare_seconds: int) -> Callable[[Callable[[Run], Counts]], Job]:
    """Make the function the work of a scheduled Lambda."""
    return lambda work: Job(work, spare_seconds)


def _day(event: Mapping[str, Any]) -> date | None:
    """Return the day in the event. Raises ValueError when it is no date."""
    asked = event.get("date")
    return None if asked is None else date.fromisoformat(asked)
