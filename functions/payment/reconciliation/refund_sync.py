"""Synchronises open refunds with Razorpay, and reports those that Razorpay does not accept."""

from datetime import timedelta

from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import MAX_UNANSWERED, HasTime, Report, in_minor_units
from payment.reconciliation.ports import PaymentUpdates, ReconciledPayments, is_unanswered
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.errors import Unavailable

PAYMENTS_PER_RUN = 200
TIME_PER_RUN = timedelta(minutes=1)  # leaves time for the comparison
OVERDUE_AFTER = timedelta(days=1)


class RefundSync:
    """Synchronises the payments with open refunds, those first that waited longest."""

    def __init__(
        self,
        payments: ReconciledPayments,
        updates: PaymentUpdates,
        drift: DriftReporter,
        clock: Clock,
        report: Report,
    ) -> None:
        self._payments = payments
        self._updates = updates
        self._drift = drift
        self._clock = clock
        self._report = report

    def run(self, has_time: HasTime) -> None:
        """Synchronise as many payments as there is time for.

        Overdue refunds are reported for the others, too: their customers wait for the money.
        """
        ends = self._clock() + TIME_PER_RUN
        for payment_id in self._payments.list_with_open_refunds(PAYMENTS_PER_RUN):
            if not has_time():
                break
            is_synced = self._clock() <= ends and self._report.unanswered < MAX_UNANSWERED
            try:
                self._handle(payment_id, is_synced=is_synced)
            except Exception as failure:
                self._report.note_failure(unanswered=is_unanswered(failure))
                self._report.counts["unsynced"] += 1
                _log(payment_id, failure)
        self._report.unanswered = 0

    def _handle(self, payment_id: str, *, is_synced: bool) -> None:
        try:
            if is_synced:
                # first, so that a payment that cannot be synchronised does not block the others
                self._payments.touch(payment_id, self._clock())
                self._updates.sync_refunds(payment_id)
                self._report.counts["synced"] += 1
                self._report.unanswered = 0
        finally:
            self._report_overdue(payment_id)

    def _report_overdue(self, payment_id: str) -> None:
        payment, since = self._payments.find(payment_id), self._clock() - OVERDUE_AFTER
        for refund in payment.open_refunds if payment else ():
            if not refund.is_sent and refund.requested_at < since:
                amount = in_minor_units(refund.amount)
                details = f"a refund of {amount} is requested, and Razorpay has not accepted it"
                self._report.counts["overdue"] += 1
                self._drift.report("missing_there", refund.id, details, payment)


def _log(payment_id: str, failure: Exception) -> None:
    """Log a failure: Razorpay's refusal to accept a refund now is a warning, a defect an error."""
    ids = {"payment_id": payment_id}
    if isinstance(failure, Unavailable):
        extra = {**ids, "problem": failure.message}
        telemetry.logger.warning("refunds not synchronised", extra=extra)
    else:
        telemetry.logger.error("refunds not synchronised", exc_info=failure, extra=ids)
