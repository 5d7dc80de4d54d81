"""Makes the projections anew from the archive of events, and tells whether they came out the
same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from seller_dashboard.checksum import Checksum, Item, checksums
from supermarket.errors import Unavailable

LOOK_EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 900.0

type Checksums = dict[str, Checksum]
type Tell = Callable[[str], None]


class Projections(Protocol):
    """The rows that are nobody's own word."""

    def rows(self) -> Iterable[Item]:
        """All of them, as they are at this moment."""

    def drop(self) -> Iterable[int]:
        """Delete all of them; tells now and then how many are gone."""


class Listener(Protocol):
    """What keeps the projections: a queue and the Lambda that empties it."""

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

    def replay(self, tell: Tell) -> None:
        """Let the listener hear all of it again; returns when it has."""


@dataclass(frozen=True)
class Outcome:
    """The projections as they were and as they are."""

    before: Checksums
    after: Checksums

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
        pause: Callable[[float], None],
    ) -> None:
        self._projections = projections
        self._listener = listener
        self._history = history
        self._pause = pause

    def run(self, archive_lag_seconds: float, tell: Tell) -> Outcome:
        """`archive_lag_seconds` is how far the archive may be behind the bus."""
        self._history.ensure()  # what cannot be built anew must not be dropped
        self._listener.resume()  # an earlier run may have been killed while it paused
        before = self._drop(archive_lag_seconds, tell)
        self._history.replay(tell)
        self._wait(self._listener.waiting, "new events wait in the queue", tell)
        tell("comparing")
        return Outcome(before, checksums(self._projections.rows()))

    def _drop(self, archive_lag_seconds: float, tell: Tell) -> Checksums:
        self._wait(self._listener.waiting, "events wait in the queue", tell)
        self._listener.pause()
        try:
            self._wait(self._listener.in_hand, "events are being handled", tell)
            if archive_lag_seconds:
                tell(f"waiting {archive_lag_seconds:.0f} s for the archive to have all events")
                self._pause(archive_lag_seconds)
            tell("summing up the projections as they are")
            before = checksums(self._projections.rows())
            for dropped in self._projections.drop():
                tell(f"{dropped} rows dropped")
        finally:
            self._listener.resume()
        return before

    def _wait(self, count: Callable[[], int], what: str, tell: Tell) -> None:
        waited = 0.0
        while left := count():
            if waited >= PATIENCE_SECONDS:
                raise Unavailable(f"{left} {what}, and it does not end: look at the dead letters")
            tell(f"{left} {what}")
            self._pause(LOOK_EVERY_SECONDS)
            waited += LOOK_EVERY_SECONDS
