"""Events on their way out and back, what the platform depends on, and the routes it has."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

# EventBridge takes so much at once; https://docs.aws.amazon.com/eventbridge, PutEvents
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
BYTES_OF_A_TIME = 14


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
