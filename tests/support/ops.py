"""The ports of the operators' commands in memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ops.dead_letters.model import DeadLetter
from ops.model import Consumer
from ops.replay.model import Replay, ReplayState
from supermarket.errors import Unavailable
from support.outbox import LONG_AGO


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
