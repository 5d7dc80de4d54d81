"""The unit of work as services see it: domains add their writes, and either all of them happen
or none.
"""

from collections.abc import Callable
from typing import Protocol

from supermarket.contracts import Event


class Transaction(Protocol):
    """Collects the writes of several domains and the events that announce them.

    Repositories know how to add their own rows to it; a service only passes it round.
    """

    def emit(self, event: Event, event_id: str | None = None) -> None:
        """Announce `event` if, and only if, the transaction commits. What may be announced twice,
        or in two versions, is one fact to its listeners, if it is given the same id.
        """

    def commit(self) -> None:
        """Do all of it or none of it.

        Raises the `DomainError` that the refused write was added with; of several refused writes
        the first one's, with the field errors of all.
        """


type BeginTransaction = Callable[[], Transaction]
