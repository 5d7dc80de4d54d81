"""Reports each week to each seller once. A report is claimed in the transaction that emits it, on
condition that no other run has claimed it and that no rebuild runs: it could not be corrected.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from itertools import batched, chain

from seller_dashboard.events import to_sales_report_ready
from seller_dashboard.ports import Catalogue, Jobs, Sales, Sellers
from seller_dashboard.projections.model import Period
from seller_dashboard.projections.totals import nonzero, sum_by_currency
from seller_dashboard.reports.batches import SellerBatches, Task
from seller_dashboard.reports.metrics import LOW_STOCK_LIMIT, compute_metrics
from seller_dashboard.reports.model import AlreadyReported, BatchCheckpoint
from supermarket.contracts import SalesReportReady
from supermarket.people import Recipient
from supermarket.transaction import BeginTransaction

SELLERS_PER_BATCH = 25
OUTCOMES = ("reported", "nothing_to_report", "already_reported", "failed", "unfinished")


class WeeklyReports:
    """Goes through all sellers, and continues where an earlier run ended."""

    def __init__(
        self,
        sales: Sales,
        catalogue: Catalogue,
        sellers: Sellers,
        jobs: Jobs,
        begin: BeginTransaction,
    ) -> None:
        self._sales = sales
        self._catalogue = catalogue
        self._sellers = sellers
        self._jobs = jobs
        self._batches = SellerBatches(jobs)
        self._begin = begin

    def run(
        self, week: Period, has_time: Callable[[], bool], *, again: bool = False
    ) -> Counter[str]:
        """Report to the sellers with sales in the week or the one before, or with low stock; return
        how many sellers had which outcome.

        A week for which all sellers were visited is skipped, except for sellers that failed, unless
        `again` is set.
        """

        def batches(checkpoint: BatchCheckpoint) -> Iterable[dict[str, Recipient]]:
            left = () if checkpoint.is_complete else self._sellers.list_all(checkpoint.last)
            failed = (self._sellers.find(seller_id) for seller_id in checkpoint.to_retry)
            one_by_one = ((seller,) for seller in failed if seller)
            for batch in chain(batched(left, SELLERS_PER_BATCH, strict=False), one_by_one):
                yield {seller.user_id: seller for seller in batch}

        def tasks(batch: dict[str, Recipient]) -> Mapping[str, Task]:
            reported = self._jobs.list_reported(week, list(batch))
            return {
                seller_id: partial(Counter, already_reported=1)
                if seller_id in reported
                else partial(self._report, week, seller)
                for seller_id, seller in batch.items()
            }

        job = f"weekly-reports#{week.first}"
        return self._batches.run(job, OUTCOMES, batches, tasks, has_time, again=again)

    def _report(self, week: Period, seller: Recipient) -> Counter[str]:
        event = self._event(week, seller)
        if event is None:
            return Counter(nothing_to_report=1)
        transaction = self._begin()
        self._jobs.require_no_rebuild(transaction)
        self._jobs.claim_report(week, seller.user_id, transaction)
        transaction.emit(event)
        try:
            transaction.commit()
        except AlreadyReported:
            return Counter(already_reported=1)
        return Counter(reported=1)

    def _event(self, week: Period, seller: Recipient) -> SalesReportReady | None:
        """Return None when there is nothing to report; unpaid orders are not reported."""
        two_weeks = Period(week.first - timedelta(days=7), week.last)
        days = self._sales.list_daily_totals(seller.user_id, two_weeks)
        low_stock = self._catalogue.list_low_stock(seller.user_id, LOW_STOCK_LIMIT)
        if not low_stock and not any(day.numbers["orders"] or day.refunded.minor for day in days):
            return None
        before = [day for day in days if day.day < week.first]
        own = [day for day in days if day.day >= week.first]
        get_titles = partial(self._catalogue.get_titles, seller.user_id)
        metrics = compute_metrics(week, own, get_titles, low_stock)
        revenue_before = nonzero(one.revenue for one in sum_by_currency(before).values())
        return to_sales_report_ready(week, seller, metrics, revenue_before)
