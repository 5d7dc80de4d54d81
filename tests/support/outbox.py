"""The ports of the outbox in memory, and events for them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched, chain
from zlib import crc32

from outbox.model import UNSENDABLE, SendFailure, UnsentEvent
from outbox.ports import BatchRejected, BusUnavailable, EventBus, Outbox
from outbox.service import OutboxRelay
from supermarket.clock import iso
from supermarket.dynamo.outbox import OutboxRow, shard_of

EVENTS_PER_PAGE = 10
LONG_AGO = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def an_event(event_id: str, detail: str = "{}", occurred_at: datetime = LONG_AGO) -> UnsentEvent:
    return UnsentEvent(event_id, "supermarket.order", "OrderPlaced", detail, occurred_at)


class InMemoryBus:
    """Accepts every event except those in `throttled`; rejects a call with one of `malformed`."""

    def __init__(self, throttled: Iterable[str] = (), malformed: Iterable[str] = ()) -> None:
        self.throttled = set(throttled)
        self.malformed = set(malformed)
        self.is_down = False
        self.calls: list[list[str]] = []
        self.accepted: list[str] = []

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, SendFailure]:
        ids = [event.id for event in events]
        self.calls.append(ids)
        if self.is_down:
            raise BusUnavailable("no response")
        if self.malformed.intersection(ids):
            raise BatchRejected("ValidationException")
        failures = {i: SendFailure("ThrottlingException") for i in ids if i in self.throttled}
        self.accepted += [i for i in ids if i not in failures]
        return failures


class InMemoryOutbox:
    """`Outbox` in a dictionary."""

    shards: Sequence[str] = ("a", "b")

    def __init__(self, events: Iterable[UnsentEvent] = ()) -> None:
        self.events = {event.id: event for event in events}
        self.unsendable: set[str] = set()

    def delete(self, event_ids: Iterable[str]) -> None:
        for event_id in list(event_ids):
            self.events.pop(event_id, None)

    def set_aside(self, event_id: str) -> None:
        self.unsendable |= {event_id} & self.events.keys()

    def list_older_than(self, moment: datetime, shard: str) -> Iterator[Sequence[UnsentEvent]]:
        found = [e for e in self._of(shard) if e.occurred_at < moment]
        yield from batched(found, EVENTS_PER_PAGE, strict=False)

    def oldest(self) -> datetime | None:
        sendable = [*self._of("a"), *self._of("b")]
        return min((event.occurred_at for event in sendable), default=None)

    def _of(self, shard: str) -> list[UnsentEvent]:
        events = [event for event in self.events.values() if self._shard(event) == shard]
        return sorted(events, key=lambda event: event.occurred_at)

    def _shard(self, event: UnsentEvent) -> str:
        if event.id in self.unsendable:
            return UNSENDABLE
        return self.shards[crc32(event.id.encode()) % 2]


def all_older_than(outbox: Outbox, moment: datetime) -> list[UnsentEvent]:
    """The events of all shards that occurred before `moment`."""
    pages = (outbox.list_older_than(moment, shard) for shard in (*outbox.shards, UNSENDABLE))
    return [event for page in chain.from_iterable(pages) for event in page]


def an_outbox_row(event: UnsentEvent) -> OutboxRow:
    """The row of an event."""
    return OutboxRow(
        event.id,
        source=event.source,
        detail_type=event.detail_type,
        detail=event.detail,
        occurred_at=iso(event.occurred_at),
        shard=shard_of(event.id),
    )


def a_relay(bus: EventBus, outbox: Outbox) -> OutboxRelay:
    """A relay that does not pause before retries."""
    return OutboxRelay(bus, outbox, lambda _: None)
