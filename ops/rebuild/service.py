"""Rebuilds projections from the event archive, and compares them with what was there before."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ops.rebuild.checksum import Checksum, Item, checksums
from ops.replays import IN_FLIGHT_LIMIT, Replays
from supermarket.errors import Conflict, Unavailable

CONSUMER = "seller_dashboard"
POLL_SECONDS = 1.0
LEASE_INTERVAL_SECONDS = 30.0
TIMEOUT_SECONDS = 900.0
TRAFFIC_SECONDS = 60.0
RUN_AGAIN = (
    "The dashboards may lack sales until a rebuild has finished: run the command again. Until "
    "then no day is rolled up and no week is reported."
)

type Checksums = dict[str, Checksum]
type ShowProgress = Callable[[str], None]


class LeaseLost(Conflict):
    """The lease expired, and another rebuild has begun."""

    code = "LEASE_LOST"


class Projections(Protocol):
    """The rows that a rebuild deletes and restores."""

    def rows(self) -> Iterable[Item]:
        """Read all rows, as they are at this moment."""

    def truncate(self) -> Iterable[int]:
        """Delete all rows; yields the number of deleted rows before each further deletion, so that
        the caller can stop it.
        """


class Listener(Protocol):
    """The Lambda that maintains the projections, and its queue."""

    def count_waiting(self) -> int:
        """Count the events in the queue, with those in flight."""

    def count_in_flight(self) -> int: ...

    def pause(self) -> None:
        """Let events wait in the queue; returns when the Lambda receives no more."""

    def resume(self) -> None: ...


class Lease(Protocol):
    """The right to rebuild; it expires soon after it was last renewed."""

    def acquire(self) -> None:
        """Raises Conflict while another rebuild runs."""

    def renew(self) -> None:
        """Extend the lease; to be called often. Raises LeaseLost when another rebuild has it."""

    def mark_incomplete(self) -> None:
        """Record that the projections lack rows from now on, whatever happens to this rebuild."""

    def mark_complete(self) -> None: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class RebuildResult:
    """The checksums before and after by kind of row, and whether there was no traffic; traffic
    changes rows between the two.
    """

    before: Checksums
    after: Checksums
    was_quiet: bool = True

    @property
    def is_identical(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True)
class ProjectionRebuild:
    """Deletes the projections and replays the archive to their listener.

    One rebuild runs at a time. No event is lost: new events wait in the queue during the deletion,
    which starts when the archive has all earlier ones. A rebuild that is interrupted leaves the
    projections marked as incomplete; scheduled jobs do not use them until another one has finished.
    """

    projections: Projections
    listener: Listener
    replays: Replays
    lease: Lease
    pause: Callable[[float], None]

    def run(self, archive_lag_seconds: float, show: ShowProgress) -> RebuildResult:
        """Rebuild; `archive_lag_seconds` is how far the archive may be behind the bus.

        Raises Conflict while another rebuild runs, and Unavailable when AWS does not respond or the
        queue is not drained in time.
        """
        self.replays.ensure(CONSUMER)  # before anything is deleted
        self.lease.acquire()

        def renew_and_show(progress: str) -> None:
            self.lease.renew()
            show(progress)

        try:
            return self._rebuild(archive_lag_seconds, renew_and_show)
        except BaseException as failure:
            failure.add_note(RUN_AGAIN)
            raise
        finally:
            self.lease.release()

    def _rebuild(self, archive_lag_seconds: float, show: ShowProgress) -> RebuildResult:
        self.listener.resume()  # an earlier rebuild may have been killed while it was paused
        was_quiet = self._drain_queue(show)
        before = self._truncate(archive_lag_seconds, show)
        for progress in self.replays.run(CONSUMER):
            show(str(progress))
        self.lease.mark_complete()
        show("computing checksums")
        return RebuildResult(before, self._checksums(), was_quiet and progress.is_empty)

    def _truncate(self, archive_lag_seconds: float, show: ShowProgress) -> Checksums:
        """Delete the rows while the listener is paused; returns the checksums before."""
        try:
            self.lease.renew()
            self.listener.pause()
            waited = 0.0
            while left := self.listener.count_in_flight():
                waited = self._poll_again(waited, f"{left} events are being handled", show)
            if archive_lag_seconds:
                show(f"waiting {archive_lag_seconds:.0f} s until the archive has all events")
                self._wait_seconds(archive_lag_seconds)
            show("computing checksums of the present projections")
            before = self._checksums()
            self.lease.mark_incomplete()
            for deleted in self.projections.truncate():
                show(f"{deleted} rows deleted")
            self.lease.renew()
        except LeaseLost:
            raise  # the other rebuild needs the listener as it is
        except BaseException:
            with suppress(Unavailable):  # without a response, resume: it must not stay paused
                self.lease.renew()
            self.listener.resume()
            raise
        self.listener.resume()
        return before

    def _checksums(self) -> Checksums:
        def rows() -> Iterator[Item]:
            for row in self.projections.rows():
                self.lease.renew()
                yield row

        return checksums(rows())

    def _drain_queue(self, show: ShowProgress) -> bool:
        """Wait until the events in the queue are handled; returns whether no more came."""
        highest, waited = 0, 0.0
        while left := self.listener.count_waiting():
            highest = max(highest, left)
            # the listener handles them, and more than come in the meantime
            is_flowing = left < highest and left <= IN_FLIGHT_LIMIT
            if is_flowing and waited >= TRAFFIC_SECONDS:
                show(f"{left} events in the queue: traffic continues")
                return False
            waited = self._poll_again(waited, f"{left} events in the queue", show)
        return True

    def _poll_again(self, waited: float, state: str, show: ShowProgress) -> float:
        if waited >= TIMEOUT_SECONDS:
            raise Unavailable(f"{state} after {waited / 60:.0f} minutes: look at the dead letters")
        show(state)
        self.pause(POLL_SECONDS)
        return waited + POLL_SECONDS

    def _wait_seconds(self, seconds: float) -> None:
        while seconds > 0:
            self.pause(min(seconds, LEASE_INTERVAL_SECONDS))
            self.lease.renew()
            seconds -= LEASE_INTERVAL_SECONDS
