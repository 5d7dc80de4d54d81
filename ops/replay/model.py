"""Replays of the archive."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

IN_PASSING = 50  # as many events as a consumer has in its hands at once


class ReplayState(StrEnum):
    """EventBridge's own words."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Replay:
    """A part of the archive on its way to the bus again."""

    name: str
    state: ReplayState
    since: datetime
    until: datetime
    reached: datetime | None = None
    reason: str = ""

    @property
    def is_completed(self) -> bool:
        return self.state is ReplayState.COMPLETED

    @property
    def is_lost(self) -> bool:
        """Nothing more comes of it."""
        return self.state in {ReplayState.CANCELLED, ReplayState.FAILED}

    @property
    def share(self) -> float:
        """How much of its time it has gone through, from 0 to 1."""
        if self.is_completed:
            return 1.0
        whole = (self.until - self.since).total_seconds()
        done = ((self.reached or self.since) - self.since).total_seconds()
        return min(1.0, max(0.0, done / whole)) if whole else 0.0


@dataclass(frozen=True)
class ReplayProgress:
    """How far a replay is, and how much of it its consumer still has before it."""

    replay: Replay
    waiting: int

    @property
    def is_quiet(self) -> bool:
        return self.replay.is_completed and self.waiting == 0

    @property
    def is_passing(self) -> bool:
        """No more waits than a consumer has in its hands at once."""
        return self.replay.is_completed and self.waiting <= IN_PASSING
