"""Reconciles a window of time page by page.

A run synchronises open refunds and then compares four lists: Razorpay's attempts, refunds and
orders of the window, and the shop's own payments. It saves a checkpoint after each page; a run that
has no time left, or dies, is continued by the next one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from payment.model import sort_key
from payment.reconciliation.comparison import Comparison, DriftReporter, RefundSync
from payment.reconciliation.model import PAGE, Checkpoint, HasTime, Phase, RecordPage, Report
from payment.reconciliation.ports import DriftStore, RazorpayRecords, ReconciledPayments
from payment.service import PaymentService
from supermarket import telemetry
from supermarket.clock import Clock, iso
from supermarket.errors import Unavailable
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction

LATEST = "latest"
FIRST_WINDOW = timedelta(days=1)
# an attempt may be captured or refunded long after it was made
LOOK_BACK = timedelta(days=1)
# the index of the shop's payments is eventually consistent
OWN_LOOK_BACK = timedelta(minutes=15)

type OnProgress = Callable[[Report], None] | None
type Window = tuple[datetime, datetime, datetime]  # a checkpoint's `since`, `own_since`, `until`


@dataclass(frozen=True)
class Reconciliation:
    """Compares the shop's payments with Razorpay's records. Runs may overlap and be repeated."""

    payments: ReconciledPayments
    records: RazorpayRecords
    updates: PaymentService
    store: DriftStore
    begin: BeginTransaction
    clock: Clock

    def catch_up(self, has_time: HasTime) -> Report:
        """Reconcile everything since the last run, as far as there is time for it."""
        return self._run(LATEST, self._latest_window, has_time)

    def reconcile(
        self, since: datetime, until: datetime, has_time: HasTime, on_progress: OnProgress = None
    ) -> Report:
        """Reconcile a given window, or continue an unfinished run of the same window."""
        name = f"{iso(since)}/{iso(until)}"
        return self._run(name, lambda _: (since, since, until), has_time, on_progress)

    def _latest_window(self, last: Checkpoint | None) -> Window:
        # the present second may still get records, which would shift the pages
        until = self.clock().replace(microsecond=0) - timedelta(seconds=1)
        if last is None:
            return until - FIRST_WINDOW, until - FIRST_WINDOW, until
        return last.until - LOOK_BACK, last.until - OWN_LOOK_BACK, max(last.until, until)

    def _run(
        self,
        name: str,
        window: Callable[[Checkpoint | None], Window],
        has_time: HasTime,
        on_progress: OnProgress = None,
    ) -> Report:
        report = Report()
        drift = DriftReporter(self.store, self.begin, self.clock)
        RefundSync(self.payments, self.updates, drift, self.clock, report).run(has_time)
        comparison = Comparison(self.payments, self.records, self.updates, drift, report)
        try:
            checkpoint = self.store.find_checkpoint(name)
            if checkpoint is None or checkpoint.is_finished:
                version = checkpoint.version + 1 if checkpoint else 1
                checkpoint = Checkpoint(name, *window(checkpoint), version=version)
                self.store.save_checkpoint(checkpoint)
            report.checkpoint = checkpoint
            while not checkpoint.is_finished and has_time():
                found = report.found
                position = self._compare_page(checkpoint, comparison)
                checkpoint = checkpoint.moved(position, report.found - found)
                self.store.save_checkpoint(checkpoint)
                report.checkpoint = checkpoint
                if on_progress:
                    on_progress(report)
        except StaleWrite:
            # another run moved the checkpoint, and continues from there
            report.counts["superseded"] += 1
        except Unavailable as failure:
            telemetry.logger.error("reconciliation stopped", extra={"problem": failure.message})
            report.counts["stopped"] += 1
        return report

    def _compare_page(self, at: Checkpoint, comparison: Comparison) -> str:
        """Compare one page of the present list; returns the position behind it, or ""."""
        if at.phase is Phase.OWN_PAYMENTS:
            own = self.payments.list_created_between(at.own_since, at.until, at.position, PAGE)
            comparison.compare_payments(own)
            return sort_key(own[-1]) if own else ""
        compare = {
            Phase.ATTEMPTS: comparison.compare_attempts,
            Phase.REFUNDS: comparison.compare_refunds,
            Phase.ORDERS: comparison.compare_orders,
        }[at.phase]
        skip = int(at.position or 0)
        seen = compare(RecordPage(at.since, at.until, skip))
        return str(skip + seen) if seen == PAGE else ""
