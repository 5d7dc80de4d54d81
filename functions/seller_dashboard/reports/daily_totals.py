"""Checks a day's totals against its sales, and repairs those that differ.

Totals are kept by adding and subtracting sales one by one, so a difference means a defect or a
manual change; it is logged. A day's totals are written only if they have not changed since they
were read (every change of a sale changes them), and only while no rebuild runs.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import chain

from seller_dashboard.ports import BatchCheckpoints, RebuildLock, Sales
from seller_dashboard.projections.totals import DailyTotals, totals_by_currency
from seller_dashboard.reports.batches import SellerBatches
from seller_dashboard.reports.model import BatchCheckpoint, RebuildInProgress
from supermarket import telemetry
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import BeginTransaction

OUTCOMES = ("correct", "repaired", "failed", "sales", "unfinished")


class DailyTotalsCheck:
    """Goes through the sellers of a day, and continues where an earlier run ended."""

    def __init__(
        self,
        sales: Sales,
        checkpoints: BatchCheckpoints,
        rebuild_lock: RebuildLock,
        begin: BeginTransaction,
    ) -> None:
        self._sales = sales
        self._batches = SellerBatches(checkpoints, rebuild_lock)
        self._begin = begin

    def run(
        self, day: date, has_time: Callable[[], bool], *, again: bool = False, is_over: bool = True
    ) -> Counter[str]:
        """Return how many totals were correct or repaired, and how many sales they consist of.

        A day that was completely checked after its end is skipped, except for sellers that failed,
        unless `again` is set.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))

        def batches(checkpoint: BatchCheckpoint) -> Iterable[tuple[str]]:
            sellers = () if checkpoint.is_complete else self._sales.list_sellers_of_day(day)
            left = (seller_id for seller_id in sellers if seller_id > checkpoint.last)
            return ((seller_id,) for seller_id in chain(left, checkpoint.to_retry))

        def process(batch: tuple[str]) -> Iterable[str]:
            [seller_id] = batch
            found = self._check_or_log(seller_id, day)
            outcomes.update(found)
            return batch if found["failed"] else ()

        job = f"daily-totals#{day}"
        if not self._batches.run(job, batches, process, has_time, again=again, saves=is_over):
            outcomes["unfinished"] = 1
        return outcomes

    def _check_or_log(self, seller_id: str, day: date) -> Counter[str]:
        try:
            return retry_on_conflict(partial(self._check, seller_id, day))
        except RebuildInProgress:
            raise
        except Exception:
            about = {"seller_id": seller_id, "day": str(day)}
            telemetry.logger.exception("daily totals not checked", extra=about)
            return Counter(failed=1)

    def _check(self, seller_id: str, day: date) -> Counter[str]:
        # totals first: a sale that changes after they were read changes their version, too
        stored = {one.currency: one for one in self._sales.list_totals_of_day(seller_id, day)}
        recomputed = totals_by_currency(self._sales.list_sales_of_day(seller_id, day))
        outcomes = Counter(sales=sum(one.placed for one in recomputed.values()))
        for currency in stored.keys() | recomputed.keys():
            zero = DailyTotals.zero(day, currency)
            known, right = stored.get(currency, zero), recomputed.get(currency, zero)
            if drift := right - known:
                self._repair(seller_id, replace(right, version=known.version))
                about = {"seller_id": seller_id, "day": str(day), "drift": repr(drift)}
                telemetry.logger.warning("daily totals repaired", extra=about)
            outcomes["repaired" if drift else "correct"] += 1
        return outcomes

    def _repair(self, seller_id: str, totals: DailyTotals) -> None:
        transaction = self._begin()
        self._batches.require_no_rebuild(transaction)
        self._sales.replace_totals(seller_id, totals, transaction, StaleWrite())
        transaction.commit()
