"""Relays events from the outbox to the bus, and checks whether dependencies respond."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from outbox.model import (
    UNSENDABLE,
    Backlog,
    Dependency,
    SendFailure,
    SendFailures,
    UnsentEvent,
    batches,
)
from outbox.ports import BatchRejected, BusUnavailable, EventBus, Outbox, Probe
from supermarket.clock import Clock

SWEEP_AFTER = timedelta(minutes=2)
PROBE_TIMEOUT_SECONDS = 4.0
REMEMBERED_FOR_SECONDS = 10.0
RETRY_PAUSES_SECONDS = (0.2, 0.8)  # a throttled entry is accepted a moment later

type ProbeResult = tuple[str | None, float]
"""The fault, if there is one, and the seconds until the response."""


class OutboxRelay:
    """Sends events at least once: an event leaves the outbox only after the bus has accepted it."""

    def __init__(
        self, bus: EventBus, outbox: Outbox, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._bus = bus
        self._outbox = outbox
        self._pause = pause

    def send(self, events: Iterable[UnsentEvent]) -> SendFailures:
        """Send events, with retries, and delete them from the outbox. Returns those that the bus
        did not accept; they stay in the outbox.
        """
        events = list({event.id: event for event in events}.values())  # a stream may repeat one
        failures = self._send(events)
        for seconds in RETRY_PAUSES_SECONDS:
            retried = [e for e in events if e.id in failures and not failures[e.id].is_final]
            if not retried:
                break
            self._pause(seconds)
            final = {i: failure for i, failure in failures.items() if failure.is_final}
            failures = final | self._send(retried)
        for event_id in (i for i, failure in failures.items() if failure.is_final):
            self._outbox.set_aside(event_id)
        return failures

    def sweep(self, now: datetime, has_time: Callable[[], bool]) -> Backlog:
        """Send the events that the stream should have sent before `now`, and did not: the oldest
        first, all shards at the same time, until the bus is down or the time is up.
        """
        moment = now - SWEEP_AFTER
        # those of earlier sweeps: this one sets further events aside
        unsendable = self._sweep(UNSENDABLE, moment, has_time)
        shards = self._outbox.shards
        with ThreadPoolExecutor(len(shards)) as executor:
            parts = executor.map(lambda shard: self._sweep(shard, moment, has_time), shards)
            return sum(parts, unsendable)

    def _sweep(self, shard: str, moment: datetime, has_time: Callable[[], bool]) -> Backlog:
        backlog = Backlog()
        for events in self._outbox.list_older_than(moment, shard):
            if not has_time():
                return backlog + Backlog(is_finished=False)
            failures = self.send(events)
            unsendable = sum(failure.is_final for failure in failures.values())
            oldest = min((event.occurred_at for event in events), default=None)
            backlog += Backlog(len(events), len(failures), unsendable, oldest)
            if len(failures) - unsendable == len(events) > 0:  # the bus is down
                return backlog + Backlog(is_finished=False)
        return backlog

    def _send(self, events: Iterable[UnsentEvent]) -> dict[str, SendFailure]:
        failures: dict[str, SendFailure] = {}
        waiting = list(batches(events))
        while waiting:
            batch = waiting.pop(0)
            try:
                failed = self._bus.put(batch)
            except BatchRejected as rejection:
                if len(batch) > 1:
                    middle = len(batch) // 2
                    waiting[:0] = [batch[:middle], batch[middle:]]
                    continue
                failed = {batch[0].id: SendFailure(str(rejection), is_final=True)}
            except BusUnavailable as outage:
                unsent = [event for part in (batch, *waiting) for event in part]
                return failures | {event.id: SendFailure(str(outage)) for event in unsent}
            self._outbox.delete(event.id for event in batch if event.id not in failed)
            failures.update(failed)
        return failures


@dataclass(frozen=True)
class OutboxMonitor:
    """Measures how late events are, for those who must not decide while news is missing."""

    outbox: Outbox
    clock: Clock

    def oldest_age(self) -> timedelta:
        """Return how long the oldest event has been waiting; zero when none is. Events that the bus
        can never accept do not count.
        """
        oldest = self.outbox.oldest()
        return max(self.clock() - oldest, timedelta()) if oldest else timedelta()


class Readiness:
    """Probes all dependencies at the same time, each with the same timeout in seconds. Remembers
    the result for some seconds, so that many requests cost few probes.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        executor: Executor,
        timeout: float = PROBE_TIMEOUT_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = probes
        self._executor = executor
        self._timeout = timeout
        self._now = now
        self._found: list[Dependency] = []
        self._probe_after = float("-inf")

    def check(self) -> list[Dependency]:
        """Return the dependencies in the order of their probes, as they were found just now or
        within the last seconds.
        """
        if self._now() >= self._probe_after:
            self._found = self._probe()
            self._probe_after = self._now() + REMEMBERED_FOR_SECONDS
        return self._found

    def _probe(self) -> list[Dependency]:
        deadline = time.monotonic() + self._timeout
        results = {name: self._executor.submit(_timed, p) for name, p in self._probes.items()}
        return [self._dependency(name, result, deadline) for name, result in results.items()]

    def _dependency(self, name: str, result: "Future[ProbeResult]", deadline: float) -> Dependency:
        try:
            fault, seconds = result.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            fault, seconds = "no response in time", self._timeout
        return Dependency(name, fault, round(seconds * 1000, 1))


def _timed(probe: Probe) -> ProbeResult:
    began = time.perf_counter()
    try:
        probe()
    except Exception as fault:  # a dependency that fails in any way is down
        return repr(fault), time.perf_counter() - began
    return None, time.perf_counter() - began
