"""Compares Razorpay's records with the shop's payments, and repairs or reports differences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from payment.model import (
    Attempt,
    AttemptStatus,
    Payment,
    RazorpayOrder,
    RazorpayRefund,
    RefundStatus,
    UnreadableRecord,
)
from payment.reconciliation.model import (
    MAX_UNANSWERED,
    DriftKind,
    HasTime,
    RecordPage,
    Records,
    Report,
    in_minor_units,
)
from payment.reconciliation.ports import (
    DriftStore,
    KnownDrift,
    RazorpayRecords,
    ReconciledPayments,
    is_unanswered,
)
from payment.service import AttemptMismatch, PaymentService
from supermarket import telemetry
from supermarket.clock import Clock, iso
from supermarket.contracts import PaymentDriftFound
from supermarket.errors import Unavailable
from supermarket.transaction import BeginTransaction

PAYMENTS_PER_RUN = 200
TIME_PER_RUN = timedelta(minutes=1)  # leaves time for the comparison
OVERDUE_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class DriftReporter:
    """Reports drift."""

    store: DriftStore
    begin: BeginTransaction
    clock: Clock

    def report(self, kind: DriftKind, id_: str, details: str, payment: Payment | None) -> None:
        """Store a drift with its event; nothing happens when it was reported before."""
        drift = PaymentDriftFound(
            subject_id=id_,
            kind=kind,
            details=details,
            payment_id=payment.id if payment else None,
            order_id=payment.order_id if payment else None,
            found_at=self.clock(),
        )
        transaction = self.begin()
        self.store.add(drift, transaction)
        transaction.emit(drift)
        try:
            transaction.commit()
        except KnownDrift:
            return
        fields = {**vars(drift), "found_at": iso(drift.found_at)}
        telemetry.logger.error("payment drift", extra=fields)
        telemetry.count("PaymentDrift", kind=kind)


@dataclass(frozen=True)
class RefundSync:
    """Synchronises the payments with open refunds, those first that waited longest."""

    payments: ReconciledPayments
    updates: PaymentService
    drift: DriftReporter
    clock: Clock
    report: Report

    def run(self, has_time: HasTime) -> None:
        """Synchronise as many payments as there is time for.

        Overdue refunds are reported for the others, too: their customers wait for the money.
        """
        ends = self.clock() + TIME_PER_RUN
        for payment_id in self.payments.list_with_open_refunds(PAYMENTS_PER_RUN):
            if not has_time():
                break
            is_synced = self.clock() <= ends and self.report.unanswered < MAX_UNANSWERED
            try:
                self._handle(payment_id, is_synced=is_synced)
            except Exception as failure:
                self.report.note_failure(unanswered=is_unanswered(failure))
                self.report.counts["unsynced"] += 1
                _log(payment_id, failure)
        self.report.unanswered = 0

    def _handle(self, payment_id: str, *, is_synced: bool) -> None:
        try:
            if is_synced:
                # first, so that a payment that cannot be synchronised does not block the others
                self.payments.touch(payment_id, self.clock())
                self.updates.sync_refunds(payment_id)
                self.report.counts["synced"] += 1
                self.report.unanswered = 0
        finally:
            self._report_overdue(payment_id)

    def _report_overdue(self, payment_id: str) -> None:
        payment, since = self.payments.find(payment_id), self.clock() - OVERDUE_AFTER
        for refund in payment.open_refunds if payment else ():
            if not refund.is_sent and refund.requested_at < since:
                amount = in_minor_units(refund.amount)
                details = f"a refund of {amount} is requested, and Razorpay has not accepted it"
                self.report.counts["overdue"] += 1
                self.drift.report("missing_there", refund.id, details, payment)


def _log(payment_id: str, failure: Exception) -> None:
    """Log a failure: Razorpay's refusal to accept a refund now is a warning, a defect an error."""
    ids = {"payment_id": payment_id}
    if isinstance(failure, Unavailable):
        extra = {**ids, "problem": failure.message}
        telemetry.logger.warning("refunds not synchronised", extra=extra)
    else:
        telemetry.logger.error("refunds not synchronised", exc_info=failure, extra=ids)


@dataclass(frozen=True)
class Comparison:
    """Compares pages of records, and returns their numbers of records.

    Everything may be compared twice, and by two runs at once.
    """

    payments: ReconciledPayments
    records: RazorpayRecords
    updates: PaymentService
    drift: DriftReporter
    report: Report

    def compare_attempts(self, page: RecordPage) -> int:
        """Compare a page of attempts. Those that agree cost one read for the whole page."""
        attempts = self.records.list_attempts_between(page)
        known = self._find(one.razorpay_order_id for one in attempts if isinstance(one, Attempt))

        def compare(attempt: Attempt) -> None:
            payment = known.get(attempt.razorpay_order_id or "")
            if payment is None or not _is_settled(payment, attempt):
                self._compare_attempt(attempt)

        return self._for_each(attempts, compare)

    def compare_refunds(self, page: RecordPage) -> int:
        refunds = self.records.list_refunds_between(page)
        return self._for_each(refunds, self._compare_refund)

    def compare_orders(self, page: RecordPage) -> int:
        orders = self.records.list_orders_between(page)
        known = self._find(one.id for one in orders if isinstance(one, RazorpayOrder))

        def compare(order: RazorpayOrder) -> None:
            if payment := known.get(order.id):
                self._compare_order(payment, order)
            elif order.is_paid:
                # an unpaid one is harmless: the request that created it died
                details = "a Razorpay order is paid, and no payment of this shop belongs to it"
                self._found("missing_here", order.id, details, None)

        return self._for_each(orders, compare)

    def compare_payments(self, page: Sequence[Payment]) -> int:
        return self._for_each(page, self._compare_payment)

    def _compare_attempt(self, attempt: Attempt) -> None:
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        amount = in_minor_units(attempt.amount)
        if payment is None:
            if attempt.was_captured:
                details = f"Razorpay captured {amount} for no payment of this shop"
                self._found("missing_here", attempt.id, details, None)
        elif attempt.status is AttemptStatus.AUTHORIZED and _is_capturable(payment, attempt):
            # Razorpay captures automatically, and this may have failed; or it is to be released
            captured = self.updates.capture(attempt) or payment
            if captured.version != payment.version:
                self.report.counts["repaired"] += 1
        elif not payment.matches(attempt) and attempt.id not in payment.attempt_ids:
            if attempt.was_captured:
                details = f"Razorpay has {amount}, the shop {in_minor_units(payment.price)}"
                self._found("different_amount", attempt.id, details, payment)
                with suppress(AttemptMismatch):  # in a foreign currency
                    self._apply_attempt(payment, attempt)
        elif not _agree(payment, attempt):
            self._apply_attempt(payment, attempt)

    def _apply_attempt(self, payment: Payment, attempt: Attempt) -> None:
        is_refunded = attempt.status is AttemptStatus.REFUNDED
        refunds = self.records.list_refunds(attempt.id) if is_refunded else ()
        payment = self.updates.apply_payment_update(attempt, refunds) or payment
        if payment.open_refunds:
            # a late payment or a surplus, which is refunded at once
            payment = self.updates.sync_refunds(payment.id)
        if _agree(payment, attempt):
            self.report.counts["repaired"] += 1
        else:
            details = f"at Razorpay the attempt is {attempt.status}, the payment {payment.status}"
            self._found("different_state", attempt.id, details, payment)

    def _compare_refund(self, record: RazorpayRefund) -> None:
        payment = self.updates.apply_refund_update(record)
        refunds = payment.refunds if payment else ()
        own = next((one for one in refunds if one.razorpay_refund_id == record.id), None)
        amount = in_minor_units(record.amount)
        if payment is None and not self.records.get_attempt(record.payment_id).was_captured:
            return  # money that was only authorized, and was released
        if own is None or payment is None:
            details = f"Razorpay refunded {amount}, the shop has no such refund"
            self._found("missing_here", record.id, details, payment)
        elif own.amount != record.amount:
            details = f"Razorpay has {amount}, the shop {in_minor_units(own.amount)}"
            self._found("different_amount", record.id, details, payment)
        elif record.status is not RefundStatus.PENDING and own.status is not record.status:
            # only a final status can be compared: the list is older than the shop's own row
            details = f"at Razorpay the refund is {record.status}, here {own.status}"
            self._found("different_state", record.id, details, payment)
        elif own.has_failed_at_razorpay and payment.needs_manual_action(record.payment_id):
            details = f"a refund of {amount} is required, and failed at Razorpay"
            self._found("different_state", record.id, details, payment)

    def _compare_payment(self, payment: Payment) -> None:
        order = self.records.find_order(payment.razorpay_order_id)
        if order is None:
            details = f"Razorpay does not have {payment.razorpay_order_id}"
            self._found("missing_there", payment.id, details, payment)
        elif order.amount != payment.price or order.is_paid is not payment.is_paid:
            # one that agrees was compared with the orders
            self._compare_order(payment, order)

    def _compare_order(self, payment: Payment, order: RazorpayOrder) -> None:
        if order.amount != payment.price:
            expected, amount = in_minor_units(payment.price), in_minor_units(order.amount)
            details = f"Razorpay has {amount}, the shop {expected}"
            self._found("different_amount", order.id, details, payment)
        elif order.is_paid and not payment.is_paid:
            self._find_capture(payment, order)
        elif payment.is_paid and not order.is_paid:
            # it may have been paid since the list was read
            present = self.records.find_order(order.id)
            if present is None or not present.is_paid:
                details = f"the payment is {payment.status}, its order is not paid at Razorpay"
                self._found("different_state", order.id, details, payment)
        elif payment.is_paid and self.updates.sync_order(payment.id):
            self.report.counts["repaired"] += 1

    def _find_capture(self, payment: Payment, order: RazorpayOrder) -> None:
        """Compare the attempts of a paid order, which may lie outside of the window."""
        for attempt in self.records.list_attempts(order.id):
            self._compare_attempt(attempt)
        present = self.payments.find(payment.id) or payment
        if not present.captures:
            details = f"the order is paid at Razorpay, the payment is {present.status}"
            self._found("different_state", order.id, details, present)

    def _find(self, razorpay_order_ids: Iterable[str | None]) -> Mapping[str, Payment]:
        return self.payments.find_by_razorpay_orders({id_ for id_ in razorpay_order_ids if id_})

    def _found(self, kind: DriftKind, id_: str, details: str, payment: Payment | None) -> None:
        self.report.counts["drift"] += 1
        self.drift.report(kind, id_, details, payment)

    def _for_each[R: (Attempt, RazorpayRefund, RazorpayOrder, Payment)](
        self, page: Records[R], compare: Callable[[R], None]
    ) -> int:
        """Compare each record of a page and count failures; returns the number of records.

        Raises the failure when Razorpay does not answer about several records in a row.
        """
        counts = self.report.counts
        for record in page:
            counts["checked"] += 1
            ids = {"record": record.id}
            if isinstance(record, UnreadableRecord):
                telemetry.logger.error("not compared: the record cannot be read", extra=ids)
                counts["failed"] += 1
                continue
            try:
                compare(record)
            except Exception as failure:
                if self.report.note_failure(unanswered=is_unanswered(failure)):
                    raise
                telemetry.logger.exception("not compared", extra=ids)
                counts["failed"] += 1
            else:
                self.report.unanswered = 0
        return len(page)


def _is_settled(payment: Payment, attempt: Attempt) -> bool:
    """Whether there is nothing to repair or to report about an attempt."""
    is_final = attempt.status is not AttemptStatus.AUTHORIZED
    is_own = payment.matches(attempt) or attempt.id in payment.attempt_ids
    return is_final and is_own and _agree(payment, attempt)


def _is_capturable(payment: Payment, attempt: Attempt) -> bool:
    """Whether an authorized attempt pays the price, or is released since the order is cancelled."""
    return payment.matches(attempt) or payment.has_cancelled_order


def _agree(payment: Payment, attempt: Attempt) -> bool:
    """Whether the payment contains the outcome of an attempt, if it has one yet."""
    if attempt.was_captured:
        has_fee = attempt.fee is None or payment.fee_of(attempt.id) is not None
        return attempt.id in payment.attempt_ids and has_fee
    if attempt.status is AttemptStatus.FAILED:
        return not payment.is_open or attempt.id in payment.failed_attempts
    return True
