"""Use cases of refunds: request them, send them to Razorpay and apply their outcome.

A refund is stored before it is sent to Razorpay, and it is sent with its id. After a crash it can
therefore be sent again, and is made once.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from payment.changes import Changes
from payment.model.amounts import smallest_amount
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.payment import RAZORPAY, SHOP, Payment, RecordMismatch
from payment.model.refund import RazorpayRefund, Refund, RefundStatus
from payment.model.status import Failure
from payment.ports import EarlyReportStore, Payments, ProviderRejected, Razorpay
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.errors import BadGateway, Conflict, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.money import Money
from supermarket.retry import StaleWrite, retry_on_conflict

NOT_FOUND = "Payment not found"
BY_ADMIN = "The shop refunded this payment."


class RefundTooSmall(Conflict):
    """The refund, or what it would leave of the payment, is less than Razorpay can refund."""

    code = "REFUND_TOO_SMALL"


@dataclass(frozen=True)
class Refunds:
    """The use cases of refunds."""

    payments: Payments
    razorpay: Razorpay
    changes: Changes
    idempotency_keys: IdempotencyKeys
    early_reports: EarlyReportStore
    clock: Clock
    new_id: NewId

    def refund(
        self, payment_id: str, amount: Decimal | None, caller: Caller, key: IdempotencyKey
    ) -> tuple[Payment, Refund]:
        """Refund `amount`, or all that is left, on behalf of an admin, once per key.

        The refund stays REQUESTED when Razorpay does not answer, and `sync_refunds` sends it again.
        Raises `RefundTooSmall`; `BadGateway` when Razorpay rejects it.
        """
        key, by = key.about(payment_id), caller.user_id
        payment, refund_id = retry_on_conflict(
            lambda: self._request(payment_id, amount, by, key), on=(StaleWrite, KeyInUse)
        )
        try:
            payment = self._send(payment, payment.get_refund(refund_id))
        except Unavailable:
            telemetry.logger.warning("a refund waits to be sent", extra={"refund_id": refund_id})
        refund = payment.get_refund(refund_id)
        if refund.status is RefundStatus.FAILED and refund.razorpay_refund_id is None:
            raise BadGateway("Razorpay rejected the refund. No money was refunded.")
        return payment, refund

    def refund_cancelled_order(self, payment: Payment, failure: Failure) -> None:
        """Refund all that is left of a payment whose order is cancelled, once."""

        def cancel(payment: Payment) -> Payment:
            if payment.is_refunded or payment.has_cancelled_order:
                return payment
            return payment.with_cancelled_order(failure, self.new_id(), self.clock())

        self.changes.update(payment, cancel, "refund requested", SHOP)
        self.try_sync_refunds(payment.id)

    def try_sync_refunds(self, payment_id: str) -> None:
        """Call `sync_refunds`; what Razorpay does not accept now is left to the job."""
        try:
            self.sync_refunds(payment_id)
        except Unavailable as failure:
            extra = {"payment_id": payment_id, "problem": failure.message}
            telemetry.logger.warning("refunds wait to be sent", extra=extra)
            telemetry.count("RefundsPostponed")

    def sync_refunds(self, payment_id: str) -> Payment:
        """Apply Razorpay's records of the open refunds of a payment, and send those without one."""
        payment = self._get(payment_id)
        for attempt_id in dict.fromkeys(refund.attempt_id for refund in payment.open_refunds):
            payment = self._apply_records(payment, attempt_id)
        for refund in payment.open_refunds:
            payment = self._reduce_to_remaining(payment, refund.id)
        for refund in payment.open_refunds:
            payment = self._send(payment, payment.get_refund(refund.id))
        return payment

    def apply_refund_update(self, record: RazorpayRefund) -> Payment | None:
        """Apply Razorpay's record of a refund once; returns None when its attempt is unknown."""
        payment = self.payments.find_by_razorpay_id(record.payment_id)
        if payment is None:
            telemetry.logger.warning("refund of an unknown payment", extra=_ids_of(record))
            return None
        action, apply = f"refund {record.status.lower()}", partial(self._with_record, record)
        before, after = self.changes.update(payment, apply, action, RAZORPAY)
        _report_reversed(before, record)
        _report_failed(before, after)
        return after

    def apply_dispute_update(self, report: Dispute) -> Payment | None:
        """Apply Razorpay's record of a dispute once; returns None when its attempt is unknown."""
        payment = self.payments.find_by_razorpay_id(report.attempt_id)
        if payment is None:
            return None
        action, apply = f"dispute {report.status.lower()}", partial(self._with_dispute, report)
        before, after = self.changes.update(payment, apply, action, RAZORPAY)
        report_disputes(before, after)
        return after

    def keep_early_report(self, report: RazorpayRefund | Dispute) -> None:
        """Keep a report about an attempt that is not known yet, until the attempt is applied."""
        attempt_id = report.attempt_id if isinstance(report, Dispute) else report.payment_id

        def keep() -> None:
            known = self.early_reports.find(attempt_id)
            kept = known.with_report(report)
            if kept != known:
                transaction = self.changes.begin()
                self.early_reports.save(kept, transaction)
                transaction.commit()

        retry_on_conflict(keep)
        telemetry.logger.warning("report about an unknown attempt kept", extra={"id": report.id})
        # an attempt that was applied before the report was kept did not find it
        if isinstance(report, Dispute):
            self.apply_dispute_update(report)
        else:
            self.apply_refund_update(report)

    def _request(
        self, payment_id: str, amount: Decimal | None, by: str, key: IdempotencyKey
    ) -> tuple[Payment, str]:
        # the key is read first: a payment read after it contains the refund that it led to
        earlier = self.idempotency_keys.find_result(key)
        payment = self._get(payment_id)
        if earlier is not None:
            return payment, earlier
        try:
            refund = self._new_refund(payment, amount, by)
        except Conflict:
            # the same request, sent twice, may have requested the money in between
            if earlier := self.idempotency_keys.find_result(key):
                return self._get(payment_id), earlier
            raise
        after = payment.with_refund(refund, self.clock())
        self.changes.commit(payment, after, "refund requested", by, key, refund.id)
        return after, refund.id

    def _new_refund(self, payment: Payment, amount: Decimal | None, by: str) -> Refund:
        attempt_id, left = payment.razorpay_payment_id, payment.balance.remaining
        if attempt_id is None:
            raise Conflict("This payment is not paid, so it cannot be refunded")
        if not left.minor:
            raise Conflict("This payment is refunded or disputed, or its refund is pending")
        wanted = left if amount is None else Money.of(amount, left.currency)
        if wanted.minor > left.minor:
            raise Conflict(f"At most {left} of this payment can be refunded")
        _require_refundable(wanted, left)
        now = self.clock()
        return Refund(self.new_id(), attempt_id, wanted, BY_ADMIN, by, now, now)

    def _send(self, payment: Payment, refund: Refund) -> Payment:
        """Send a refund that Razorpay does not have; returns the payment after its answer."""
        if refund.is_sent:
            return payment
        try:
            record = self.razorpay.refund(refund.attempt_id, refund.amount, refund.id)
        except ProviderRejected:
            return self._handle_rejection(payment, refund)
        return self.apply_refund_update(record) or payment

    def _handle_rejection(self, payment: Payment, refund: Refund) -> Payment:
        """Find out why Razorpay rejects a refund; returns the payment after it.

        Razorpay may have made it before and its answer was lost, or part of the money was refunded
        in its dashboard.
        """
        payment = self._apply_records(payment, refund.attempt_id)
        reduced = self._reduce_to_remaining(payment, refund.id)
        if reduced.get_refund(refund.id).is_sent:
            # a replacement is smaller than the refund before it, so the recursion ends
            known = {one.id for one in payment.refunds}
            new = next((one for one in reduced.refunds if one.id not in known), None)
            return self._send(reduced, new) if new else reduced

        def reject(payment: Payment) -> Payment:
            return payment.with_rejected_refund(refund.id, self.clock())

        before, after = self.changes.update(reduced, reject, "refund rejected", RAZORPAY)
        _report_rejected(before, after, refund.id)
        _report_failed(before, after)
        return after

    def _apply_records(self, payment: Payment, attempt_id: str) -> Payment:
        for record in self.razorpay.list_refunds(attempt_id):
            payment = self.apply_refund_update(record) or payment
        return payment

    def _reduce_to_remaining(self, payment: Payment, refund_id: str) -> Payment:
        """Reduce a required refund to what is left; one that ends so has not failed."""

        def reduce(payment: Payment) -> Payment:
            return payment.reduced_to_remaining(refund_id, self.new_id(), self.clock())

        return self.changes.update(payment, reduce, "refund reduced", RAZORPAY)[1]

    def _with_record(self, record: RazorpayRefund, payment: Payment) -> Payment:
        try:
            return payment.with_refund_record(record, self.new_id(), self.clock())
        except RecordMismatch:
            telemetry.logger.exception("refund does not match its payment", extra=_ids_of(record))
            telemetry.count("PaymentMismatches")
            return payment

    def _with_dispute(self, report: Dispute, payment: Payment) -> Payment:
        try:
            return payment.with_dispute(report, self.new_id(), self.clock())
        except RecordMismatch:
            ids = {"dispute_id": report.id, "razorpay_payment_id": report.attempt_id}
            telemetry.logger.exception("dispute does not match its payment", extra=ids)
            telemetry.count("PaymentMismatches")
            return payment

    def _get(self, payment_id: str) -> Payment:
        payment = self.payments.find(payment_id) if is_id(payment_id) else None
        if payment is None:
            raise NotFound(NOT_FOUND)
        return payment


def _require_refundable(wanted: Money, left: Money) -> None:
    """Check that Razorpay can make a refund, and later one of the rest. Raises `RefundTooSmall`."""
    smallest, rest = smallest_amount(wanted.currency), left - wanted
    if wanted.minor < smallest.minor:
        raise RefundTooSmall(f"The smallest possible refund is {smallest}")
    if 0 < rest.minor < smallest.minor:
        raise RefundTooSmall(
            f"This would leave {rest}, and the smallest possible refund is {smallest}. "
            f"Refund {left}, or at most {left - smallest}."
        )


def _ids_of(record: RazorpayRefund) -> dict[str, object]:
    return {"razorpay_refund_id": record.id, "razorpay_payment_id": record.payment_id}


def report_disputes(before: Payment, after: Payment) -> None:
    """Report disputes that were opened or lost by a change: a person has to act."""
    known = {one.id: one.status for one in before.disputes}
    for dispute in after.disputes:
        ids = {"payment_id": after.id, "order_id": after.order_id, "dispute_id": dispute.id}
        if dispute.is_open and dispute.id not in known:
            telemetry.logger.error("a dispute was opened", extra=ids)
            telemetry.count("DisputesOpened")
        lost = DisputeStatus.LOST
        if dispute.status is lost and known.get(dispute.id) is not lost:
            telemetry.logger.error("a dispute was lost", extra=ids)
            telemetry.count("DisputesLost")


def _report_failed(before: Payment, after: Payment) -> None:
    """Report refunds that failed by a change: a person has to return the money another way."""
    failed = {one.id for one in before.refunds if one.status is RefundStatus.FAILED}
    for refund in after.refunds:
        if refund.status is RefundStatus.FAILED and refund.id not in failed:
            _report("a refund failed", after, refund.id)


def _report_rejected(before: Payment, after: Payment, refund_id: str) -> None:
    """Report the first rejection of a required refund, and log the later ones."""
    if after.get_refund(refund_id).is_sent:
        return
    if after != before:
        _report("Razorpay rejects a required refund", after, refund_id)
    else:
        ids = {"payment_id": after.id, "refund_id": refund_id}
        telemetry.logger.warning("Razorpay still rejects a required refund", extra=ids)


def _report_reversed(payment: Payment, record: RazorpayRefund) -> None:
    """Report a processed refund that came back to the shop: the ledger cannot book that."""
    if record.status is RefundStatus.FAILED:
        for refund in payment.refunds:
            if refund.is_processed and refund.matches(record):
                _report("a processed refund was reversed", payment, refund.id)


def _report(problem: str, payment: Payment, refund_id: str) -> None:
    ids = {"payment_id": payment.id, "refund_id": refund_id}
    telemetry.logger.error(problem, extra=ids)
    telemetry.count("RefundsFailed")
