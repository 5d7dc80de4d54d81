"""Use cases of payment: open, verify, capture, cancel and refund the payment of an order."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from payment.ledger import Entry
from payment.model import (
    FAILURE_REASONS,
    MINIMUM_MINOR,
    RAZORPAY,
    REFUND_REASONS,
    SHOP,
    Attempt,
    AttemptStatus,
    CheckoutSignature,
    Failure,
    PayableOrder,
    Payment,
    PaymentStatus,
    RazorpayRefund,
)
from payment.ports import CancelledOrder, Ledger, Orders, RazorpayKeys
from payment.refunds import NOT_FOUND, Refunds
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import is_id
from supermarket.errors import Conflict, Invalid, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey, KeyInUse
from supermarket.money import Money
from supermarket.retry import StaleWrite, retry_on_conflict

PAID_TWICE = "This order was paid twice, so the second payment is refunded."


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
        if signature.razorpay_payment_id in payment.attempt_ids:
            return payment
        attempt = self.razorpay.get_attempt(signature.razorpay_payment_id)
        attempt = self._capture_authorized(payment, attempt)
        payment = self._apply(payment, attempt)
        if payment.is_paid:
            if any(payment.is_duplicate(refund) for refund in payment.open_refunds):
                with suppress(Unavailable, Conflict):  # then the job sends them
                    return self.sync_refunds(payment.id)
            return payment
        if attempt.status is AttemptStatus.REFUNDED:
            raise Invalid("This payment was refunded")
        if attempt.status is AttemptStatus.FAILED:
            raise Invalid(FAILURE_REASONS[Failure.DECLINED])
        raise Unavailable("Razorpay has not captured this payment yet. Try again.")

    def apply_payment_update(
        self, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment | None:
        """Apply Razorpay's record of an attempt once, without any call to Razorpay.

        Returns None when its Razorpay order is not ours. `refunds` are the known refunds of the
        attempt: one that was refunded before its first report is applied together with them.
        Raises `AttemptMismatch`.
        """
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        if payment is None:
            ids = {"razorpay_payment_id": attempt.id}
            telemetry.logger.warning("attempt to pay an unknown order", extra=ids)
            return None
        _check(payment, attempt)
        return self._apply(payment, attempt, refunds)

    def capture(self, attempt: Attempt) -> Payment | None:
        """Capture an authorized attempt unless its payment is cancelled, and apply it."""
        payment = self.payments.find_by_razorpay_id(attempt.razorpay_order_id or "")
        if payment is None or payment.is_cancelled:
            return payment
        return self._apply(payment, self._capture_authorized(payment, attempt))

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
            if payment.needs_manual_action(payment.captures[0].attempt_id):
                return False
            self.refund_cancelled_order(payment, cancelled.failure)
            return True

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
        self.changes.commit(payment, opened, "payment opened", caller.user_id, key, opened.id)
        try:
            # an order that was cancelled before its payment was stored could not cancel it; one
            # that is paid or out of time by now keeps it
            self.orders.get_payable(order.id, caller.user_id)
        except CancelledOrder as cancelled:
            self.cancel_payment(order.id, cancelled.failure)
            raise
        return opened

    def _new_payment(self, order: PayableOrder) -> Payment:
        minimum = Money(MINIMUM_MINOR, order.total.currency)
        if order.total.minor < minimum.minor:
            raise Conflict(f"The smallest possible payment is {minimum}")
        payment_id = self.new_id()
        razorpay_order_id = self.razorpay.create_order(payment_id, order.id, order.total)
        return Payment.opened(payment_id, order, razorpay_order_id, self.clock())

    def _capture_authorized(self, payment: Payment, attempt: Attempt) -> Attempt:
        """Check an attempt and, if it is authorized and needed, capture it.

        Raises `AttemptMismatch`; `Conflict` when the payment is cancelled.
        """
        _check(payment, attempt)
        # Razorpay releases by itself what is not captured
        if attempt.status is not AttemptStatus.AUTHORIZED or payment.is_paid:
            return attempt
        if payment.is_cancelled:
            raise Conflict("The order is cancelled, so its payment was not captured")
        captured = self.razorpay.capture(attempt)
        _check(payment, captured)
        return captured

    def _apply(
        self, payment: Payment, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment:
        """Apply an attempt that was checked; returns the payment after it."""
        add = partial(self._with_attempt, attempt, refunds)
        before, after = self.changes.update(payment, add, f"payment {attempt.status}", RAZORPAY)
        for capture in after.duplicate_payments:
            if capture.attempt_id not in before.attempt_ids:
                ids = {"payment_id": after.id, "razorpay_payment_id": capture.attempt_id}
                telemetry.logger.error("an order was paid twice", extra=ids)
                telemetry.count("DuplicatePayments")
        return after

    def _with_attempt(
        self, attempt: Attempt, refunds: Sequence[RazorpayRefund], payment: Payment
    ) -> Payment:
        if attempt.id in payment.attempt_ids:
            return payment.with_fee(attempt, self.clock())
        if attempt.was_captured:
            return self._with_capture(payment, attempt, refunds)
        is_new = payment.is_open and attempt.id not in payment.failed_attempts
        if attempt.status is AttemptStatus.FAILED and is_new:
            return payment.with_failed_attempt(attempt, self.clock())
        return payment

    def _with_capture(
        self, payment: Payment, attempt: Attempt, refunds: Sequence[RazorpayRefund]
    ) -> Payment:
        """Return the payment with a captured attempt and, in one change, the refund it requires."""
        now = self.clock()
        add = payment.with_duplicate_payment if payment.is_paid else payment.completed
        after = add(attempt, now)
        if attempt.status is AttemptStatus.REFUNDED:
            # refunded before its first report: it must never confirm an order, so nothing
            # changes until the refunds of all of it are known
            known = (attempt.id, attempt.amount.currency)
            for record in refunds:
                if (record.payment_id, record.amount.currency) == known:
                    after = after.with_refund_record(record, self.new_id(), now)
            return after if after.balance_of(attempt.id).is_refunded else payment
        if not after.requires_full_refund(attempt.id):
            return after
        failure = None if payment.is_paid else payment.failure
        reason = REFUND_REASONS[failure] if failure else PAID_TWICE
        return after.with_full_refund(attempt.id, self.new_id(), reason, now)


def _check(payment: Payment, attempt: Attempt) -> None:
    """Check that an attempt pays this payment's amount. Raises `AttemptMismatch`."""
    if not payment.matches(attempt):
        ids = {"payment_id": payment.id, "razorpay_payment_id": attempt.id}
        telemetry.logger.error("attempt does not match its payment", extra=ids)
        telemetry.count("PaymentMismatches")
        raise AttemptMismatch("Razorpay's record does not match this payment")


def _visible(payment: Payment | None, caller: Caller) -> Payment:
    if payment and (caller.is_admin or payment.customer.user_id == caller.user_id):
        return payment
    raise NotFound(NOT_FOUND)
