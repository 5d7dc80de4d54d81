"""The ports of the outbox in memory, and events for them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from outbox.model import SendFailure, UnsentEvent
from outbox.ports import BatchRejected, BusUnavailable, EventBus, Outbox
from outbox.service import OutboxRelay

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

    def __init__(self, events: Iterable[UnsentEvent] = ()) -> None:
        self.events = {event.id: event for event in events}

    def delete(self, event_ids: Iterable[str]) -> None:
        for event_id in list(event_ids):
            self.events.pop(event_id, None)

    def list_older_than(self, moment: datetime) -> list[UnsentEvent]:
        return [event for event in self.events.values() if event.occurred_at < moment]


def a_relay(bus: EventBus, outbox: Outbox) -> OutboxRelay:
    """A relay that does not pause before retries."""
    return OutboxRelay(bus, outbox, lambda _: None)
