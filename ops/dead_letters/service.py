"""What an operator does about dead letters: look, redrive, drop."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

from ops.dead_letters.model import BoxSummary, DeadLetter
from supermarket.clock import Clock
from supermarket.errors import DomainError, NotFound

LOOK_AT = 500


class LetterBox(Protocol):
    """One place where events end that did not get where they should."""

    @property
    def name(self) -> str:
        """What an operator calls it."""

    def count(self) -> int:
        """How many lie in it, more or less."""

    def take(self) -> Iterator[DeadLetter]:
        """All of them; until they are released, nobody else gets to see them."""

    def release(self, letters: Iterable[DeadLetter]) -> None:
        """Put back what was taken."""

    def send_back(self, letter: DeadLetter) -> None:
        """Hand it once more to whom it is for. A DomainError says why that cannot be."""

    def discard(self, letter: DeadLetter) -> None:
        """Away with it."""


type Reasons = Callable[[str, datetime], Mapping[str, str]]
"""Why a consumer's event_handlers failed since a moment, by the event's id or the message's."""


@dataclass
class Handled:
    """What became of the letters that were meant; `kept` tells why, by message id."""

    done: int = 0
    kept: dict[str, str] = field(default_factory=dict)


class DeadLetters:
    """What an operator does about them. None is ever lost: it is sent first and removed after."""

    def __init__(self, boxes: Sequence[LetterBox], reasons: Reasons, clock: Clock) -> None:
        self._boxes = {box.name: box for box in boxes}
        self._reasons = reasons
        self._clock = clock

    def summary(self) -> list[BoxSummary]:
        """Of every box; the oldest of a full one is the oldest of those that were looked at."""
        return [self._summary(box) for box in self._boxes.values()]

    def look(self, name: str, wanted: str | None = None) -> list[DeadLetter]:
        """The letters in a box (of a very full one, some), oldest first, each with what is known of
        its reason. Those that are wanted are looked for among all.
        """
        box = self._box(name)
        looked_at = _looked_at(box, LOOK_AT if wanted is None else None)
        seen = [letter for letter in looked_at if letter.is_called(wanted)]
        seen.sort(key=lambda letter: letter.received)
        if not seen:
            return []
        reasons = self._reasons(name, seen[0].received)
        return [
            replace(one, hint=reasons.get(one.event_id) or reasons.get(one.id) or one.hint)
            for one in seen
        ]

    def redrive(
        self, name: str, wanted: str | None = None, tell: Callable[[Handled], None] = lambda _: None
    ) -> Handled:
        """Hand letters once more to whom they are for."""
        box = self._box(name)

        def send_then_discard(letter: DeadLetter) -> None:
            box.send_back(letter)
            box.discard(letter)

        return self._handle(box, wanted, send_then_discard, tell)

    def drop(
        self, name: str, wanted: str | None = None, tell: Callable[[Handled], None] = lambda _: None
    ) -> Handled:
        """Give letters up for good."""
        box = self._box(name)
        return self._handle(box, wanted, box.discard, tell)

    def count(self, name: str) -> int:
        return self._box(name).count()

    def _handle(
        self,
        box: LetterBox,
        wanted: str | None,
        act: Callable[[DeadLetter], None],
        tell: Callable[[Handled], None],
    ) -> Handled:
        began = self._clock()
        handled = Handled()
        left: list[DeadLetter] = []
        try:
            for letter in box.take():
                left.append(letter)
                # what came in meanwhile may be what was just sent back: once is enough
                if letter.received >= began or not letter.is_called(wanted):
                    continue
                try:
                    act(letter)
                except DomainError as reason:
                    handled.kept[letter.id] = reason.message
                else:
                    left.pop()
                    handled.done += 1
                tell(handled)
        finally:
            box.release(left)
        return handled

    def _box(self, name: str) -> LetterBox:
        if name not in self._boxes:
            raise NotFound(f"There is no {name!r}, only {', '.join(self._boxes)}")
        return self._boxes[name]

    def _summary(self, box: LetterBox) -> BoxSummary:
        if not (count := box.count()):
            return BoxSummary(box.name, 0, None)
        oldest = min((letter.received for letter in _looked_at(box, LOOK_AT)), default=None)
        return BoxSummary(box.name, count, oldest)


def _looked_at(box: LetterBox, most: int | None) -> list[DeadLetter]:
    """Up to so many of them, or all."""
    seen: list[DeadLetter] = []
    try:
        seen.extend(islice(box.take(), most))
    finally:
        box.release(seen)
    return seen
