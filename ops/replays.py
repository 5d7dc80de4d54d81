"""Replays of the event archive to one consumer."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import client
from ops.bus_topology import BusTopology, Consumer
from supermarket.clock import Clock, NewId, iso
from supermarket.errors import Invalid, NotFound, RuleViolated, Unavailable

BEFORE_CREATION = timedelta(days=1)  # an event's time is somewhat before it is sent
POLL_SECONDS = 1.0
STALL_TIMEOUT_SECONDS = 1800.0
IN_FLIGHT_LIMIT = 50  # how many events a consumer handles at a time
NEARLY_EMPTY_FACTOR = 20  # a queue hides a failed event about so long, and tries it so often
TREND_LENGTH = 300  # polls; the counts of a queue that shrinks go up and down


@dataclass(frozen=True)
class ReplayProgress:
    """A replay of the events from `since` to `until`: EventBridge's state of it, the time of the
    last event that was sent, and how many events are in the consumer's queue.
    """

    name: str
    state: str
    since: datetime
    until: datetime
    reached: datetime | None = None
    waiting: int = 0

    @property
    def is_completed(self) -> bool:
        return self.state == "COMPLETED"

    @property
    def is_empty(self) -> bool:
        return self.is_completed and self.waiting == 0

    @property
    def share(self) -> float:
        """The part of the time range that has been sent, from 0 to 1."""
        if self.is_completed:
            return 1.0
        whole, sent = self.until - self.since, (self.reached or self.since) - self.since
        return min(1.0, max(0.0, sent / whole)) if whole else 0.0

    def __str__(self) -> str:
        return f"{self.state}: {self.share:.0%} replayed, {self.waiting} events in the queue"


class DrainDetector:
    """Decides when a consumer has handled a replay, from polls of its queue.

    The counts of SQS lag, so the queue has to be empty for the whole quiet period. With traffic it
    may never be: then it has to be nearly empty for so long that every event of the replay was
    handled or became a dead letter. A single low count proves nothing.
    """

    def __init__(self, quiet_period_seconds: float) -> None:
        self._quiet_period = quiet_period_seconds
        self._empty = self._nearly_empty = self._stalled = 0.0
        self._counts = deque[int](maxlen=TREND_LENGTH)

    @property
    def is_drained(self) -> bool:
        quiet = max(self._empty, self._nearly_empty / NEARLY_EMPTY_FACTOR)
        return self._nearly_empty > 0 and quiet >= self._quiet_period

    @property
    def is_stalled(self) -> bool:
        """Whether the queue has not become shorter for too long."""
        return self._stalled >= STALL_TIMEOUT_SECONDS

    def add(self, poll: ReplayProgress) -> None:
        if not poll.is_completed:
            return
        # whether the consumer can have all events of the queue in flight
        is_nearly_empty = poll.waiting <= IN_FLIGHT_LIMIT
        is_shrinking = is_nearly_empty or poll.waiting < min(self._counts, default=math.inf)
        self._empty = self._empty + POLL_SECONDS if poll.is_empty else 0.0
        self._nearly_empty = self._nearly_empty + POLL_SECONDS if is_nearly_empty else 0.0
        self._stalled = 0.0 if is_shrinking else self._stalled + POLL_SECONDS
        self._counts.append(poll.waiting)


@dataclass(frozen=True)
class EventArchive:
    """The archive of a bus, which has the bus's name."""

    name: str

    def describe(self) -> Any:
        """Return EventBridge's description. Raises NotFound when there is no archive."""
        try:
            return client("events").describe_archive(ArchiveName=self.name)
        except ClientError as failure:
            if failure.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise NotFound(f"There is no archive {self.name}") from failure

    def start(self, name: str, rule: str, since: datetime | None, until: datetime) -> None:
        """Start a replay to one rule (ARN) of the events since a moment, or of all.

        Raises Invalid when the archive has no event before `until`.
        """
        archive = self.describe()
        oldest: datetime = archive["CreationTime"] - BEFORE_CREATION
        if until <= oldest:
            raise Invalid(f"The archive has no event before {iso(oldest)}: choose a later range")
        client("events").start_replay(
            ReplayName=name,
            EventSourceArn=archive["ArchiveArn"],
            EventStartTime=since or oldest,
            EventEndTime=until,
            Destination={"Arn": archive["EventSourceArn"], "FilterArns": [rule]},
        )

    def progress(self, name: str) -> ReplayProgress:
        """Return the state of a replay. Raises Unavailable when it has failed."""
        found = client("events").describe_replay(ReplayName=name)
        if found["State"] in {"CANCELLED", "FAILED"}:
            reason = found.get("StateReason", "")
            raise Unavailable(f"Replay {name} is {found['State']}: {reason}")
        times = (found["EventStartTime"], found["EventEndTime"], found.get("EventLastReplayedTime"))
        return ReplayProgress(name, found["State"], *times)


@dataclass(frozen=True)
class Replays:
    """Replays to consumers that may handle an event twice: projections."""

    archive: EventArchive
    topology: BusTopology
    clock: Clock
    new_id: NewId
    quiet_period_seconds: float
    pause: Callable[[float], None] = time.sleep

    def ensure(self, name: str) -> Consumer:
        """Find a consumer. Raises a DomainError when there can be no replay to it."""
        consumer = self.topology.consumer(name)
        if not consumer.accepts_replays:
            raise RuleViolated(f"{name} accepts no replays: it would repeat its actions")
        self.archive.describe()
        return consumer

    def run(
        self, consumer: str, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[ReplayProgress]:
        """Replay the events from `since` (or all) to `until` (or now); yields the progress until
        the consumer has handled them, as `DrainDetector` decides.

        Raises Unavailable when the replay fails, or when the queue does not become shorter for half
        an hour.
        """
        receiver = self.ensure(consumer)
        now = self.clock()
        until = min(until or now, now)
        if since and since >= until:
            raise Invalid("The range begins in the future")
        name = f"{consumer}-{self.new_id()}"
        self.archive.start(name, receiver.rule, since, until)
        detector = DrainDetector(self.quiet_period_seconds)
        while not detector.is_drained:
            self.pause(POLL_SECONDS)
            # in this order: the count contains all events of a replay that is completed
            sent = self.archive.progress(name)
            poll = replace(sent, waiting=self.topology.count_waiting(receiver))
            yield poll
            detector.add(poll)
            if detector.is_stalled:
                stalled = f"the {poll.waiting} events in the queue are not getting fewer"
                raise Unavailable(f"{name} is completed, but {stalled}: look at the dead letters")
