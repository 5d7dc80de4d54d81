"""Scheduled Lambdas: their day, their remaining time and their counts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from conftest import NOON, FrozenClock
from supermarket import jobs, telemetry
from supermarket.jobs import Counts, Run, job
from support.jobs import AContext


@pytest.fixture
def runs(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    monkeypatch.setattr(jobs, "utc_now", clock)
    return []


def started(runs: list[Run], event: dict[str, Any], seconds: int = 60) -> Run:
    @job(spare_seconds=30)
    def count_sheep(run: Run) -> Counts:
        runs.append(run)
        return {"counted": 3}

    assert count_sheep(event, AContext(seconds)) == {"counted": 3}
    return runs[-1]


def test_a_scheduled_run_covers_the_time_until_now(runs: list[Run]) -> None:
    run = started(runs, {"source": "aws.scheduler", "detail-type": "Scheduled Event"})
    assert (run.day, run.until, run.today) == (None, NOON, date(2026, 11, 22))


def test_a_scheduled_run_is_of_the_shops_day(runs: list[Run], clock: FrozenClock) -> None:
    clock.advance(timedelta(hours=8))  # 20:00 UTC is 01:30 in India
    assert started(runs, {}).today == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("day", "until"),
    [
        ("2026-11-20", datetime(2026, 11, 20, 18, 30, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 21, 18, 30, tzinfo=UTC)),
        ("2026-11-22", NOON),
        ("2026-11-25", NOON),
    ],
)
def test_a_run_for_a_date_covers_the_time_until_the_end_of_that_day(
    runs: list[Run], day: str, until: datetime
) -> None:
    run = started(runs, {"date": day})
    assert (str(run.today), run.until) == (day, until)


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", ""])
def test_an_invalid_date_is_refused(runs: list[Run], day: str) -> None:
    with pytest.raises(ValueError, match=r"date|isoformat|day"):
        started(runs, {"date": day})
    assert runs == []


def test_a_run_has_time_while_more_than_the_spare_seconds_are_left(runs: list[Run]) -> None:
    assert started(runs, {}, seconds=31).has_time()
    assert not started(runs, {}, seconds=30).has_time()


def test_every_run_has_its_own_correlation_id(runs: list[Run]) -> None:
    started(runs, {})
    first = telemetry.correlation_id()
    started(runs, {})
    assert first != telemetry.correlation_id()


def test_the_counts_of_a_run_become_metrics(
    runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    started(runs, {})
    written = capsys.readouterr().out
    assert '"outcome":"counted"' in written
    assert '"JobCounted":[3' in written
