"""Gets events to where they should be, now, again or after all; asks dependencies for an answer."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from typing import Protocol

from outbox.model import (
    Backlog,
    Dependency,
    Refusal,
    Refusals,
    UnsentEvent,
    chunks,
)
from supermarket.clock import Clock

SWEEP_AFTER = timedelta(minutes=2)
PATIENCE_SECONDS = 4.0
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
