"""The ports of operations in memory, and events for them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from operations.model import Consumer, DeadLetter, Refusal, Replay, ReplayState, UnsentEvent
from operations.service import BatchRefused, BusUnavailable, EventBus, Outbox, OutboxRelay
from supermarket.clock import Clock
from supermarket.errors import Unavailable

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


class InMemoryArchive:
    """Starts replays, and tells of them what it was given to tell, the last thing for ever."""

    def __init__(self, *states: ReplayState) -> None:
        self.started: list[tuple[str, str, datetime | None, datetime]] = []
        self._states: Iterator[ReplayState] = iter(states)
        self._state = ReplayState.STARTING

    def ensure(self) -> None:
        pass

    def start(self, name: str, rule: str, since: datetime | None, until: datetime) -> None:
        self.started.append((name, rule, since, until))

    def look(self, name: str) -> Replay:
        [(_, _, since, until)] = [one for one in self.started if one[0] == name]
        self._state = next(self._states, self._state)
        return Replay(name, self._state, since or LONG_AGO, until, reason="as told")


class InMemoryConsumers:
    """Some consumers, and how much waits for them, look after look."""

    def __init__(self, *consumers: Consumer, waiting: Iterable[int] = ()) -> None:
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._waiting = iter(waiting)

    def named(self, name: str) -> Consumer:
        return self._consumers[name]

    def waiting(self, consumer: Consumer) -> int:
        return next(self._waiting, 0)


class InMemoryBox:
    """A letter box; what goes back is in `sent`."""

    def __init__(self, *letters: DeadLetter, refusing: Iterable[str] = ()) -> None:
        self.name = "reader"
        self.letters = {letter.id: letter for letter in letters}
        self.refusing = set(refusing)
        self.held: set[str] = set()
        self.sent: list[str] = []

    def count(self) -> int:
        return len(self.letters)

    def take(self) -> Iterator[DeadLetter]:
        for letter in list(self.letters.values()):
            self.held.add(letter.id)
            yield letter

    def release(self, letters: Iterable[DeadLetter]) -> None:
        self.held -= {letter.id for letter in letters}

    def send_back(self, letter: DeadLetter) -> None:
        if letter.id in self.refusing:
            raise Unavailable("nobody there")
        self.sent.append(letter.id)

    def discard(self, letter: DeadLetter) -> None:
        del self.letters[letter.id]
        self.held.discard(letter.id)
