"""Use cases of payment: open, verify, capture, cancel and refund the payment of an order."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from payment.ledger import Entry
from payment.model.amounts import ForeignMoney, smallest_amount
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute
from payment.model.early_reports import EarlyReports
from payment.model.order import PayableOrder
from payment.model.payment import RAZORPAY, SHOP, Payment
from payment.model.refund import RazorpayRefund
from payment.model.signature import CheckoutSignature
from payment.model.status import FAILURE_REASONS, WRONG_AMOUNT, Failure, PaymentStatus
from payment.ports import CancelledOrder, Ledger, Orders, RazorpayKeys
from payment.refunds import NOT_FOUND, Refunds, report_disputes
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import is_id
from supermarket.errors import Conflict, Invalid, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey, KeyInUse
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import Transaction


class AttemptMismatch(Invalid):
    """An attempt belongs to another payment, or has another amount."""

    code = "ATTEMPT_MISMATCH"


@dataclass(frozen=True)
class PaymentService(Refunds):
    """The use cases of payment, with those of refunds."""

    ledger: Ledger
    orders: Orders
    keys: Callable[[], RazorpayKeys]

    def create(self, order_id: str, caller: Caller, key: IdempotencyKey | None = None) -> Payment:
        """Open the payment of the caller's order, or return the open one.

        The same key returns the same payment, whatever its state is by then.
        """
        key = key and key.about(order_id)
        return retry_on_conflict(
            lambda: self._create(order_id, caller, key), on=(StaleWrite, KeyInUse)
        )

    def verify(self, signature: CheckoutSignature, caller: Caller) -> Payment:
        """Complete the caller's payment if the signature is valid and Razorpay's record agrees."""
        if not signature.is_valid(self.keys().key_secret):
            telemetry.count("InvalidCheckoutSignatures")
            raise Invalid("The signature of the payment is not valid")
        payment = self.payments.find_by_razorpay_id(signature.razorpay_order_id)
        if payment is None or payment.customer.user_id != caller.user_id:
            raise NotFound(NOT_FOUND)
        attempt_id = signature.razorpay_payment_id
        if attempt_id in payment.attempt_ids:
            return _paid(payment, AttemptStatus.CAPTURED)
        attempt = self._capture_authorized(payment, self.razorpay.get_attempt(attempt_id))
        payment = self._apply(payment, attempt)
        if any(payment.is_surplus(refund) for refund in payment.open_refunds):
            with suppress(Unavailable, Conflict):  # then the job sends them
                payment = self.sync_refunds(payment.id)
        return _paid(payment, attempt.status)

    def apply_payment_update(
        self, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment | None:
        """Apply Razorpay's record of an attempt once, without any call to Razorpay.

        Returns None when its Razorpay order is not ours. `refunds` are the known refunds of the
        attempt: one that was refunded before its first report is applied together with them. Money
        over another amount is refunded like a duplicate payment. Raises `AttemptMismatch` when the
        attempt took no money, or in a foreign currency.
        """
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        if payment is None:
            ids = {"razorpay_payment_id": attempt.id}
            telemetry.logger.warning("attempt to pay an unknown order", extra=ids)
            return None
        _check(payment, attempt)
        return self._apply(payment, attempt, refunds)

    def capture(self, attempt: Attempt) -> Payment | None:
        """Capture an authorized attempt and apply it; if the order is cancelled, refund it at once.

        Razorpay cannot release an authorization by request, only by a refund.
        """
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        if payment is None:
            return None
        payment = self._apply(payment, self._capture_authorized(payment, attempt))
        if payment.has_cancelled_order and payment.open_refunds:
            self.try_sync_refunds(payment.id)
        return self.payments.find(payment.id)

    def release_authorization(self, razorpay_payment_id: str) -> None:
        """Capture and refund an attempt that was authorized after its order was cancelled."""
        self.capture(self.razorpay.get_attempt(razorpay_payment_id))

    def sync_order(self, payment_id: str) -> bool:
        """Confirm the order of a completed payment, or refund the payment if it is cancelled.

        Returns whether there was anything to do, which means that an event was lost.
        """
        payment = self.payments.find(payment_id)
        if payment is None or payment.status is not PaymentStatus.COMPLETED:
            return False
        try:
            return self.orders.confirm(payment.order_id)
        except CancelledOrder as cancelled:
            if payment.has_cancelled_order:
                return False  # what could be refunded is, and the rest is disputed or failed
            self.refund_cancelled_order(payment, cancelled.failure)
            return True

    def list_unconfirmed(self, payments: Collection[Payment]) -> list[Payment]:
        """Return those of the payments that are completed and have an order that is not confirmed,
        which means that an event was lost.
        """
        completed = [one for one in payments if one.status is PaymentStatus.COMPLETED]
        unconfirmed = self.orders.list_unconfirmed({one.order_id for one in completed})
        return [payment for payment in completed if payment.order_id in unconfirmed]

    def refund_late_payment(self, payment_id: str) -> None:
        """Refund a completed payment whose order is cancelled, and send its unsent refunds.

        An order that was cancelled while its payment was being opened found no payment to cancel.
        """
        payment = self.payments.find(payment_id)
        if payment is not None:
            try:
                self.orders.get_payable(payment.order_id, payment.customer.user_id)
            except CancelledOrder as cancelled:
                self.cancel_payment(payment.order_id, cancelled.failure)
            except (Conflict, NotFound):
                pass  # it is not cancelled
        self.try_sync_refunds(payment_id)

    def cancel_payment(self, order_id: str, failure: Failure) -> None:
        """Cancel the open payment of a cancelled order, or refund the payment if it is paid."""
        payment = self.payments.find_by_order(order_id)
        if payment is None:
            return

        def cancel(payment: Payment) -> Payment:
            if payment.is_paid or payment.is_cancelled:
                return payment
            return payment.cancelled(failure, self.clock())

        _, payment = self.changes.update(payment, cancel, "payment cancelled", SHOP)
        if payment.is_paid:
            self.refund_cancelled_order(payment, failure)

    def get_payment(self, payment_id: str, caller: Caller) -> Payment:
        return _visible(self.payments.find(payment_id) if is_id(payment_id) else None, caller)

    def get_order_payment(self, order_id: str, caller: Caller) -> Payment:
        return _visible(self.payments.find_by_order(order_id) if is_id(order_id) else None, caller)

    def list_entries(self, payment: Payment) -> tuple[Entry, ...]:
        """Return the ledger entries of a payment, oldest first."""
        return self.ledger.list_by_payment(payment.id)

    def _create(self, order_id: str, caller: Caller, key: IdempotencyKey | None) -> Payment:
        payment_id = self.idempotency_keys.find_result(key) if key else None
        if payment_id and (payment := self.payments.find(payment_id)):
            return payment
        order = self.orders.get_payable(order_id, caller.user_id)
        payment = self.payments.find_by_order(order.id)
        if payment is not None and payment.is_paid:
            raise Conflict("This order is paid")
        if payment is not None and payment.is_open:
            if key is not None:
                self.changes.save_result(key, payment.id)
            return payment
        opened = payment.reopened(self.clock()) if payment else self._new_payment(order)
        self.changes.commit(
            payment,
            opened,
            "payment opened",
            caller.user_id,
            key,
            opened.id,
            lambda transaction: self.orders.open_payment(order, opened.pay_until, transaction),
        )
        return opened

    def _new_payment(self, order: PayableOrder) -> Payment:
        minimum = smallest_amount(order.total.currency)
        if order.total.minor < minimum.minor:
            raise Conflict(f"The smallest possible payment is {minimum}")
        payment_id = self.new_id()
        razorpay_order_id = self.razorpay.create_order(payment_id, order.id, order.total)
        return Payment.opened(payment_id, order, razorpay_order_id, self.clock())

    def _capture_authorized(self, payment: Payment, attempt: Attempt) -> Attempt:
        """Check an attempt and, if it is authorized and not paid otherwise, capture it.

        Raises `AttemptMismatch`.
        """
        _check(payment, attempt)
        is_taken = payment.is_paid or attempt.id in payment.attempt_ids
        # Razorpay releases by itself what is not captured
        if attempt.status is not AttemptStatus.AUTHORIZED or is_taken:
            return attempt
        captured = self.razorpay.capture(attempt)
        _check(payment, captured)
        return captured

    def _apply(
        self, payment: Payment, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment:
        """Apply an attempt that was checked; returns the payment after it."""
        early: EarlyReports | None = None

        def add(payment: Payment) -> Payment:
            nonlocal early
            if not attempt.was_captured or attempt.id in payment.attempt_ids:
                return self._with_attempt(payment, attempt)
            if early is None and attempt.status is AttemptStatus.CAPTURED:
                # there are hardly ever any, so they are read when the commit finds some
                early = EarlyReports(attempt.id)
            else:
                early = self.early_reports.find(attempt.id)
            return self._with_capture(payment, attempt, (*early.refunds, *refunds), early.disputes)

        def join(before: Payment, after: Payment, transaction: Transaction) -> None:
            if early and after.attempt_ids != before.attempt_ids:
                self.early_reports.require_unchanged(early, transaction)

        action = f"payment {attempt.status}"
        before, after = self.changes.update(payment, add, action, RAZORPAY, join)
        _report_surplus(before, after)
        report_disputes(before, after)
        return after

    def _with_attempt(self, payment: Payment, attempt: Attempt) -> Payment:
        if attempt.id in payment.attempt_ids:
            return payment.with_fee(attempt, self.clock())
        if attempt.status is AttemptStatus.AUTHORIZED and payment.is_cancelled:
            return payment.with_late_authorization(attempt.id, self.clock())
        is_new = payment.is_open and attempt.id not in payment.failed_attempts
        if attempt.status is AttemptStatus.FAILED and is_new:
            return payment.with_failed_attempt(attempt, self.clock())
        return payment

    def _with_capture(
        self,
        payment: Payment,
        attempt: Attempt,
        refunds: Sequence[RazorpayRefund],
        disputes: Sequence[Dispute],
    ) -> Payment:
        """Return the payment with a captured attempt and, in one change, what is known about it and
        the refund that it requires.
        """
        now = self.clock()
        is_surplus = payment.is_paid or not payment.matches(attempt)
        after = (payment.with_surplus if is_surplus else payment.completed)(attempt, now)
        for record in refunds:
            after = self._with_record(record, after)
        for dispute in disputes:
            after = self._with_dispute(dispute, after)
        is_refunded = attempt.status is AttemptStatus.REFUNDED
        if is_refunded and not after.balance_of(attempt.id).is_refunded:
            # refunded before its first report: it must never confirm an order, so nothing
            # changes until the refunds of all of it are known
            return payment
        if not after.requires_refund_now(attempt.id):
            return after
        reason = after.refund_reason(attempt.id)
        return after.with_full_refund(attempt.id, self.new_id(), reason, now)


def _check(payment: Payment, attempt: Attempt) -> None:
    """Check that the shop can use an attempt, or give its money back. Raises `AttemptMismatch`."""
    is_own = attempt.razorpay_order_id == payment.razorpay_order_id
    is_foreign = isinstance(attempt.amount, ForeignMoney)
    is_returnable = attempt.was_captured or payment.has_cancelled_order
    if not is_own or is_foreign or not (is_returnable or payment.matches(attempt)):
        _report_mismatch(payment, attempt.id)
        raise AttemptMismatch("Razorpay's record does not match this payment")


def _report_surplus(before: Payment, after: Payment) -> None:
    """Report new money that did not complete the payment."""
    for capture in after.surplus:
        if capture.attempt_id in before.attempt_ids:
            continue
        if capture.amount != after.price:
            _report_mismatch(after, capture.attempt_id)
        else:
            ids = {"payment_id": after.id, "razorpay_payment_id": capture.attempt_id}
            telemetry.logger.error("an order was paid twice", extra=ids)
            telemetry.count("DuplicatePayments")


def _report_mismatch(payment: Payment, attempt_id: str) -> None:
    ids = {"payment_id": payment.id, "razorpay_payment_id": attempt_id}
    telemetry.logger.error("attempt does not match its payment", extra=ids)
    telemetry.count("PaymentMismatches")


def _paid(payment: Payment, status: AttemptStatus) -> Payment:
    """Return a paid payment. Raises why an attempt with this status did not pay it."""
    if payment.is_paid:
        return payment
    if status is AttemptStatus.CAPTURED:
        raise AttemptMismatch(WRONG_AMOUNT)
    if status is AttemptStatus.REFUNDED:
        raise Invalid("This payment was refunded")
    if status is AttemptStatus.FAILED:
        raise Invalid(FAILURE_REASONS[Failure.DECLINED])
    raise Unavailable("Razorpay has not captured this payment yet. Try again.")


def _visible(payment: Payment | None, caller: Caller) -> Payment:
    if payment and (caller.is_admin or payment.customer.user_id == caller.user_id):
        return payment
    raise NotFound(NOT_FOUND)
