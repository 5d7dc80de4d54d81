"""Unsent events and their batches, the state of dependencies, and the routes of the API."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

# limits of one PutEvents call: https://docs.aws.amazon.com/eventbridge, PutEvents
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
BYTES_OF_A_TIME = 14

UNSENDABLE = "unsendable"  # the shard of the events that the bus never accepts


@dataclass(frozen=True)
class SendFailure:
    """Why the bus did not accept an event; a final failure would be the same at every retry."""

    reason: str
    is_final: bool = False


type SendFailures = Mapping[str, SendFailure]
"""By event id."""


@dataclass(frozen=True)
class UnsentEvent:
    """An event in the outbox; `detail` is the JSON text that is sent."""

    id: str
    source: str
    detail_type: str
    detail: str
    occurred_at: datetime

    @property
    def size(self) -> int:
        """Bytes, as EventBridge counts them."""
        texts = (self.source, self.detail_type, self.detail)
        return BYTES_OF_A_TIME + sum(len(text.encode()) for text in texts)


def batches(events: Iterable[UnsentEvent]) -> Iterator[list[UnsentEvent]]:
    """Split events, in their order, into batches that EventBridge accepts in one call.

    An event that is too large gets a batch of its own, which EventBridge rejects with a reason.
    """
    batch: list[UnsentEvent] = []
    size = 0
    for event in events:
        if batch and (len(batch) == MAX_ENTRIES or size + event.size > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += event.size
    if batch:
        yield batch


def age_in_seconds(moment: datetime | None, now: datetime) -> float:
    """Seconds since `moment`, at least 0 because clocks differ a little; 0 for None."""
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


@dataclass(frozen=True)
class Backlog:
    """The result of a sweep: how many events were found, were not sent and can never be sent, and
    whether all were tried.
    """

    found: int = 0
    failed: int = 0
    unsendable: int = 0
    oldest: datetime | None = None
    is_finished: bool = True

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.found + other.found,
            self.failed + other.failed,
            self.unsendable + other.unsendable,
            min((one for one in (self.oldest, other.oldest) if one), default=None),
            self.is_finished and other.is_finished,
        )


@dataclass(frozen=True)
class Dependency:
    """The response of a dependency to its probe: `fault` is None when it works."""

    name: str
    fault: str | None
    milliseconds: float

    @property
    def ok(self) -> bool:
        return self.fault is None


class RouteMap:
    """Finds the methods of a path: `RouteMap(["GET /api/products/{productId}"])`."""

    def __init__(self, routes: Iterable[str]) -> None:
        self._routes = [
            # a parameter stands for one segment
            (method, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))))
            for method, path in (route.split(" ", 1) for route in routes)
        ]

    def methods_of(self, path: str) -> tuple[str, ...]:
        """The methods in alphabetical order; empty for an unknown path."""
        return tuple(sorted({method for method, route in self._routes if route.fullmatch(path)}))
