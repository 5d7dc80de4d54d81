"""The shop's days in time zones with and without daylight saving time."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supermarket import config, days
from supermarket.days import day_of, start_of

HOUR = timedelta(hours=1)
ZONES = ["Asia/Kolkata", "America/New_York", "Pacific/Apia", "Asia/Beirut", "America/Havana", "UTC"]
CACHES = (config.settings, days._zone)


def use(zone: str, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("TIME_ZONE", zone)
    forget()


def forget() -> None:
    for cache in CACHES:
        cache.cache_clear()


@pytest.fixture
def shop_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    yield lambda zone: use(zone, monkeypatch)
    monkeypatch.undo()
    forget()


def test_the_evening_of_a_months_last_day_in_utc_is_the_next_month_in_india() -> None:
    assert day_of(datetime(2026, 11, 30, 18, 29, 59, tzinfo=UTC)) == date(2026, 11, 30)
    assert day_of(datetime(2026, 11, 30, 20, tzinfo=UTC)) == date(2026, 12, 1)
    assert start_of(date(2026, 12, 1)) == datetime(2026, 11, 30, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Kolkata", date(2026, 3, 29), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Asia/Beirut", date(2026, 3, 29), 23),  # the clocks go forward at midnight
        ("America/Havana", date(2026, 11, 1), 25),  # they go back from one to midnight
    ],
)
def test_a_day_has_as_many_hours_as_its_zone_gives_it(
    shop_in: Callable[[str], None], zone: str, day: date, hours: int
) -> None:
    shop_in(zone)
    assert start_of(day + timedelta(days=1)) - start_of(day) == hours * HOUR


@given(
    st.sampled_from(ZONES),
    st.integers(0, 10 * 366 * 24 * 60),
)
def test_each_moment_is_between_the_ends_of_its_day(zone: str, minutes: int) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    with pytest.MonkeyPatch.context() as patch:
        use(zone, patch)
        day = day_of(moment)
        assert start_of(day) <= moment < start_of(day + timedelta(days=1))
        assert day_of(start_of(day)) == day
    forget()


def test_the_layer_has_the_data_of_the_zones() -> None:
    """Lambda's image need not have them."""
    root = Path(__file__).parents[2] / "layers" / "dependencies"
    assert "\ntzdata==" in (root / "requirements.txt").read_text()
