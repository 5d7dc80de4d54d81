"""What the scheduled jobs share: they go through the sellers in batches, continue where an earlier
run ended, and stop while the projections are being rebuilt.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from seller_dashboard.ports import BatchCheckpoints, RebuildLock
from seller_dashboard.reports.model import END, BatchCheckpoint, RebuildInProgress
from supermarket import telemetry

type Task = Callable[[], Counter[str]]


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
        tasks: Callable[[Batch], Mapping[str, Task]],
        has_time: Callable[[], bool],
        *,
        again: bool = False,
        saves: bool = True,
    ) -> Counter[str]:
        """Run the tasks of all batches, by seller id, and return the sum of what they counted.

        A task that raises is logged and counted as `failed`, and retried by a later run. A lack of
        time, or a rebuild, ends the run as `unfinished`. With `again`, a complete job starts from
        the beginning; without `saves`, the run leaves the stored checkpoint as it is.
        """
        counts: Counter[str] = Counter()
        checkpoint = self._checkpoints.get(job)
        if checkpoint.is_complete and again:
            checkpoint = BatchCheckpoint()

        def save(checkpoint: BatchCheckpoint) -> None:
            if saves:
                self._checkpoints.save(job, checkpoint)

        for batch in batches(checkpoint):
            if not has_time() or self._rebuild_lock.is_held():
                save(checkpoint)
                break
            checkpoint = checkpoint.started(batch)
            save(checkpoint)
            failed = self._run_tasks(tasks(batch), counts)
            if failed is None:
                break
            checkpoint = checkpoint.finished(batch, failed)
        else:
            if not self._rebuild_lock.is_held():  # missing sellers may have been deleted
                save(BatchCheckpoint(END, checkpoint.failed))
                return counts
        counts["unfinished"] = 1
        return counts

    def _run_tasks(self, tasks: Mapping[str, Task], counts: Counter[str]) -> set[str] | None:
        """Return the sellers whose tasks failed; None when a rebuild began: the tasks may have
        missed deleted rows.
        """
        try:
            found = {seller_id: _count_or_log(seller_id, task) for seller_id, task in tasks.items()}
        except RebuildInProgress:
            return None
        for one in found.values():
            counts.update(one)
        failed = {seller_id for seller_id, one in found.items() if one["failed"]}
        return None if self._rebuild_lock.is_held() else failed


def _count_or_log(seller_id: str, task: Task) -> Counter[str]:
    try:
        return task()
    except RebuildInProgress:
        raise
    except Exception:
        telemetry.logger.exception("job failed for a seller", extra={"seller_id": seller_id})
        return Counter(failed=1)
