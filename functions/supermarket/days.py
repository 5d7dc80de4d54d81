"""The days of the shop, which begin at midnight in its time zone."""

from datetime import UTC, date, datetime, time, tzinfo
from functools import cache

from supermarket.config import settings


def day_of(moment: datetime) -> date:
    """Return the shop's day at a moment."""
    return moment.astimezone(_zone()).date()


def start_of(day: date) -> datetime:
    """Return the moment at which a day begins, in UTC; a day can have 23 or 25 hours."""
    return datetime.combine(day, time(), _zone()).astimezone(UTC)


@cache
def _zone() -> tzinfo:
    # imported late, since few functions need it
    from zoneinfo import ZoneInfo

    return ZoneInfo(settings().time_zone)
