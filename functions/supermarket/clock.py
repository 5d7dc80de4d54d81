"""Clocks, ids and times as text. Services receive a `Clock` and a `NewId` from their wiring."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from ulid import ULID

type Clock = Callable[[], datetime]
type NewId = Callable[[], str]

ID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"


def utc_now() -> datetime:
    """Return the present in UTC with milliseconds, the precision of what is stored and shown."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a ULID: 26 characters that sort by their time of creation."""
    return str(ULID())


def is_id(text: str) -> bool:
    """Return whether `text` has the form of an id."""
    return re.fullmatch(ID_PATTERN, text) is not None


def creation_time(id_: str) -> datetime:
    """Return the time at which an id was created."""
    return ULID.from_str(id_).datetime


def iso(moment: datetime) -> str:
    """Format a time as `2026-11-22T09:30:00.000Z` (UTC), which sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    """Parse a time that `iso` formatted."""
    return datetime.fromisoformat(text)
