"""Replays: send events of the archive to one consumer again, and follow until it has taken them."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

from ops.model import Consumer
from ops.replay.model import Replay, ReplayProgress
from supermarket.clock import Clock, NewId
from supermarket.errors import Invalid, RuleViolated, Unavailable

LOOK_EVERY_SECONDS = 1.0
# a queue hides what failed for about as long as it has to be empty, and tries it so often
AS_OFTEN_AS_TRIED = 20
PATIENCE_WITH_A_QUEUE_SECONDS = 1800.0
LOOKS_THAT_SHOW_AN_EBB = 300  # a queue that gets shorter goes up and down from one to the next


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
