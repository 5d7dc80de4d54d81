"""Checks a day's totals against its sales: counts sales that were not counted yet, then repairs and
logs totals that differ, unless they have changed since they were read (whatever is counted changes
them) or a rebuild runs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import batched, chain

from seller_dashboard.ports import Jobs, Sales
from seller_dashboard.projections.projector import Projector
from seller_dashboard.projections.totals import DailyTotals, sum_by_part
from seller_dashboard.reports.batches import SellerBatches, Task
from seller_dashboard.reports.model import BatchCheckpoint
from supermarket import telemetry
from supermarket.money import Currency
from supermarket.retry import retry_on_conflict
from supermarket.transaction import BeginTransaction

SALES_PER_READ = 100
OUTCOMES = ("correct", "repaired", "failed", "sales", "unfinished")


class DailyTotalsCheck:
    """Goes through the sellers of a day, and continues where an earlier run ended."""

    def __init__(
        self, sales: Sales, projector: Projector, jobs: Jobs, begin: BeginTransaction
    ) -> None:
        self._sales = sales
        self._projector = projector
        self._jobs = jobs
        self._batches = SellerBatches(jobs)
        self._begin = begin

    def run(
        self, day: date, has_time: Callable[[], bool], *, again: bool = False, is_over: bool = True
    ) -> Counter[str]:
        """Return how many totals were correct or repaired, and how many sales they consist of.

        A day that was completely checked after its end is skipped, except for sellers that failed,
        unless `again` is set.
        """

        def batches(checkpoint: BatchCheckpoint) -> Iterable[tuple[str]]:
            sellers = () if checkpoint.is_complete else self._sales.list_sellers_of_day(day)
            left = (seller_id for seller_id in sellers if seller_id > checkpoint.last)
            return ((seller_id,) for seller_id in chain(left, checkpoint.to_retry))

        def tasks(batch: tuple[str]) -> Mapping[str, Task]:
            [seller_id] = batch
            check = partial(self._check, seller_id, day)
            return {seller_id: partial(retry_on_conflict, check)}

        job = f"daily-totals#{day}"
        return self._batches.run(
            job, OUTCOMES, batches, tasks, has_time, again=again, saves=is_over
        )

    def _check(self, seller_id: str, day: date) -> Counter[str]:
        # parts first: a sale that is counted after they were read changes their version, too
        parts = self._sales.list_parts(seller_id, day)
        stored = {(part.currency, part.part): part for part in parts}
        recomputed = sum_by_part(self._recount(seller_id, day))
        drifts = Counter[Currency]()
        outcomes = Counter(sales=sum(part.numbers["placed"] for part in recomputed.values()))
        for currency, name in stored.keys() | recomputed.keys():
            zero = DailyTotals(day, currency, part=name)
            known = stored.get((currency, name), zero)
            right = recomputed.get((currency, name), zero)
            drifts[currency] += bool(right - known)
            if right - known:
                self._repair(seller_id, known, right)
        outcomes.update("repaired" if drifted else "correct" for drifted in drifts.values())
        return outcomes

    def _recount(self, seller_id: str, day: date) -> Iterator[DailyTotals]:
        """Yield by part what the day's totals contain of each sale."""
        sales = self._sales.list_sales_of_day(seller_id, day)
        for batch in batched(sales, SALES_PER_READ, strict=False):
            counted = self._sales.list_counted(batch)
            for sale in batch:
                found = counted[sale.order_id]
                if found.sale_version < sale.version:
                    self._projector.count(sale, also=self._jobs.require_no_rebuild)
                    _, found = self._sales.find(sale)
                yield from found.totals.parts(sale.order_id)

    def _repair(self, seller_id: str, known: DailyTotals, right: DailyTotals) -> None:
        transaction = self._begin()
        self._jobs.require_no_rebuild(transaction)
        repaired = replace(right, version=known.version)
        self._sales.replace_part(seller_id, repaired, transaction)
        transaction.commit()
        drift = (right - known).numbers
        about = {"seller_id": seller_id, "day": str(known.day), "part": known.part, "drift": drift}
        telemetry.logger.warning("daily totals repaired", extra=about)
