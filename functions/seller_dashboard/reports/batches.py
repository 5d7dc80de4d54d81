"""What the scheduled jobs share: they go through the sellers in batches, continue where an earlier
run ended, and stop while the projections are being rebuilt.
"""

from collections.abc import Callable, Collection, Iterable

from seller_dashboard.ports import BatchCheckpoints, RebuildLock
from seller_dashboard.reports.model import END, BatchCheckpoint, RebuildInProgress
from supermarket.transaction import Transaction


class SellerBatches:
    """Processes sellers batch by batch.

    The checkpoint is saved before each batch: a seller who takes all of a run's time, or ends it,
    keeps no other seller from being reached. Sellers to retry must come one to a batch.
    """

    def __init__(self, checkpoints: BatchCheckpoints, rebuild_lock: RebuildLock) -> None:
        self._checkpoints = checkpoints
        self._rebuild_lock = rebuild_lock

    def run[Batch: Collection[str]](
        self,
        job: str,
        batches: Callable[[BatchCheckpoint], Iterable[Batch]],
        process: Callable[[Batch], Iterable[str]],
        has_time: Callable[[], bool],
        *,
        again: bool = False,
        saves: bool = True,
    ) -> bool:
        """Process the batches that `batches` makes of the checkpoint; return whether all were done.

        `process` returns the ids of the sellers that failed. A rebuild ends the run as a lack of
        time does, and leaves the batch to the next run. With `again`, a complete job starts from
        the beginning; without `saves`, the run leaves the checkpoint as it is.
        """

        def save(checkpoint: BatchCheckpoint) -> None:
            if saves:
                self._checkpoints.save(job, checkpoint)

        checkpoint = self._checkpoints.get(job)
        if checkpoint.is_complete and again:
            checkpoint = BatchCheckpoint()
        for batch in batches(checkpoint):
            if not has_time() or self._rebuild_lock.is_held():
                save(checkpoint)
                return False
            started = checkpoint.started(batch)
            save(started)
            failed = self._failed(batch, process)
            if failed is None:
                return False
            checkpoint = started.finished(batch, failed)
        if self._rebuild_lock.is_held():  # missing sellers may have been deleted
            return False
        save(BatchCheckpoint(END, checkpoint.failed))
        return True

    def _failed[Batch](
        self, batch: Batch, process: Callable[[Batch], Iterable[str]]
    ) -> Iterable[str] | None:
        """Return None when a rebuild began meanwhile: the batch may have missed deleted rows."""
        try:
            failed = process(batch)
        except RebuildInProgress:
            return None
        return None if self._rebuild_lock.is_held() else failed

    def require_no_rebuild(self, transaction: Transaction) -> None:
        """Add to `transaction` the condition that no rebuild is running.

        Its commit raises RebuildInProgress otherwise.
        """
        conflict = RebuildInProgress("The projections are being rebuilt")
        self._rebuild_lock.require_free(transaction, conflict)
