"""Drives open refunds to their outcome: sends them to Razorpay and applies its records of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import MAX_UNANSWERED, HasTime, Report, in_minor_units
from payment.reconciliation.parallel import for_each
from payment.reconciliation.ports import ReconciledPayments, is_unanswered
from payment.service import PaymentService
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.errors import Unavailable

PAYMENTS_PER_LIST = 1_000
WORKERS = 8
OVERDUE_AFTER = timedelta(days=1)


@dataclass
class _Run:
    """What one run shares among its workers."""

    has_time: HasTime
    report: Report = field(default_factory=Report)
    lock: Lock = field(default_factory=Lock)
    oldest: datetime | None = None

    def count(self, outcome: str) -> None:
        with self.lock:
            self.report.counts[outcome] += 1

    def note_answer(self) -> None:
        with self.lock:
            self.report.counts["synced"] += 1
            self.report.unanswered = 0

    def note_failure(self, failure: Exception) -> None:
        with self.lock:
            self.report.note_failure(unanswered=is_unanswered(failure))
            self.report.counts["unsynced"] += 1

    def note_unsent(self, since: datetime) -> None:
        with self.lock:
            self.oldest = min(self.oldest or since, since)


@dataclass(frozen=True)
class RefundDriver:
    """Synchronises the payments with open refunds, those first that waited longest."""

    payments: ReconciledPayments
    updates: PaymentService
    drift: DriftReporter
    clock: Clock
    workers: int = WORKERS

    def run(self, has_time: HasTime) -> tuple[Report, timedelta]:
        """Synchronise payments side by side until all are, or the time is up.

        Returns what was done, and for how long the oldest refund waits to be sent.
        Overdue refunds are also reported after Razorpay has stopped answering: their customers wait
        for the money.
        """
        run, known = _Run(has_time), set[str]()
        while has_time():
            listed = self.payments.list_with_open_refunds(PAYMENTS_PER_LIST)
            # those that were synchronised come last, when the index has taken up their new places
            new = [payment_id for payment_id in listed if payment_id not in known]
            if not new:
                break
            known.update(new)
            for_each(new, lambda payment_id: self._handle(payment_id, run), self.workers)
        now = self.clock()
        run.report.is_finished = has_time()
        return run.report, now - (run.oldest or now)

    def _handle(self, payment_id: str, run: _Run) -> None:
        if not run.has_time():
            return
        try:
            try:
                if run.report.unanswered < MAX_UNANSWERED:
                    # first, so that a payment that cannot be synchronised does not block the others
                    self.payments.touch(payment_id, self.clock())
                    self.updates.sync_refunds(payment_id)
                    run.note_answer()
            finally:
                self._report_overdue(payment_id, run)
        except Exception as failure:
            run.note_failure(failure)
            _log(payment_id, failure)

    def _report_overdue(self, payment_id: str, run: _Run) -> None:
        payment, since = self.payments.find(payment_id), self.clock() - OVERDUE_AFTER
        for refund in payment.open_refunds if payment else ():
            if refund.is_sent:
                continue
            run.note_unsent(refund.requested_at)
            if refund.requested_at < since:
                amount = in_minor_units(refund.amount)
                details = f"a refund of {amount} is requested, and Razorpay has not accepted it"
                run.count("overdue")
                self.drift.report("missing_there", refund.id, details, payment)


def _log(payment_id: str, failure: Exception) -> None:
    """Log a failure: Razorpay's refusal to accept a refund now is a warning, a defect an error."""
    ids = {"payment_id": payment_id}
    if isinstance(failure, Unavailable):
        extra = {**ids, "problem": failure.message}
        telemetry.logger.warning("refunds not synchronised", extra=extra)
    else:
        telemetry.logger.error("refunds not synchronised", exc_info=failure, extra=ids)
