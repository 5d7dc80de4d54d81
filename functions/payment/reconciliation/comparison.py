"""Compares Razorpay's records with the shop's payments, and repairs or reports differences."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from payment.model import (
    Attempt,
    AttemptStatus,
    Payment,
    RazorpayOrder,
    RazorpayRefund,
    RefundStatus,
    UnreadableRecord,
)
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import MAX_UNANSWERED, DriftKind, Report, in_minor_units
from payment.reconciliation.ports import (
    PaymentUpdates,
    RazorpayRecords,
    ReconciledPayments,
    is_unanswered,
)
from supermarket import telemetry


class Comparison:
    """Compares pages of records. Everything may be compared twice, and by two runs at once."""

    def __init__(
        self,
        payments: ReconciledPayments,
        records: RazorpayRecords,
        updates: PaymentUpdates,
        drift: DriftReporter,
    ) -> None:
        self._payments = payments
        self._records = records
        self._updates = updates
        self._drift = drift

    def compare_attempts(self, page: Sequence[Attempt | UnreadableRecord], report: Report) -> None:
        """Compare a page of attempts. Those that agree cost one read for the whole page."""
        known = self._find(one.razorpay_order_id for one in page if isinstance(one, Attempt))

        def compare(attempt: Attempt) -> None:
            payment = known.get(attempt.razorpay_order_id or "")
            if payment is None or not _is_settled(payment, attempt):
                self._compare_attempt(attempt, report)

        _for_each(page, compare, report)

    def compare_refunds(
        self, page: Sequence[RazorpayRefund | UnreadableRecord], report: Report
    ) -> None:
        _for_each(page, lambda record: self._compare_refund(record, report), report)

    def compare_orders(
        self, page: Sequence[RazorpayOrder | UnreadableRecord], report: Report
    ) -> None:
        known = self._find(one.id for one in page if isinstance(one, RazorpayOrder))

        def compare(order: RazorpayOrder) -> None:
            if payment := known.get(order.id):
                self._compare_order(payment, order, report)
            elif order.is_paid:
                # an unpaid one is harmless: the request that created it died
                details = "a Razorpay order is paid, and no payment of this shop belongs to it"
                self._report("missing_here", order.id, details, None, report)

        _for_each(page, compare, report)

    def compare_payments(self, page: Sequence[Payment], report: Report) -> None:
        """Compare a page of the shop's payments."""
        _for_each(page, lambda payment: self._compare_payment(payment, report), report)

    def _compare_attempt(self, attempt: Attempt, report: Report) -> None:
        order_id = attempt.razorpay_order_id
        payment = self._payments.find_by_razorpay_order(order_id) if order_id else None
        amount = in_minor_units(attempt.amount)
        if payment is None:
            if attempt.was_captured:
                details = f"Razorpay captured {amount} for no payment of this shop"
                self._report("missing_here", attempt.id, details, None, report)
        elif not payment.matches(attempt):
            details = f"Razorpay has {amount}, the shop {in_minor_units(payment.price)}"
            self._report("different_amount", attempt.id, details, payment, report)
        elif attempt.status is AttemptStatus.AUTHORIZED:
            # Razorpay captures automatically, and this may have failed
            captured = self._updates.capture(payment.razorpay_order_id, attempt) or payment
            if captured.status is not payment.status:
                report.counts["repaired"] += 1
        elif not _agree(payment, attempt):
            self._apply_attempt(payment, attempt, report)

    def _apply_attempt(self, payment: Payment, attempt: Attempt, report: Report) -> None:
        is_refunded = attempt.status is AttemptStatus.REFUNDED
        refunds = self._records.list_refunds(attempt.id) if is_refunded else ()
        order_id = payment.razorpay_order_id
        payment = self._updates.apply_payment_update(order_id, attempt, refunds) or payment
        if payment.open_refunds:
            # a late or duplicate payment, which is refunded at once
            payment = self._updates.sync_refunds(payment.id)
        if _agree(payment, attempt):
            report.counts["repaired"] += 1
        else:
            details = f"at Razorpay the attempt is {attempt.status}, the payment {payment.status}"
            self._report("different_state", attempt.id, details, payment, report)

    def _compare_refund(self, record: RazorpayRefund, report: Report) -> None:
        payment = self._updates.apply_refund_update(record)
        refunds = payment.refunds if payment else ()
        own = next((one for one in refunds if one.razorpay_refund_id == record.id), None)
        amount = in_minor_units(record.amount)
        if own is None and payment is None and not self._was_captured(record.payment_id):
            return  # money that was only authorized, and was released
        if own is None or payment is None:
            details = f"Razorpay refunded {amount}, the shop has no such refund"
            self._report("missing_here", record.id, details, payment, report)
        elif own.amount != record.amount:
            details = f"Razorpay has {amount}, the shop {in_minor_units(own.amount)}"
            self._report("different_amount", record.id, details, payment, report)
        elif record.status is not RefundStatus.PENDING and own.status is not record.status:
            # only a final status can be compared: the list is older than the shop's own row
            details = f"at Razorpay the refund is {record.status}, here {own.status}"
            self._report("different_state", record.id, details, payment, report)
        elif own.has_failed_at_razorpay and _is_still_owed(payment, record):
            details = f"a refund of {amount} is required, and failed at Razorpay"
            self._report("different_state", record.id, details, payment, report)

    def _compare_payment(self, payment: Payment, report: Report) -> None:
        order = self._records.find_order(payment.razorpay_order_id)
        if order is None:
            details = f"Razorpay does not have {payment.razorpay_order_id}"
            self._report("missing_there", payment.id, details, payment, report)
        elif order.amount != payment.price or order.is_paid is not payment.is_paid:
            # one that agrees was compared with the orders
            self._compare_order(payment, order, report)

    def _compare_order(self, payment: Payment, order: RazorpayOrder, report: Report) -> None:
        if order.amount != payment.price:
            expected, amount = in_minor_units(payment.price), in_minor_units(order.amount)
            details = f"Razorpay has {amount}, the shop {expected}"
            self._report("different_amount", order.id, details, payment, report)
        elif order.is_paid and not payment.is_paid:
            self._find_capture(payment, order, report)
        elif payment.is_paid and not order.is_paid:
            # it may have been paid since the list was read
            present = self._records.find_order(order.id)
            if present is None or not present.is_paid:
                details = f"the payment is {payment.status}, its order is not paid at Razorpay"
                self._report("different_state", order.id, details, payment, report)
        elif payment.is_paid and self._updates.sync_order(payment.id):
            report.counts["repaired"] += 1

    def _find_capture(self, payment: Payment, order: RazorpayOrder, report: Report) -> None:
        """Compare the attempts of a paid order, which may lie outside of the window."""
        for attempt in self._records.list_attempts(order.id):
            self._compare_attempt(attempt, report)
        present = self._payments.find(payment.id) or payment
        if not present.is_paid:
            details = f"the order is paid at Razorpay, the payment is {present.status}"
            self._report("different_state", order.id, details, present, report)

    def _find(self, razorpay_order_ids: Iterable[str | None]) -> Mapping[str, Payment]:
        return self._payments.find_by_razorpay_orders({id_ for id_ in razorpay_order_ids if id_})

    def _was_captured(self, attempt_id: str) -> bool:
        return self._records.get_attempt(attempt_id).was_captured

    def _report(
        self,
        kind: DriftKind,
        subject_id: str,
        details: str,
        payment: Payment | None,
        report: Report,
    ) -> None:
        report.counts["drift"] += 1
        self._drift.report(kind, subject_id, details, payment)


def _for_each[R: (Attempt, RazorpayRefund, RazorpayOrder, Payment)](
    page: Sequence[R | UnreadableRecord], compare: Callable[[R], None], report: Report
) -> None:
    """Compare each record of a page, and count those for which that fails.

    Raises the failure when Razorpay does not answer about several records in a row.
    """
    for record in page:
        report.counts["checked"] += 1
        ids = {"record": record.id}
        if isinstance(record, UnreadableRecord):
            telemetry.logger.error("not compared: the record cannot be read", extra=ids)
            report.counts["failed"] += 1
            continue
        try:
            compare(record)
        except Exception as failure:
            report.unanswered = report.unanswered + 1 if is_unanswered(failure) else 0
            if report.unanswered >= MAX_UNANSWERED:
                raise
            telemetry.logger.exception("not compared", extra=ids)
            report.counts["failed"] += 1
        else:
            report.unanswered = 0


def _is_still_owed(payment: Payment, record: RazorpayRefund) -> bool:
    left = payment.balance_of(record.payment_id).remaining
    return payment.requires_full_refund(record.payment_id) and bool(left.minor)


def _is_settled(payment: Payment, attempt: Attempt) -> bool:
    """Whether there is nothing to repair or to report about an attempt."""
    is_final = attempt.status is not AttemptStatus.AUTHORIZED
    return is_final and payment.matches(attempt) and _agree(payment, attempt)


def _agree(payment: Payment, attempt: Attempt) -> bool:
    """Whether the payment contains the outcome of an attempt, if it has one yet."""
    if attempt.was_captured:
        has_fee = attempt.fee is None or payment.fee_of(attempt.id) is not None
        return attempt.id in payment.attempt_ids and has_fee
    if attempt.status is AttemptStatus.FAILED:
        return not payment.is_open or attempt.id in payment.failed_attempts
    return True
