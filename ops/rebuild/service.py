"""Makes the projections anew from the archive of events, and tells whether they came out the
same.

One rebuild is at work at a time, which it says again and again; the scheduled jobs keep away until
it has ended. Whatever ends it half-way leaves the books marked as incomplete, and the jobs keep
away from them until another one has come to its end: it begins anew, whatever it finds.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ops.rebuild.checksum import Checksum, Item, checksums
from supermarket.errors import Conflict, Unavailable

LOOK_EVERY_SECONDS = 1.0
REST_SECONDS = 30.0
PATIENCE_SECONDS = 900.0
TRAFFIC_SECONDS = 60.0

type Checksums = dict[str, Checksum]
type Tell = Callable[[str], None]


class LeaseLost(Conflict):
    """Another rebuild took this one for dead, and has begun."""

    code = "LEASE_LOST"


class Projections(Protocol):
    """The rows that are nobody's own word."""

    def rows(self) -> Iterable[Item]:
        """All of them, as they are at this moment."""

    def drop(self) -> Iterable[int]:
        """Delete all of them; tells how many are gone before it deletes any more, so that it can be
        stopped there.
        """


class Listener(Protocol):
    """What keeps the projections: a queue and the Lambda that empties it."""

    @property
    def takes_at_once(self) -> int:
        """As many events as it has in its hands at most."""

    def waiting(self) -> int:
        """Events in the queue."""

    def in_hand(self) -> int:
        """Events that are being handled."""

    def pause(self) -> None:
        """Let events wait; returns when none is taken any more."""

    def resume(self) -> None: ...


class History(Protocol):
    """Every event there ever was."""

    def ensure(self) -> None:
        """A DomainError tells that there is none, or none for the listener."""

    def replay(self, tell: Tell) -> bool:
        """Let the listener hear all of it again; returns when it has, and whether there was nothing
        left in its queue then.
        """


class Lease(Protocol):
    """Says that a rebuild is at work. It runs out by itself soon after the last that it said."""

    def take(self) -> None:
        """Conflict while another rebuild is at work."""

    def renew(self) -> None:
        """Say again that this one is at work; to be called often. LeaseLost when it is not."""

    def mark_incomplete(self) -> None:
        """The projections lack something from now on, whatever becomes of this rebuild."""

    def mark_complete(self) -> None: ...

    def release(self) -> None:
        """This one is no longer at work."""


@dataclass(frozen=True)
class Outcome:
    """The projections as they were and as they are; and whether the listener had nothing else to
    do, since otherwise both sums were taken in the middle of it.
    """

    before: Checksums
    after: Checksums
    was_quiet: bool = True

    @property
    def is_identical(self) -> bool:
        return self.before == self.after


class Rebuilding:
    """Nothing is lost meanwhile: while the projections are being dropped, new events wait in their
    queue, and those that the archive has not got yet are waited for before.
    """

    def __init__(
        self,
        projections: Projections,
        listener: Listener,
        history: History,
        lease: Lease,
        pause: Callable[[float], None],
    ) -> None:
        self._projections = projections
        self._listener = listener
        self._history = history
        self._lease = lease
        self._pause = pause

    def run(self, archive_lag_seconds: float, tell: Tell) -> Outcome:
        """`archive_lag_seconds` is how far the archive may be behind the bus."""
        self._history.ensure()  # what cannot be built anew must not be dropped
        self._lease.take()
        try:
            return self._rebuild(archive_lag_seconds, self._renewing(tell))
        finally:
            self._lease.release()

    def _rebuild(self, archive_lag_seconds: float, tell: Tell) -> Outcome:
        self._listener.resume()  # an earlier run may have been killed while it paused
        was_quiet = self._settle(tell)
        before = self._drop(archive_lag_seconds, tell)
        was_quiet &= self._history.replay(tell)
        self._lease.mark_complete()
        tell("comparing")
        return Outcome(before, self._sums(), was_quiet)

    def _drop(self, archive_lag_seconds: float, tell: Tell) -> Checksums:
        try:
            self._lease.renew()
            self._listener.pause()
            self._wait(self._listener.in_hand, "events are being handled", tell)
            if archive_lag_seconds:
                tell(f"waiting {archive_lag_seconds:.0f} s for the archive to have all events")
                self._rest(archive_lag_seconds)
            tell("summing up the projections as they are")
            before = self._sums()
            self._lease.mark_incomplete()
            for dropped in self._projections.drop():
                tell(f"{dropped} rows dropped")
            self._lease.renew()
        except LeaseLost:
            raise  # the listener is the other one's affair
        except BaseException:
            with suppress(Unavailable):  # whoever cannot ask takes the listener for its own
                self._lease.renew()
            self._listener.resume()
            raise
        self._listener.resume()
        return before

    def _sums(self) -> Checksums:
        def rows() -> Iterator[Item]:
            for row in self._projections.rows():
                self._lease.renew()
                yield row

        return checksums(rows())

    def _renewing(self, tell: Tell) -> Tell:
        def renew_and_tell(progress: str) -> None:
            self._lease.renew()
            tell(progress)

        return renew_and_tell

    def _rest(self, seconds: float) -> None:
        while seconds > 0:
            self._pause(min(seconds, REST_SECONDS))
            self._lease.renew()
            seconds -= REST_SECONDS

    def _settle(self, tell: Tell) -> bool:
        """Wait for what came in before; whether nothing more did."""
        highest, waited = 0, 0.0
        while left := self._listener.waiting():
            highest = max(highest, left)
            # it is taken, and so is what comes after it
            is_passing = left < highest and left <= self._listener.takes_at_once
            if is_passing and waited >= TRAFFIC_SECONDS:
                tell(f"{left} events wait in the queue: traffic goes on")
                return False
            self._look_again(waited, f"{left} events wait in the queue", tell)
            waited += LOOK_EVERY_SECONDS
        return True

    def _wait(self, count: Callable[[], int], what: str, tell: Tell) -> None:
        waited = 0.0
        while left := count():
            self._look_again(waited, f"{left} {what}", tell)
            waited += LOOK_EVERY_SECONDS

    def _look_again(self, waited: float, what: str, tell: Tell) -> None:
        if waited >= PATIENCE_SECONDS:
            raise Unavailable(f"{what}, and it does not end: look at the dead letters")
        tell(what)
        self._pause(LOOK_EVERY_SECONDS)
