"""Use cases of payment: open one for an order, learn what became of it, look at it, call it off
with its order, and give its money back.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from payment.changes import AlsoWrite, Changes
from payment.ledger import Entry
from payment.model import (
    THE_SHOP,
    Attempt,
    AttemptStatus,
    Failure,
    PayableOrder,
    Payment,
    PaymentStatus,
    Proof,
    RazorpayRefund,
    Refund,
    is_large_enough,
    smallest,
)
from payment.ports import (
    Ledger,
    OrderExpired,
    OrderGone,
    Orders,
    Overtaken,
    Payments,
    Razorpay,
    RazorpayKeys,
)
from payment.refunds import (
    BUSY,
    NOT_FOUND,
    PAID_TWICE,
    RAZORPAY,
    TRIES,
    Refunds,
)
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId, is_id
from supermarket.errors import Conflict, Invalid, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.transaction import BeginTransaction

NOT_GENUINE = "The payment's signature is not valid"
NOT_THIS_PAYMENT = "Razorpay's record does not fit this payment"
NOT_CAPTURED = "Razorpay has not captured this payment yet. Try again."
GIVEN_BACK = "This payment was refunded"
ORDER_GONE = "The order is cancelled, so its payment was not taken"
PAID_ALREADY = "This order is paid"


class Mismatch(Invalid):
    """An attempt is for another payment, or over other money."""

    code = "MISMATCH"


@dataclass(frozen=True)
class Checkout:
    """A payment that waits for its customer, and the key that Razorpay's checkout needs."""

    payment: Payment
    key_id: str


class PaymentService:
    """What can be done with payments."""

    def __init__(
        self,
        *,
        payments: Payments,
        ledger: Ledger,
        orders: Orders,
        razorpay: Razorpay,
        refunds: Refunds,
        changes: Changes,
        idempotency_keys: IdempotencyKeys,
        keys: Callable[[], RazorpayKeys],
        begin: BeginTransaction,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._payments = payments
        self._ledger = ledger
        self._orders = orders
        self._razorpay = razorpay
        self._refunds = refunds
        self._changes = changes
        self._idempotency_keys = idempotency_keys
        self._keys = keys
        self._begin = begin
        self._clock = clock
        self._new_id = new_id

    def create(self, order_id: str, caller: Caller, key: IdempotencyKey | None = None) -> Checkout:
        """The one payment of the caller's order, ready to be paid: opened, or the one there is.

        The same key gets the same payment, whatever became of it since.
        """
        key = key and key.about(order_id)
        for _ in range(TRIES):
            payment = self._result_of(key)
            try:
                ready = payment or self._readied(order_id, caller, key)
            except (Overtaken, KeyInUse):
                continue
            return Checkout(ready, self._keys().key_id)
        raise Conflict(BUSY)

    def verify(self, proof: Proof, caller: Caller) -> Payment:
        """The caller's payment, completed if the proof is genuine and Razorpay's record agrees."""
        if not proof.is_signed_with(self._keys().key_secret):
            telemetry.count("PaymentProofsRefused")
            raise Invalid(NOT_GENUINE)
        payment = self._payments.find_by_razorpay_order(proof.razorpay_order_id)
        if payment is None or not payment.is_of(caller):
            raise NotFound(NOT_FOUND)
        if proof.razorpay_payment_id in payment.attempts:
            return payment
        attempt = self._captured(payment, self._razorpay.attempt(proof.razorpay_payment_id))
        learned = self._learned(payment, attempt)
        if attempt.status is AttemptStatus.REFUNDED and not learned.is_paid:
            raise Invalid(GIVEN_BACK)
        return _paid(self._without_surplus(learned), attempt)

    def learn_of_attempt(
        self, razorpay_order_id: str, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment | None:
        """Let Razorpay's word about an attempt take effect once, whoever else reports it, in
        whatever order; None when the Razorpay order is not ours. Calls nobody.

        `refunds` are those of it that are known: what is back with its customer already only
        counts together with them.
        """
        payment = self._payments.find_by_razorpay_order(razorpay_order_id)
        if payment is None:
            named = {"razorpay_order_id": razorpay_order_id, "razorpay_payment_id": attempt.id}
            telemetry.logger.warning("an attempt to pay nothing we know", extra=named)
            return None
        return self._learned(payment, attempt, refunds)

    def take(self, razorpay_order_id: str, attempt: Attempt) -> Payment | None:
        """Capture what a customer set aside and nobody took, as long as it is wanted."""
        payment = self._payments.find_by_razorpay_order(razorpay_order_id)
        if payment is None or payment.is_called_off:
            return payment
        return self._learned(payment, self._captured(payment, attempt))

    def learn_of_refund(self, record: RazorpayRefund) -> Payment | None:
        """The same for a refund; None when the payment is not ours."""
        return self._refunds.learn(record)

    def refund(
        self, payment_id: str, amount: Decimal | None, caller: Caller, key: IdempotencyKey | None
    ) -> tuple[Payment, Refund]:
        """Give money back because an admin says so: `amount`, or all that is left."""
        return self._refunds.request(payment_id, amount, caller.user_id, key)

    def agree_with_order(self, payment_id: str) -> bool:
        """Let a complete payment and its order agree, whatever news got lost: the order is
        confirmed, or the money goes back if it is gone. Whether there was anything to do.
        """
        payment = self._payments.find(payment_id)
        if payment is None or payment.status is not PaymentStatus.COMPLETED:
            return False
        try:
            return self._orders.confirm(payment.order_id)
        except OrderGone as gone:
            if payment.waits_for_a_person:
                return False
            self.call_off(payment.order_id, _failure(gone))
            return True

    def drive_refunds(self, payment_id: str) -> Payment:
        """Bring the open refunds of a payment on their way; doing so again is harmless."""
        return self._refunds.drive(payment_id)

    def get(self, payment_id: str, caller: Caller) -> Payment:
        payment = self._payments.find(payment_id) if is_id(payment_id) else None
        return _visible(payment, caller)

    def get_of_order(self, order_id: str, caller: Caller) -> Payment:
        payment = self._payments.find_by_order(order_id) if is_id(order_id) else None
        return _visible(payment, caller)

    def entries_of(self, payment: Payment) -> tuple[Entry, ...]:
        """What the ledger says of a payment."""
        return self._ledger.of_payment(payment.id)

    def return_late_money(self, payment_id: str) -> None:
        """Money came: if it is owed back, or its order is gone, let it go back.

        An order that was cancelled while its payment was being made could tell it to nobody, and
        whoever made the payment may have died before looking again.
        """
        payment = self._payments.find(payment_id)
        if payment is not None and (gone := self._orphaned(payment)):
            self.call_off(payment.order_id, _failure(gone))
        self._refunds.drive_now_or_later(payment_id)

    def call_off(self, order_id: str, failure: Failure) -> None:
        """The order is cancelled: its open payment fails; money that was taken goes back, now or
        when Razorpay takes it.
        """
        for _ in range(TRIES):
            payment = self._payments.find_by_order(order_id)
            if payment is not None and payment.is_paid:
                self._refunds.give_back(payment.id, failure)
                return
            if payment is None or payment.is_called_off:
                return
            called_off = payment.called_off(failure, self._clock())
            try:
                self._changes.commit(payment, called_off, "payment called off", THE_SHOP)
            except Overtaken:
                continue
            return
        raise Conflict(BUSY)

    def _result_of(self, key: IdempotencyKey | None) -> Payment | None:
        payment_id = self._idempotency_keys.find_result(key) if key else None
        return self._payments.find(payment_id) if payment_id else None

    def _readied(self, order_id: str, caller: Caller, key: IdempotencyKey | None) -> Payment:
        """The payment of the order, open: as it is, opened again, or new."""
        order = self._orders.payable(order_id, caller.user_id)
        payment = self._payments.find_by_order(order.id)
        if payment is not None and payment.is_paid:
            raise Conflict(PAID_ALREADY)
        if payment is not None and payment.is_open:
            self._tie(key, payment)
            return payment
        ready = self._opened(order) if payment is None else payment.reopened(self._clock())
        also = None if key is None else self._remembering(key, ready)
        self._changes.commit(payment, ready, "payment opened", caller.user_id, also)
        self._recheck(order, caller)
        return ready

    def _opened(self, order: PayableOrder) -> Payment:
        if not is_large_enough(order.total):
            least = smallest(order.total.currency)
            raise Conflict(f"Payments start at {least.amount:.2f} {least.currency}")
        payment_id = self._new_id()
        razorpay_order_id = self._razorpay.open_order(payment_id, order.id, order.total)
        return Payment.opened(payment_id, order, razorpay_order_id, self._clock())

    def _recheck(self, order: PayableOrder, caller: Caller) -> None:
        """An order that was cancelled before its payment was there could not call it off.

        One that is paid by now, or out of time but not cancelled yet, keeps its payment.
        """
        try:
            self._orders.payable(order.id, caller.user_id)
        except OrderGone as gone:
            self.call_off(order.id, _failure(gone))
            raise

    def _orphaned(self, payment: Payment) -> OrderGone | None:
        """How its order is gone, if it is."""
        try:
            self._orders.payable(payment.order_id, payment.customer.user_id)
        except OrderGone as gone:
            return gone
        except (Conflict, NotFound):
            return None
        return None

    def _remembering(self, key: IdempotencyKey, payment: Payment) -> AlsoWrite:
        return lambda transaction: self._idempotency_keys.save_result(key, payment.id, transaction)

    def _tie(self, key: IdempotencyKey | None, payment: Payment) -> None:
        """Remember that the key led to a payment that was there before."""
        if key is None:
            return
        transaction = self._begin()
        self._idempotency_keys.save_result(key, payment.id, transaction)
        transaction.commit()

    def _captured(self, payment: Payment, attempt: Attempt) -> Attempt:
        """The attempt with its money taken, if it was only set aside and is wanted."""
        _checked(payment, attempt)
        # Razorpay gives back by itself what nobody captures
        if attempt.status is not AttemptStatus.AUTHORIZED or payment.is_paid:
            return attempt
        if payment.is_called_off:
            raise Conflict(ORDER_GONE)
        return _checked(payment, self._razorpay.capture(attempt))

    def _learned(
        self, payment: Payment, attempt: Attempt, refunds: Sequence[RazorpayRefund] = ()
    ) -> Payment:
        """The payment after the attempt took effect: here, or where somebody was faster."""
        for _ in range(TRIES):
            after = self._after(payment, _checked(payment, attempt), refunds)
            if after == payment:
                return payment
            try:
                self._changes.commit(payment, after, f"payment {attempt.status}", RAZORPAY)
            except Overtaken:
                payment = self._payments.find(payment.id) or payment
                continue
            _report_surplus(payment, after)
            return after
        raise Conflict(BUSY)

    def _after(
        self, payment: Payment, attempt: Attempt, refunds: Sequence[RazorpayRefund]
    ) -> Payment:
        """What becomes of the payment; itself when this is old news."""
        now = self._clock()
        if attempt.id in payment.attempts:
            return payment.charged(attempt, now)
        if attempt.status is AttemptStatus.REFUNDED:
            return self._given_back_before(payment, attempt, refunds)
        if attempt.is_taken:
            return (self._paid_again if payment.is_paid else self._completed)(payment, attempt)
        news = payment.is_open and attempt.id not in payment.declined
        if attempt.status is AttemptStatus.FAILED and news:
            return payment.declined_by(attempt, now)
        return payment

    def _completed(self, payment: Payment, attempt: Attempt) -> Payment:
        """Complete; and with it, in one change, wanted back if its order is gone."""
        now = self._clock()
        completed = payment.completed(attempt, now)
        if not payment.is_called_off or payment.failure is None:
            return completed
        return completed.given_back(self._new_id(), payment.failure.refund_reason, THE_SHOP, now)

    def _paid_again(self, payment: Payment, attempt: Attempt) -> Payment:
        """With money that nobody owed, and in the same change wanted back."""
        now = self._clock()
        paid = payment.taken_again(attempt, now)
        return paid.surplus_given_back(attempt.id, self._new_id(), PAID_TWICE, THE_SHOP, now)

    def _given_back_before(
        self, payment: Payment, attempt: Attempt, refunds: Sequence[RazorpayRefund]
    ) -> Payment:
        """With money that came and went before we heard of it, in one change, so that it never
        confirms an order; itself while the refunds that are known do not tell of all of it.
        """
        now = self._clock()
        taken = payment.taken_again if payment.is_paid else payment.completed
        after = taken(attempt, now)
        for record in refunds:
            if record.payment_id == attempt.id and record.amount.currency == attempt.currency:
                after = after.told_of(record, self._new_id(), now)
        return after if after.is_back(attempt.id) else payment

    def _without_surplus(self, payment: Payment) -> Payment:
        """Send back what was paid once too often; the job does so if Razorpay is down by now."""
        if any(refund.is_of_surplus for refund in payment.open_refunds):
            with suppress(Unavailable, Conflict):
                return self._refunds.drive(payment.id)
        return payment


def _paid(payment: Payment, attempt: Attempt) -> Payment:
    """The payment, if it is paid; what to tell the customer otherwise."""
    if payment.is_paid:
        return payment
    if attempt.status is AttemptStatus.FAILED:
        raise Invalid(Failure.DECLINED.reason)
    raise Unavailable(NOT_CAPTURED)


def _failure(gone: OrderGone) -> Failure:
    expired = isinstance(gone, OrderExpired)
    return Failure.ORDER_EXPIRED if expired else Failure.ORDER_CANCELLED


def _report_surplus(before: Payment, after: Payment) -> None:
    for attempt_id in after.attempts - before.attempts - {after.razorpay_payment_id}:
        named = {"payment_id": after.id, "razorpay_payment_id": attempt_id}
        telemetry.logger.error("an order was paid twice", extra=named)
        telemetry.count("PaidTwice")


def _checked(payment: Payment, attempt: Attempt) -> Attempt:
    """The attempt, if it is for this payment and over the very same money."""
    if not payment.is_meant_by(attempt):
        telemetry.logger.error(
            "an attempt does not fit its payment",
            extra={"payment_id": payment.id, "razorpay_payment_id": attempt.id},
        )
        telemetry.count("PaymentMismatches")
        raise Mismatch(NOT_THIS_PAYMENT)
    return attempt


def _visible(payment: Payment | None, caller: Caller) -> Payment:
    if payment is None or not payment.may_be_seen_by(caller):
        raise NotFound(NOT_FOUND)
    return payment
