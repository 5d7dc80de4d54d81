"""The unit of work as services see it: domains add their writes, and all of them happen or none."""

from collections.abc import Callable
from typing import Protocol

from supermarket.contracts import Event


class Transaction(Protocol):
    """Collects the writes of several domains and the events that announce them.

    Repositories add their own rows to it; a service only passes it on.
    """

    def emit(self, event: Event, event_id: str | None = None) -> None:
        """Publish `event` if and only if the transaction commits. Listeners treat events with the
        same `event_id` as one, such as two versions of an event.
        """

    def commit(self) -> None:
        """Write everything or nothing.

        Raises the `DomainError` that a write was added with when its condition does not hold; for
        several such writes the first one's, with the field errors of all.
        """


type BeginTransaction = Callable[[], Transaction]

type AddWrites = Callable[[Transaction], None]
"""Adds writes to the transaction of a repository's own write."""


def add_nothing(_: Transaction) -> None:
    """The `AddWrites` of a write that happens alone."""
