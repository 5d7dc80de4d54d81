"""The checkpoints of jobs, and the conflicts that stop them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Self

from supermarket.errors import Conflict

END = "~"  # sorts after every seller id


class RebuildInProgress(Conflict):
    """The projections are being rebuilt, or a rebuild was aborted: they may be incomplete."""

    code = "REBUILD_IN_PROGRESS"


class AlreadyReported(Conflict):
    """Another run has sent this seller's report of this week."""

    code = "ALREADY_REPORTED"


@dataclass(frozen=True)
class BatchCheckpoint:
    """How far a job has gone through the sellers, in ascending order of their ids.

    `last` is the last seller reached, `failed` are those to retry, and `retried` is the last of
    them that was retried.
    """

    last: str = ""
    failed: frozenset[str] = frozenset()
    retried: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether only failed sellers are left."""
        return self.last == END

    @property
    def to_retry(self) -> list[str]:
        """The failed sellers, beginning after the last one that was retried: a seller who ends
        every run comes last, so that each run gets further than the one before.
        """
        return sorted(self.failed, key=lambda seller_id: (seller_id <= self.retried, seller_id))

    def started(self, batch: Collection[str]) -> Self:
        """Return the checkpoint before a batch: its sellers count as failed until it is done."""
        last = max(self.last, *batch)
        retried = self.retried if last > self.last else max(batch)
        return replace(self, last=last, failed=self.failed.union(batch), retried=retried)

    def finished(self, batch: Collection[str], failed: Iterable[str]) -> Self:
        """Return the checkpoint after a batch, of which some sellers failed."""
        return replace(self, failed=self.failed.difference(batch).union(failed))
