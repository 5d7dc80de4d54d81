"""The ports of the outbox in memory, and events for them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from outbox.model import Refusal, UnsentEvent
from outbox.service import BatchRefused, BusUnavailable, EventBus, Outbox, OutboxRelay
from supermarket.clock import Clock

LONG_AGO = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def an_event(event_id: str, detail: str = "{}", occurred_at: datetime = LONG_AGO) -> UnsentEvent:
    return UnsentEvent(event_id, "supermarket.order", "OrderPlaced", detail, occurred_at)


class InMemoryBus:
    """Takes every event but those in `refusing`; one in `malformed` spoils the call it is in."""

    def __init__(self, refusing: Iterable[str] = (), malformed: Iterable[str] = ()) -> None:
        self.refusing = set(refusing)
        self.malformed = set(malformed)
        self.is_down = False
        self.calls: list[list[str]] = []
        self.taken: list[str] = []

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, Refusal]:
        ids = [event.id for event in events]
        self.calls.append(ids)
        if self.is_down:
            raise BusUnavailable("nobody there")
        if self.malformed.intersection(ids):
            raise BatchRefused("ValidationException")
        refused = {i: Refusal("ThrottlingException") for i in ids if i in self.refusing}
        self.taken += [i for i in ids if i not in refused]
        return refused


class InMemoryOutbox:
    """Holds events until they are discarded."""

    def __init__(self, events: Iterable[UnsentEvent] = ()) -> None:
        self.events = {event.id: event for event in events}

    def discard(self, event_ids: Iterable[str]) -> None:
        for event_id in list(event_ids):
            self.events.pop(event_id, None)

    def waiting_since(self, moment: datetime) -> list[UnsentEvent]:
        return [event for event in self.events.values() if event.occurred_at < moment]


def a_relay(bus: EventBus, outbox: Outbox, clock: Clock) -> OutboxRelay:
    """One that does not wait between its tries."""
    return OutboxRelay(bus, outbox, clock, lambda _: None)
