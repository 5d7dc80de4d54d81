"""Reports each week to each seller once, however many runs there are, also at the same time.

A report is claimed in the transaction that emits it, on condition that nobody has claimed it and
that no rebuild runs: a report of incomplete numbers could never be sent again.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import batched, chain

from seller_dashboard.events import to_sales_report_ready
from seller_dashboard.ports import (
    BatchCheckpoints,
    Catalogue,
    RebuildLock,
    ReportClaims,
    Sales,
    Sellers,
)
from seller_dashboard.reports.batches import SellerBatches
from seller_dashboard.reports.metrics import (
    LOW_STOCK_LIMIT,
    compute_metrics,
    sum_by_currency,
    top_product_ids,
)
from seller_dashboard.reports.model import (
    AlreadyReported,
    BatchCheckpoint,
    RebuildInProgress,
    Week,
)
from supermarket import telemetry
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
        claims: ReportClaims,
        checkpoints: BatchCheckpoints,
        rebuild_lock: RebuildLock,
        begin: BeginTransaction,
    ) -> None:
        self._sales = sales
        self._catalogue = catalogue
        self._sellers = sellers
        self._claims = claims
        self._batches = SellerBatches(checkpoints, rebuild_lock)
        self._begin = begin

    def run(self, week: Week, has_time: Callable[[], bool], *, again: bool = False) -> Counter[str]:
        """Report to the sellers with sales in the week or the one before, or with low stock; return
        how many sellers had which outcome.

        A week for which all sellers were visited is skipped, except for sellers that failed, unless
        `again` is set.
        """
        outcomes = Counter(dict.fromkeys(OUTCOMES, 0))

        def batches(checkpoint: BatchCheckpoint) -> Iterable[dict[str, Recipient]]:
            left = () if checkpoint.is_complete else self._sellers.list_all(checkpoint.last)
            failed = (self._sellers.find(seller_id) for seller_id in checkpoint.to_retry)
            one_by_one = ((seller,) for seller in failed if seller)
            for batch in chain(batched(left, SELLERS_PER_BATCH, strict=False), one_by_one):
                yield {seller.user_id: seller for seller in batch}

        def process(batch: dict[str, Recipient]) -> Iterable[str]:
            reported = self._claims.list_reported(week, list(batch))
            found = {
                seller.user_id: self._report_or_log(week, seller)
                for seller in batch.values()
                if seller.user_id not in reported
            }
            outcomes.update(["already_reported"] * len(reported), **Counter(found.values()))
            return [seller_id for seller_id, outcome in found.items() if outcome == "failed"]

        job = f"weekly-reports#{week.first}"
        if not self._batches.run(job, batches, process, has_time, again=again):
            outcomes["unfinished"] = 1
        return outcomes

    def _report_or_log(self, week: Week, seller: Recipient) -> str:
        try:
            return self._report(week, seller)
        except AlreadyReported:
            return "already_reported"
        except RebuildInProgress:
            raise
        except Exception:
            telemetry.logger.exception("week not reported", extra={"seller_id": seller.user_id})
            return "failed"

    def _report(self, week: Week, seller: Recipient) -> str:
        event = self._event(week, seller)
        if event is None:
            return "nothing_to_report"
        transaction = self._begin()
        self._batches.require_no_rebuild(transaction)
        conflict = AlreadyReported("This week was reported already")
        self._claims.claim(week, seller.user_id, transaction, conflict)
        transaction.emit(event)
        transaction.commit()
        return "reported"

    def _event(self, week: Week, seller: Recipient) -> SalesReportReady | None:
        """Return None when there is nothing to report; orders that nobody paid are nothing."""
        days = self._sales.list_daily_totals(seller.user_id, week.with_previous)
        low_stock = self._catalogue.list_low_stock(seller.user_id, LOW_STOCK_LIMIT)
        if not low_stock and not any(day.orders or day.refunded.minor for day in days):
            return None
        before = [day for day in days if day.day < week.first]
        own = [day for day in days if day.day >= week.first]
        titles = self._catalogue.get_titles(seller.user_id, top_product_ids(own))
        metrics = compute_metrics(week.period, own, titles, low_stock)
        revenue_before = sum_by_currency(day.sold.revenue for day in before)
        return to_sales_report_ready(week, seller, metrics, revenue_before)
