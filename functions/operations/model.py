"""Events on their way out and back, what the platform depends on, and the routes it has."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# EventBridge takes so much at once; https://docs.aws.amazon.com/eventbridge, PutEvents
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
BYTES_OF_A_TIME = 14
IN_PASSING = 50  # as many events as a consumer has in its hands at once


@dataclass(frozen=True)
class Refusal:
    """Why EventBridge did not take an event; a final one would be the same at every other try."""

    reason: str
    is_final: bool = False


type Refusals = Mapping[str, Refusal]
"""By the ids of the events that EventBridge did not take."""


@dataclass(frozen=True)
class UnsentEvent:
    """An event that waits in the outbox; `detail` is its JSON as it will travel."""

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


def chunks(events: Iterable[UnsentEvent]) -> Iterator[list[UnsentEvent]]:
    """The events in order, in groups that EventBridge takes at once.

    An event that is too large by itself still gets a group: EventBridge says what is wrong with it.
    """
    chunk: list[UnsentEvent] = []
    size = 0
    for event in events:
        if chunk and (len(chunk) == MAX_ENTRIES or size + event.size > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += event.size
    if chunk:
        yield chunk


def age_in_seconds(moment: datetime | None, now: datetime) -> float:
    """Of something that need not be there; never below zero, since clocks differ a little."""
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


@dataclass(frozen=True)
class Backlog:
    """What a sweep of the outbox found, and how much of it is still there."""

    found: int
    failed: int
    unsendable: int
    oldest: datetime | None

    def age_in_seconds(self, now: datetime) -> float:
        return age_in_seconds(self.oldest, now)


@dataclass(frozen=True)
class Consumer:
    """A domain that events are handed to: by one rule, through one queue."""

    name: str
    rule: str
    queue: str
    dead_letters: str
    undelivered: str
    takes_replays: bool


@dataclass(frozen=True)
class DeadLetter:
    """An event that did not get where it should, as it lies in a box."""

    id: str
    event: str
    event_id: str
    consumer: str
    received: datetime
    body: str = field(repr=False)
    hint: str = ""

    def is_called(self, wanted: str | None) -> bool:
        """By its event's name, by its event's id, or by its own; None is any."""
        return wanted is None or wanted in {self.event, self.event_id, self.id}


@dataclass(frozen=True)
class BoxSummary:
    """How much lies in a box, and since when."""

    name: str
    count: int
    oldest: datetime | None


class ReplayState(StrEnum):
    """EventBridge's own words."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Replay:
    """A part of the archive on its way to the bus again."""

    name: str
    state: ReplayState
    since: datetime
    until: datetime
    reached: datetime | None = None
    reason: str = ""

    @property
    def is_completed(self) -> bool:
        return self.state is ReplayState.COMPLETED

    @property
    def is_lost(self) -> bool:
        """Nothing more comes of it."""
        return self.state in {ReplayState.CANCELLED, ReplayState.FAILED}

    @property
    def share(self) -> float:
        """How much of its time it has gone through, from 0 to 1."""
        if self.is_completed:
            return 1.0
        whole = (self.until - self.since).total_seconds()
        done = ((self.reached or self.since) - self.since).total_seconds()
        return min(1.0, max(0.0, done / whole)) if whole else 0.0


@dataclass(frozen=True)
class ReplayProgress:
    """How far a replay is, and how much of it its consumer still has before it."""

    replay: Replay
    waiting: int

    @property
    def is_quiet(self) -> bool:
        return self.replay.is_completed and self.waiting == 0

    @property
    def is_passing(self) -> bool:
        """No more waits than a consumer has in its hands at once."""
        return self.replay.is_completed and self.waiting <= IN_PASSING


@dataclass(frozen=True)
class ScheduledJob:
    """A Lambda that a clock starts: `<domain>.<function>`, its deployed name, and when it runs."""

    name: str
    function: str
    schedule: str


@dataclass(frozen=True)
class Dependency:
    """Whether something the platform needs answered just now, and how fast."""

    name: str
    fault: str | None
    milliseconds: float

    @property
    def ok(self) -> bool:
        return self.fault is None


class RouteMap:
    """Which methods a path takes; built from routes as `GET /api/products/{productId}`."""

    def __init__(self, routes: Iterable[str]) -> None:
        self._routes = [_split(*route.split(" ", 1)) for route in routes]

    def methods_of(self, path: str) -> tuple[str, ...]:
        """In alphabetical order; empty for a path that does not exist."""
        segments = path.split("/")
        return tuple(sorted({method for method, shape in self._routes if _fits(segments, shape)}))


def _split(method: str, path: str) -> tuple[str, list[str]]:
    return method, path.split("/")


def _fits(segments: list[str], shape: list[str]) -> bool:
    return len(segments) == len(shape) and all(
        segment == part or (segment != "" and part.startswith("{"))
        for segment, part in zip(segments, shape, strict=True)
    )
