"""Sends what waits in the outbox, and asks dependencies whether they answer."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from typing import Protocol

from operations.model import Backlog, Dependency, Refusals, UnsentEvent, chunks
from supermarket.clock import Clock

SWEEP_AFTER = timedelta(minutes=2)
PATIENCE_SECONDS = 4.0

type Probe = Callable[[], None]
"""Asks a dependency for something small; raises when it does not answer as it should."""


type Outcome = tuple[str | None, float]
"""What was wrong, if anything, and after how many seconds that was known."""


class EventBus(Protocol):
    """Where events go."""

    def put(self, events: Sequence[UnsentEvent]) -> Refusals:
        """Send at most one chunk; whatever is not named in the answer was taken."""


class Outbox(Protocol):
    """Where events wait until they have been sent."""

    def discard(self, event_ids: Iterable[str]) -> None:
        """Forget events that were sent."""

    def waiting_since(self, moment: datetime) -> Sequence[UnsentEvent]:
        """Events older than `moment`; of a great many, as many as one sweep can send."""


class OutboxRelay:
    """Sends an event at least once: it is discarded only after EventBridge has taken it."""

    def __init__(self, bus: EventBus, outbox: Outbox, clock: Clock) -> None:
        self._bus = bus
        self._outbox = outbox
        self._clock = clock

    def send(self, events: Iterable[UnsentEvent]) -> Refusals:
        """Send and discard; those that EventBridge refused stay in the outbox."""
        refused: dict[str, str] = {}
        for chunk in chunks(events):
            failed = self._bus.put(chunk)
            self._outbox.discard(event.id for event in chunk if event.id not in failed)
            refused.update(failed)
        return refused

    def resend(self) -> Backlog:
        """Send what the stream should have sent by now and, for whatever reason, did not."""
        waiting = self._outbox.waiting_since(self._clock() - SWEEP_AFTER)
        refused = self.send(waiting)
        oldest = min((event.occurred_at for event in waiting), default=None)
        return Backlog(len(waiting), len(refused), oldest)


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
