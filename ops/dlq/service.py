"""Lists, redrives and drops dead letters."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

from supermarket.clock import Clock
from supermarket.errors import DomainError, NotFound

LIST_LIMIT = 500


@dataclass(frozen=True)
class DeadLetter:
    """A message in a source. `id` is the message's; `event` is the event's name, and `event_id` is
    its id or `?`; `reason` is what is known of the failure.
    """

    id: str
    event: str
    event_id: str
    consumer: str
    received: datetime
    body: str = field(repr=False)
    reason: str = ""

    def matches(self, selector: str | None) -> bool:
        """Whether `selector` is the event's name or id, or the message's id; None matches all."""
        return selector is None or selector in {self.event, self.event_id, self.id}


class DeadLetterSource(Protocol):
    """A place where messages stay that were not handled or not delivered."""

    name: str

    def count(self) -> int:
        """Count the messages, approximately."""

    def receive(self) -> Iterator[DeadLetter]:
        """Yield every message once; it is hidden from others until it is released."""

    def release(self, messages: Iterable[DeadLetter]) -> None:
        """Make received messages visible again."""

    def redrive(self, message: DeadLetter) -> None:
        """Send a message to its consumer again. Raises a DomainError when that is impossible."""

    def delete(self, message: DeadLetter) -> None:
        """Delete a received message."""


@dataclass
class Outcome:
    """How many messages were handled, and why others were kept, by message id."""

    done: int = 0
    kept: dict[str, str] = field(default_factory=dict)


type FailureReasons = Callable[[str, datetime], Mapping[str, str]]
"""The reasons of a consumer's failures since a moment, by event id or message id."""

type OnProgress = Callable[[Outcome], None]


class DeadLetters:
    """The dead letters of all sources. No message is lost: it is sent before it is deleted."""

    def __init__(
        self, sources: Iterable[DeadLetterSource], reasons: FailureReasons, clock: Clock
    ) -> None:
        self.sources = {source.name: source for source in sources}
        self._reasons = reasons
        self._clock = clock

    def count(self, source: str) -> int:
        """Count the messages of a source, approximately."""
        return self._source(source).count()

    def oldest(self, source: str) -> datetime | None:
        """Return when the oldest message was received: of a full source, among the first ones."""
        found = self._source(source)
        messages = _peek(found, LIST_LIMIT) if found.count() else []
        return min((message.received for message in messages), default=None)

    def find(self, source: str, selector: str | None = None) -> list[DeadLetter]:
        """Find messages with their reasons, oldest first: those that match `selector`, or the first
        ones of a source.
        """
        limit = LIST_LIMIT if selector is None else None
        messages = [one for one in _peek(self._source(source), limit) if one.matches(selector)]
        messages.sort(key=lambda message: message.received)
        reasons = self._reasons(source, messages[0].received) if messages else {}
        return [
            replace(one, reason=reasons.get(one.event_id) or reasons.get(one.id) or one.reason)
            for one in messages
        ]

    def redrive(self, source: str, selector: str | None, on_progress: OnProgress) -> Outcome:
        """Send messages to their consumers again, and delete them here."""
        return self._delete(source, selector, on_progress, self._source(source).redrive)

    def drop(self, source: str, selector: str | None, on_progress: OnProgress) -> Outcome:
        """Delete messages for good."""
        return self._delete(source, selector, on_progress, lambda _: None)

    def _delete(
        self,
        source: str,
        selector: str | None,
        on_progress: OnProgress,
        send: Callable[[DeadLetter], None],
    ) -> Outcome:
        found, began = self._source(source), self._clock()
        outcome = Outcome()
        received: list[DeadLetter] = []
        try:
            for message in found.receive():
                received.append(message)
                # a message that arrived later may be one that failed again: handle it once only
                if message.received >= began or not message.matches(selector):
                    continue
                try:
                    send(message)
                    found.delete(message)
                except DomainError as error:
                    outcome.kept[message.id] = error.message
                else:
                    received.pop()
                    outcome.done += 1
                on_progress(outcome)
        finally:
            found.release(received)
        return outcome

    def _source(self, name: str) -> DeadLetterSource:
        if name not in self.sources:
            raise NotFound(f"There is no source {name!r}, only {', '.join(self.sources)}")
        return self.sources[name]


def _peek(source: DeadLetterSource, limit: int | None) -> list[DeadLetter]:
    """Receive messages, up to a limit, and release them."""
    messages: list[DeadLetter] = []
    try:
        messages.extend(islice(source.receive(), limit))
    finally:
        source.release(messages)
    return messages
