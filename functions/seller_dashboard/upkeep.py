"""What the scheduled jobs have in common: they go through the sellers, on from where an earlier run
had to end, and keep away from books that are being made anew.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from supermarket.errors import Conflict, DomainError
from supermarket.transaction import Transaction

EVERYBODY = "~"  # sorts after every seller


class BeingRebuilt(Conflict):
    """The books are being made anew, or were left half made: nothing in them can be relied on."""


BEING_REBUILT = BeingRebuilt("The books are being made anew")


@dataclass(frozen=True)
class Reached:
    """How far the sellers have been gone through, in the order of their ids, and who of them has to
    be tried again.
    """

    last: str = ""
    failed: frozenset[str] = frozenset()

    @property
    def is_through(self) -> bool:
        """Nobody is left but those who failed."""
        return self.last == EVERYBODY


class Progress(Protocol):
    """How far the jobs have got."""

    def of(self, work: str) -> Reached: ...

    def note(self, work: str, reached: Reached) -> None:
        """Remember it for some days."""


class Rebuilds(Protocol):
    """Whether the books are being made anew, or were left half made."""

    def are_under_way(self) -> bool: ...

    def forbid(self, transaction: Transaction, refused: DomainError) -> None:
        """Add to `transaction`: it is refused while a rebuild is under way."""


@dataclass(frozen=True)
class Rounds:
    """Goes through sellers page by page, and notes each page before it is visited: who takes all of
    a run's time, or kills it, keeps nobody else from being reached.
    """

    rebuilds: Rebuilds
    has_time: Callable[[], bool]
    note: Callable[[Reached], None]

    def go[Page: Collection[str]](
        self,
        reached: Reached,
        pages: Iterable[Page],
        visit: Callable[[Page], Iterable[str]],
    ) -> bool:
        """Whether they came to an end. `visit` tells who of a page failed; BeingRebuilt ends the
        round as a lack of time does, and leaves the page to the next one.
        """
        for page in pages:
            if not self.has_time() or self.rebuilds.are_under_way():
                self.note(reached)
                return False
            others = reached.failed.difference(page)
            last = max(reached.last, *page)
            self.note(Reached(last, others.union(page)))
            try:
                reached = Reached(last, others.union(visit(page)))
            except BeingRebuilt:
                return False
        if self.rebuilds.are_under_way():  # then who is missing may have been dropped
            return False
        self.note(Reached(EVERYBODY, reached.failed))
        return True
