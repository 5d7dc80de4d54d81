"""Use cases of refunds: request them, send them to Razorpay and apply their outcome.

A refund is stored before it is sent to Razorpay, and it is sent with its id. After a crash it can
therefore be sent again, and is made once.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from payment.changes import Changes
from payment.model import (
    RAZORPAY,
    SHOP,
    Failure,
    Payment,
    RazorpayRefund,
    Refund,
    RefundMismatch,
    RefundStatus,
)
from payment.ports import Payments, ProviderRejected, Razorpay
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.errors import BadGateway, Conflict, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.money import Money
from supermarket.retry import StaleWrite, retry_on_conflict

NOT_FOUND = "Payment not found"
BY_ADMIN = "The shop refunded this payment."


@dataclass(frozen=True)
class Refunds:
    """The use cases of refunds."""

    payments: Payments
    razorpay: Razorpay
    changes: Changes
    idempotency_keys: IdempotencyKeys
    clock: Clock
    new_id: NewId

    def refund(
        self, payment_id: str, amount: Decimal | None, caller: Caller, key: IdempotencyKey | None
    ) -> tuple[Payment, Refund]:
        """Refund `amount`, or all that is left, on behalf of an admin, once per key.

        The refund stays REQUESTED when Razorpay does not answer, and `sync_refunds` sends it again.
        Raises `BadGateway` when Razorpay rejects it.
        """
        key, by = key and key.about(payment_id), caller.user_id
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
        except Unavailable:
            telemetry.logger.warning("refunds wait to be sent", extra={"payment_id": payment_id})

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
        """Apply Razorpay's record of a refund once; returns None when the payment is not ours."""
        payment = self.payments.find_by_razorpay_id(record.payment_id)
        if payment is None:
            telemetry.logger.warning("refund of an unknown payment", extra=_ids_of(record))
            return None
        action, apply = f"refund {record.status.lower()}", partial(self._with_record, record)
        before, after = self.changes.update(payment, apply, action, RAZORPAY)
        _report_reversed(before, record)
        _report_failed(before, after)
        return after

    def _request(
        self, payment_id: str, amount: Decimal | None, by: str, key: IdempotencyKey | None
    ) -> tuple[Payment, str]:
        # the key is read first: a payment read after it contains the refund that it led to
        earlier = self.idempotency_keys.find_result(key) if key else None
        payment = self._get(payment_id)
        if earlier is not None:
            return payment, earlier
        try:
            refund = self._new_refund(payment, amount, by)
        except Conflict:
            # the same request, sent twice, may have requested the money in between
            if key and (earlier := self.idempotency_keys.find_result(key)):
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
            raise Conflict("This payment is refunded, or its refund is pending")
        wanted = left if amount is None else Money.of(amount, left.currency)
        if wanted.minor > left.minor:
            raise Conflict(f"At most {left} of this payment can be refunded")
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
        except RefundMismatch:
            telemetry.logger.exception("refund does not match its payment", extra=_ids_of(record))
            telemetry.count("PaymentMismatches")
            return payment

    def _get(self, payment_id: str) -> Payment:
        payment = self.payments.find(payment_id) if is_id(payment_id) else None
        if payment is None:
            raise NotFound(NOT_FOUND)
        return payment


def _ids_of(record: RazorpayRefund) -> dict[str, object]:
    return {"razorpay_refund_id": record.id, "razorpay_payment_id": record.payment_id}


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
