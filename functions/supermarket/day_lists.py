"""Lists of the whole shop by UTC day: an index has a partition for each day and shard, so that no
partition takes all writes of a day.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self
from zlib import crc32

SHARDS = 8
MAX_DAYS = 14  # that one request looks at
ONE_DAY = timedelta(days=1)


def partition_of(moment: datetime, id_: str) -> str:
    """Return the partition of a row: `2026-11-29#3`."""
    return f"{moment.astimezone(UTC).date()}#{crc32(id_.encode()) % SHARDS}"


@dataclass(frozen=True)
class Days:
    """The days of a list, both included; of the last one, only rows before a place."""

    first: date
    last: date
    before: str | None = None

    @classmethod
    def of(cls, first: date | None, last: date | None, now: datetime) -> Self:
        """Return the given days: by default those up to the present one, `MAX_DAYS` in all."""
        last = last or now.astimezone(UTC).date()
        return cls(first or last - (MAX_DAYS - 1) * ONE_DAY, last)

    def continued(self, position: dict[str, Any] | None) -> Self:
        """Return what is left of the days after a position."""
        if position is None:
            return self
        last = date.fromisoformat(position["last"])
        return replace(self, last=last, before=position["before"])

    def rest(self, before: str | None) -> Self | None:
        """Return these days before a place; None without one."""
        return replace(self, before=before) if before else None

    @property
    def position(self) -> dict[str, Any]:
        """The position of these days, for a cursor."""
        return {"last": self.last.isoformat(), "before": self.before}


type ReadPartition[Item] = Callable[[str, str | None, int], Iterable[Item]]
"""Returns the newest items of a partition before a place, at most so many."""


def read_days[Item](
    read: ReadPartition[Item], place_of: Callable[[Item], str], days: Days, limit: int
) -> tuple[list[Item], Days | None]:
    """Return at most `limit` items of the days, newest first, and the days that are left; None
    after the last. Reads at most eight times as many items, and `MAX_DAYS` days.
    """
    found: list[Item] = []
    for _ in range(MAX_DAYS):
        if days.last < days.first:
            return found, None
        room = limit - len(found)
        items = [
            item
            for shard in range(SHARDS)
            for item in read(f"{days.last}#{shard}", days.before, room)
        ]
        found += sorted(items, key=place_of, reverse=True)[:room]
        if len(found) == limit:
            return found, replace(days, before=place_of(found[-1]))
        days = replace(days, last=days.last - ONE_DAY, before=None)
    return found, days if days.first <= days.last else None
