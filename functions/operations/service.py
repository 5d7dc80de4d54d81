"""Gets events to where they should be, now, again or after all; asks dependencies for an answer."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from operations.model import (
    Backlog,
    BoxSummary,
    Consumer,
    DeadLetter,
    Dependency,
    Refusal,
    Refusals,
    Replay,
    ReplayProgress,
    UnsentEvent,
    chunks,
)
from supermarket.clock import Clock, NewId
from supermarket.errors import DomainError, Invalid, NotFound, RuleViolated, Unavailable

SWEEP_AFTER = timedelta(minutes=2)
PATIENCE_SECONDS = 4.0
LOOK_EVERY_SECONDS = 1.0
LOOK_AT = 500
# a queue hides what failed for about as long as it has to be empty, and tries it so often
AS_OFTEN_AS_TRIED = 20
PATIENCE_WITH_A_QUEUE_SECONDS = 1800.0
LOOKS_THAT_SHOW_AN_EBB = 300  # a queue that gets shorter goes up and down from one to the next
PAUSES_BEFORE_ANOTHER_TRY = (0.2, 0.8)  # a throttled entry is welcome again in no time

type Probe = Callable[[], None]
"""Asks a dependency for something small; raises when it does not answer as it should."""


type Outcome = tuple[str | None, float]
"""What was wrong, if anything, and after how many seconds that was known."""


class BatchRefused(Exception):
    """Something in the call is at fault, and EventBridge did not say what: none of it was taken."""


class BusUnavailable(Exception):
    """Nothing was taken, whatever it was: EventBridge is down, closed to us, or has had enough."""


class EventBus(Protocol):
    """Where events go."""

    def put(self, events: Sequence[UnsentEvent]) -> Refusals:
        """Send at most one chunk; whatever is not named in the answer was taken. Raises
        BatchRefused or BusUnavailable when all of it was not.
        """


class Outbox(Protocol):
    """Where events wait until they have been sent."""

    def discard(self, event_ids: Iterable[str]) -> None:
        """Forget events that were sent."""

    def waiting_since(self, moment: datetime) -> Sequence[UnsentEvent]:
        """Events older than `moment`; of a great many, as many as one sweep can send."""


class OutboxRelay:
    """Sends an event at least once: it is discarded only after EventBridge has taken it."""

    def __init__(
        self,
        bus: EventBus,
        outbox: Outbox,
        clock: Clock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bus = bus
        self._outbox = outbox
        self._clock = clock
        self._pause = pause

    def send(self, events: Iterable[UnsentEvent]) -> Refusals:
        """Send and discard; those that EventBridge refused, also when asked again, stay in the
        outbox.
        """
        events = list(events)
        refused = self._send(events)
        for seconds in PAUSES_BEFORE_ANOTHER_TRY:
            again = [e for e in events if e.id in refused and not refused[e.id].is_final]
            if not again:
                break
            self._pause(seconds)
            final = {i: refusal for i, refusal in refused.items() if refusal.is_final}
            refused = final | self._send(again)
        return refused

    def _send(self, events: Iterable[UnsentEvent]) -> dict[str, Refusal]:
        refused: dict[str, Refusal] = {}
        waiting = list(chunks(events))
        while waiting:
            chunk = waiting.pop(0)
            try:
                failed = self._bus.put(chunk)
            except BatchRefused as reason:
                if len(chunk) > 1:
                    waiting[:0] = _halves(chunk)
                    continue
                failed = {chunk[0].id: Refusal(str(reason), is_final=True)}
            except BusUnavailable as reason:
                left = [event for part in (chunk, *waiting) for event in part]
                return refused | {event.id: Refusal(str(reason)) for event in left}
            self._outbox.discard(event.id for event in chunk if event.id not in failed)
            refused.update(failed)
        return refused

    def resend(self) -> Backlog:
        """Send what the stream should have sent by now and, for whatever reason, did not."""
        waiting = self._outbox.waiting_since(self._clock() - SWEEP_AFTER)
        refused = self.send(waiting)
        oldest = min((event.occurred_at for event in waiting), default=None)
        final = sum(refusal.is_final for refusal in refused.values())
        return Backlog(len(waiting), len(refused), final, oldest)


def _halves(chunk: list[UnsentEvent]) -> tuple[list[UnsentEvent], list[UnsentEvent]]:
    middle = len(chunk) // 2
    return chunk[:middle], chunk[middle:]


class Archive(Protocol):
    """Every event there ever was."""

    def ensure(self) -> None:
        """NotFound where there is none."""

    def start(self, name: str, rule: str, since: datetime | None, until: datetime) -> None:
        """Send the events of a span, or of all time until then, to one rule again."""

    def look(self, name: str) -> Replay:
        """How far a replay is."""


class Consumers(Protocol):
    """Who hears of events."""

    def named(self, name: str) -> Consumer:
        """NotFound tells the names there are."""

    def waiting(self, consumer: Consumer) -> int:
        """Events that are in its queue or in its hands."""


type TellProgress = Callable[[ReplayProgress], None]


class Replays:
    """Lets one consumer hear of the past again; for projections, which may hear a thing twice."""

    def __init__(
        self,
        archive: Archive,
        consumers: Consumers,
        clock: Clock,
        new_id: NewId,
        calm_seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._archive = archive
        self._consumers = consumers
        self._clock = clock
        self._new_id = new_id
        self._calm_seconds = calm_seconds
        self._pause = pause

    def run(
        self,
        consumer: str,
        since: datetime | None = None,
        until: datetime | None = None,
        tell: TellProgress = lambda _: None,
    ) -> ReplayProgress:
        """Returns when the consumer has taken the last event: its queue has been empty for a
        while, because SQS counts a little behind the times. While other events go on coming it may
        never be; then it is enough that it has held a handful for so long that whatever of the
        replay was among them has been taken, or is a dead letter.
        """
        listening = self._listening(consumer)
        now = self._clock()
        until = min(until or now, now)
        if since and since >= until:
            raise Invalid("The range ends before it begins")
        name = f"{consumer}-{self._new_id()}"
        self._archive.start(name, listening.rule, since, until)
        for progress in self._follow(name, listening):
            tell(progress)
        return progress

    def ensure(self, consumer: str) -> None:
        """A DomainError tells why there can be no replay for this consumer."""
        self._listening(consumer)
        self._archive.ensure()

    def _listening(self, name: str) -> Consumer:
        consumer = self._consumers.named(name)
        if not consumer.takes_replays:
            raise RuleViolated(f"{name} does not take replays: it would do things twice")
        return consumer

    def _follow(self, name: str, consumer: Consumer) -> Iterator[ReplayProgress]:
        ebb = _Ebb()
        is_over = False
        while not is_over:
            self._pause(LOOK_EVERY_SECONDS)
            # in this order: what the replay sent before it ended is then in the queue's count
            replay = self._archive.look(name)
            progress = ReplayProgress(replay, self._consumers.waiting(consumer))
            yield progress
            if replay.is_lost:
                raise Unavailable(f"Replay {name} is {replay.state}: {replay.reason}")
            ebb.note(progress)
            is_over = progress.is_passing and ebb.lasts >= self._calm_seconds
            if ebb.unchanged >= PATIENCE_WITH_A_QUEUE_SECONDS:
                raise Unavailable(
                    f"Replay {name} is completed, but {progress.waiting} events wait, and they do "
                    "not get fewer: more go on coming than are handled, or none is handled"
                )


class _Ebb:
    """For how many seconds a consumer's queue, after the replay, has been empty, nearly empty, or
    no emptier than a few minutes before. How empty it once was says nothing: what came since then
    may be a great deal, and yet get less.
    """

    def __init__(self) -> None:
        self._empty = self._nearly = self.unchanged = 0.0
        self._recent = deque[int](maxlen=LOOKS_THAT_SHOW_AN_EBB)

    @property
    def lasts(self) -> float:
        """Nearly empty is worth less than empty."""
        return max(self._empty, self._nearly / AS_OFTEN_AS_TRIED)

    def note(self, progress: ReplayProgress) -> None:
        if not progress.replay.is_completed:
            return
        self._empty = self._empty + LOOK_EVERY_SECONDS if progress.is_quiet else 0.0
        self._nearly = self._nearly + LOOK_EVERY_SECONDS if progress.is_passing else 0.0
        lowest = min(self._recent, default=math.inf)
        has_ebbed = progress.is_passing or progress.waiting < lowest
        self.unchanged = 0.0 if has_ebbed else self.unchanged + LOOK_EVERY_SECONDS
        self._recent.append(progress.waiting)


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


class Readiness:
    """Asks every dependency at the same time, and waits for none of them for long."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        executor: Executor,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._probes = probes
        self._executor = executor
        self._patience = patience

    def check(self) -> list[Dependency]:
        """In the order of the probes."""
        deadline = time.monotonic() + self._patience
        answers = {name: self._executor.submit(_timed, p) for name, p in self._probes.items()}
        return [self._outcome(name, answer, deadline) for name, answer in answers.items()]

    def _outcome(self, name: str, answer: "Future[Outcome]", deadline: float) -> Dependency:
        try:
            fault, seconds = answer.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            fault, seconds = "no answer in time", self._patience
        return Dependency(name, fault, round(seconds * 1000, 1))


def _timed(probe: Probe) -> Outcome:
    began = time.perf_counter()
    try:
        probe()
    except Exception as fault:  # whatever it is, the dependency does not answer
        return repr(fault), time.perf_counter() - began
    return None, time.perf_counter() - began
