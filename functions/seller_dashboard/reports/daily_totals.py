"""Checks a day's totals against its sales, and repairs and logs those that differ, unless they have
changed since they were read (every change of a sale changes them) or a rebuild runs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import chain

from seller_dashboard.ports import Jobs, Sales
from seller_dashboard.projections.model import Period
from seller_dashboard.projections.totals import DailyTotals, sum_by_currency
from seller_dashboard.reports.batches import SellerBatches, Task
from seller_dashboard.reports.model import BatchCheckpoint
from supermarket import telemetry
from supermarket.retry import retry_on_conflict
from supermarket.transaction import BeginTransaction

OUTCOMES = ("correct", "repaired", "failed", "sales", "unfinished")


class DailyTotalsCheck:
    """Goes through the sellers of a day, and continues where an earlier run ended."""

    def __init__(self, sales: Sales, jobs: Jobs, begin: BeginTransaction) -> None:
        self._sales = sales
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
        # totals first: a sale that changes after they were read changes their version, too
        of_day = self._sales.list_daily_totals(seller_id, Period(day, day), consistent=True)
        stored = {one.currency: one for one in of_day}
        sales = self._sales.list_sales_of_day(seller_id, day)
        recomputed = sum_by_currency(map(DailyTotals.of, sales))
        outcomes = Counter(sales=sum(one.numbers["placed"] for one in recomputed.values()))
        for currency in stored.keys() | recomputed.keys():
            zero = DailyTotals(day, currency)
            known, right = stored.get(currency, zero), recomputed.get(currency, zero)
            if drift := right - known:
                transaction = self._begin()
                self._jobs.require_no_rebuild(transaction)
                repaired = replace(right, version=known.version)
                self._sales.replace_totals(seller_id, repaired, transaction)
                transaction.commit()
                about = {"seller_id": seller_id, "day": str(day), "drift": drift.numbers}
                telemetry.logger.warning("daily totals repaired", extra=about)
            outcomes["repaired" if drift else "correct"] += 1
        return outcomes
