"""Time and identity, as values that a service is given rather than fetches."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from ulid import ULID

type Clock = Callable[[], datetime]
type NewId = Callable[[], str]

ID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"


def utc_now() -> datetime:
    """The present, in UTC, cut to milliseconds: what is stored and shown is then the same."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def new_id() -> str:
    """A ULID: 26 characters that sort by the time they were made."""
    return str(ULID())


def is_id(text: str) -> bool:
    """Whether `text` could be an id at all; what could not need not be looked for."""
    return re.fullmatch(ID_PATTERN, text) is not None


def creation_time(id_: str) -> datetime:
    """When an id was made."""
    return ULID.from_str(id_).datetime


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-11-22T09:30:00.000Z`; sorts as text."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    )


def from_iso(text: str) -> datetime:
    """The inverse of `iso`."""
    return datetime.fromisoformat(text)


def positive_seconds(text: str) -> float:
    """What a command's option says; ValueError for what is no time at all, or never ends."""
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text} is no length of time")
    return seconds
