"""The ports of operations in memory, and events for them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from operations.model import UnsentEvent

LONG_AGO = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def an_event(event_id: str, detail: str = "{}", occurred_at: datetime = LONG_AGO) -> UnsentEvent:
    return UnsentEvent(event_id, "supermarket.order", "OrderPlaced", detail, occurred_at)


class InMemoryBus:
    """Takes every event, except those whose ids stand in `refusing`."""

    def __init__(self, refusing: Iterable[str] = ()) -> None:
        self.refusing = set(refusing)
        self.calls: list[list[str]] = []

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, str]:
        self.calls.append([event.id for event in events])
        return {event.id: "ThrottlingException" for event in events if event.id in self.refusing}


class InMemoryOutbox:
    """Holds events until they are discarded."""

    def __init__(self, events: Iterable[UnsentEvent] = ()) -> None:
        self.events = {event.id: event for event in events}

    def discard(self, event_ids: Iterable[str]) -> None:
        for event_id in list(event_ids):
            self.events.pop(event_id, None)

    def waiting_since(self, moment: datetime) -> list[UnsentEvent]:
        return [event for event in self.events.values() if event.occurred_at < moment]
