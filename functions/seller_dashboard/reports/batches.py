"""What the scheduled jobs share: they go through the sellers in batches, continue where an earlier
run ended, and stop while the projections are being rebuilt.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from seller_dashboard.ports import Jobs
from seller_dashboard.reports.model import END, BatchCheckpoint, RebuildInProgress
from supermarket import telemetry

type Task = Callable[[], Counter[str]]


class SellerBatches:
    """Processes sellers batch by batch.

    The checkpoint is saved before each batch: a seller who takes all of a run's time, or ends it,
    keeps no other seller from being reached. Sellers to retry must come one to a batch.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def run[Batch: Collection[str]](
        self,
        job: str,
        outcomes: Iterable[str],
        batches: Callable[[BatchCheckpoint], Iterable[Batch]],
        tasks: Callable[[Batch], Mapping[str, Task]],
        has_time: Callable[[], bool],
        *,
        again: bool = False,
        saves: bool = True,
    ) -> Counter[str]:
        """Run the tasks of all batches, by seller id, and return the sum of what they counted,
        with a zero for each other outcome.

        A task that raises is logged and counted as `failed`, and retried by a later run. A lack of
        time, or a rebuild, ends the run as `unfinished`. With `again`, a complete job starts from
        the beginning; without `saves`, the run leaves the stored checkpoint as it is.
        """
        counts = Counter(dict.fromkeys(outcomes, 0))
        checkpoint = self._jobs.get_checkpoint(job)
        if checkpoint.is_complete and again:
            checkpoint = BatchCheckpoint()

        def save(checkpoint: BatchCheckpoint) -> None:
            if saves:
                self._jobs.save_checkpoint(job, checkpoint)

        for batch in batches(checkpoint):
            if not has_time() or self._jobs.is_rebuilding():
                save(checkpoint)
                break
            checkpoint = checkpoint.started(batch)
            save(checkpoint)
            failed = self._run_tasks(tasks(batch), counts)
            if failed is None:
                break
            checkpoint = checkpoint.finished(batch, failed)
        else:
            if not self._jobs.is_rebuilding():  # missing sellers may have been deleted
                save(BatchCheckpoint(END, checkpoint.failed))
                return counts
        counts["unfinished"] = 1
        return counts

    def _run_tasks(self, tasks: Mapping[str, Task], counts: Counter[str]) -> set[str] | None:
        """Return the sellers whose tasks failed; None when a rebuild began: the tasks may have
        missed deleted rows.
        """
        failed = set[str]()
        for seller_id, task in tasks.items():
            try:
                counts.update(task())
            except RebuildInProgress:
                return None
            except Exception:
                about = {"seller_id": seller_id}
                telemetry.logger.exception("job failed for a seller", extra=about)
                counts["failed"] += 1
                failed.add(seller_id)
        return None if self._jobs.is_rebuilding() else failed
