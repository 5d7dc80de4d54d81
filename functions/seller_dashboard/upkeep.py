"""What the scheduled jobs have in common: they go through the sellers, on from where an earlier run
had to end, and keep away from books that are being made anew.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Protocol, Self

from supermarket.errors import Conflict, DomainError
from supermarket.transaction import Transaction

EVERYBODY = "~"  # sorts after every seller


class BeingRebuilt(Conflict):
    """The books are being made anew, or were left half made: nothing in them can be relied on."""

    code = "BEING_REBUILT"


BEING_REBUILT = BeingRebuilt("The books are being made anew")


@dataclass(frozen=True)
class Reached:
    """How far the sellers have been gone through, in the order of their ids, who of them has to be
    tried again, and who of those was the last that was.
    """

    last: str = ""
    failed: frozenset[str] = frozenset()
    retried: str = ""

    @property
    def is_through(self) -> bool:
        """Nobody is left but those who failed."""
        return self.last == EVERYBODY

    @property
    def to_retry(self) -> list[str]:
        """Those who failed, behind the last that was tried again: who killed that run comes last,
        so that every run gets further than the one before.
        """
        return sorted(self.failed, key=lambda one: (one <= self.retried, one))

    def begun(self, page: Collection[str]) -> Self:
        """They count as failed until they are done."""
        last = max(self.last, *page)
        retried = self.retried if last > self.last else max(page)
        return replace(self, last=last, failed=self.failed.union(page), retried=retried)

    def done(self, page: Collection[str], failed: Iterable[str]) -> Self:
        """All of a page but those who failed."""
        return replace(self, failed=self.failed.difference(page).union(failed))


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
    a run's time, or kills it, keeps nobody else from being reached. Those who failed have to come
    one to a page, so that nobody among them is held up by another one.
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
        """Whether they came to an end. `visit` tells who of a page failed; a rebuild ends the round
        as a lack of time does, and leaves the page to the next one.
        """
        for page in pages:
            if not self.has_time() or self.rebuilds.are_under_way():
                self.note(reached)
                return False
            begun = reached.begun(page)
            self.note(begun)
            try:
                failed = visit(page)
            except BeingRebuilt:
                return False
            if self.rebuilds.are_under_way():  # then what was found may lack what was dropped
                return False
            reached = begun.done(page, failed)
        if self.rebuilds.are_under_way():  # then who is missing may have been dropped
            return False
        self.note(Reached(EVERYBODY, reached.failed))
        return True
