"""What the outbox needs from the outside."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from outbox.model import SendFailures, UnsentEvent

type Probe = Callable[[], object]
"""Sends a small request to a dependency; raises when it does not respond as it should."""


class BatchRejected(Exception):
    """The bus rejected the call because of its content, without naming an entry: none was sent."""


class BusUnavailable(Exception):
    """The bus is down, throttles, or denies access: no event of the call was sent."""


class EventBus(Protocol):
    """The bus that delivers events to their consumers."""

    def put(self, events: Sequence[UnsentEvent]) -> SendFailures:
        """Send one batch (see `outbox.model.batches`); returns the events that were not sent.

        Raises BatchRejected or BusUnavailable when none was sent.
        """


class Outbox(Protocol):
    """Events that have not been sent yet, in several shards, each ordered by time."""

    @property
    def shards(self) -> Sequence[str]:
        """The names of the shards, besides `UNSENDABLE`."""

    def delete(self, event_ids: Iterable[str]) -> None:
        """Delete events that were sent; ids that are not there are ignored."""

    def set_aside(self, event_id: str) -> None:
        """Move an event that the bus can never accept to the shard `UNSENDABLE`."""

    def list_older_than(self, moment: datetime, shard: str) -> Iterator[Sequence[UnsentEvent]]:
        """Yield pages of the shard's events that occurred before `moment`, oldest first."""

    def oldest(self) -> datetime | None:
        """Return when the oldest event occurred, of those that the bus may accept."""
