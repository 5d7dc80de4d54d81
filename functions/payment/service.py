"""Use cases of payment: open one for an order, believe it when Razorpay's record does, look at it,
and call it off with its order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from payment.model import (
    Attempt,
    AttemptStatus,
    Failure,
    PayableOrder,
    Payment,
    Proof,
    is_large_enough,
    smallest,
)
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import ID_PATTERN, Clock, NewId
from supermarket.contracts import (
    Amount,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    Recipient,
)
from supermarket.errors import Conflict, Invalid, NotFound, Unavailable
from supermarket.money import Money
from supermarket.transaction import BeginTransaction, Transaction

TRIES = 4

NOT_FOUND = "There is no such payment"
NOT_GENUINE = "The payment's signature is not valid"
NOT_THIS_PAYMENT = "Razorpay's record does not fit this payment"
NOT_CAPTURED = "Razorpay has not captured this payment yet. Try again."
GIVEN_BACK = "This payment was refunded"
ORDER_GONE = "The order is cancelled, so its payment was not taken"
PAID_ALREADY = "This order is paid"
BUSY = "This payment is being changed at this very moment. Try again."


class Overtaken(Conflict):
    """The payment is not what it was when it was read: somebody else was faster."""


@dataclass(frozen=True)
class RazorpayKeys:
    """The shop's key at Razorpay. The secret is never shown."""

    key_id: str
    key_secret: str = field(repr=False)


@dataclass(frozen=True)
class Checkout:
    """A payment that waits for its customer, and the key that Razorpay's checkout needs."""

    payment: Payment
    key_id: str


class Payments(Protocol):
    """Where payments are kept. All reads see every write that was finished before them."""

    def find(self, payment_id: str) -> Payment | None: ...

    def find_by_order(self, order_id: str) -> Payment | None: ...

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None: ...

    def add(self, payment: Payment, transaction: Transaction) -> None:
        """Keep a new payment; Overtaken when its order has one already."""

    def save(self, payment: Payment, transaction: Transaction) -> None:
        """Keep a change; Overtaken unless it was made to the version that is kept."""


class Orders(Protocol):
    """The orders that wait to be paid."""

    def payable(self, order_id: str, customer_id: str) -> PayableOrder:
        """The customer's own order; NotFound when it is not, Conflict when it cannot be paid
        (any more).
        """


class Razorpay(Protocol):
    """The payment provider. Every call may raise Unavailable, having changed nothing here."""

    def open_order(self, payment_id: str, order_id: str, price: Money) -> str:
        """The id of a new Razorpay order over exactly this price."""

    def attempt(self, razorpay_payment_id: str) -> Attempt:
        """Razorpay's own record of an attempt to pay."""

    def capture(self, attempt: Attempt) -> Attempt:
        """Take the money of an authorized attempt, once; the record afterwards."""


class PaymentService:
    """What can be done with payments."""

    def __init__(
        self,
        payments: Payments,
        orders: Orders,
        razorpay: Razorpay,
        keys: Callable[[], RazorpayKeys],
        begin: BeginTransaction,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._payments = payments
        self._orders = orders
        self._razorpay = razorpay
        self._keys = keys
        self._begin = begin
        self._clock = clock
        self._new_id = new_id

    def create(self, order_id: str, caller: Caller) -> Checkout:
        """The one payment of the caller's order, ready to be paid: opened, or the one there is."""
        order = self._orders.payable(order_id, caller.user_id)
        for _ in range(TRIES):
            payment = self._payments.find_by_order(order.id)
            try:
                ready = self._open(order) if payment is None else self._ready(payment)
            except Overtaken:
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
        if payment.is_completed:
            return payment
        return self._settle(payment, self._taken(payment, proof))

    def get(self, payment_id: str, caller: Caller) -> Payment:
        return _visible(self._payments.find(_well_formed(payment_id)), caller)

    def get_of_order(self, order_id: str, caller: Caller) -> Payment:
        return _visible(self._payments.find_by_order(_well_formed(order_id)), caller)

    def call_off(self, order_id: str, failure: Failure) -> None:
        """The order is cancelled: its open payment fails; money that was taken must go back."""
        for _ in range(TRIES):
            payment = self._payments.find_by_order(order_id)
            if payment is not None and payment.is_completed:
                _report_refund_due(payment)
            if payment is None or not payment.is_open:
                return
            try:
                self._fail(payment.called_off(failure, self._clock()), failure)
            except Overtaken:
                continue
            return
        raise Conflict(BUSY)

    def _open(self, order: PayableOrder) -> Payment:
        if not is_large_enough(order.total):
            least = smallest(order.total.currency)
            raise Conflict(f"Payments start at {least.amount:.2f} {least.currency}")
        payment_id = self._new_id()
        razorpay_order_id = self._razorpay.open_order(payment_id, order.id, order.total)
        payment = Payment.opened(payment_id, order, razorpay_order_id, self._clock())
        transaction = self._begin()
        self._payments.add(payment, transaction)
        self._initiate(payment, transaction)
        return payment

    def _ready(self, payment: Payment) -> Payment:
        """The payment there is, opened again if it had failed."""
        if payment.is_completed:
            raise Conflict(PAID_ALREADY)
        if payment.is_open:
            return payment
        reopened = payment.reopened(self._clock())
        transaction = self._begin()
        self._payments.save(reopened, transaction)
        self._initiate(reopened, transaction)
        return reopened

    def _taken(self, payment: Payment, proof: Proof) -> Attempt:
        """The attempt that the proof tells of, with its money taken if it was only set aside."""
        attempt = _checked(payment, self._razorpay.attempt(proof.razorpay_payment_id))
        if attempt.status is not AttemptStatus.AUTHORIZED:
            return attempt
        if payment.is_called_off:
            # Razorpay gives back by itself what nobody captures
            raise Conflict(ORDER_GONE)
        return _checked(payment, self._razorpay.capture(attempt))

    def _settle(self, payment: Payment, attempt: Attempt) -> Payment:
        """Let Razorpay's word about an attempt take effect once, whoever else reports it too."""
        for _ in range(TRIES):
            if payment.is_completed:
                return payment
            try:
                return self._apply(payment, attempt)
            except Overtaken:
                payment = self._payments.find(payment.id) or payment
        raise Conflict(BUSY)

    def _apply(self, payment: Payment, attempt: Attempt) -> Payment:
        match attempt.status:
            case AttemptStatus.CAPTURED:
                return self._complete(payment, attempt)
            case AttemptStatus.FAILED:
                if payment.is_open and attempt.id not in payment.declined:
                    self._fail(payment.declined_by(attempt, self._clock()), Failure.DECLINED)
                raise Invalid(Failure.DECLINED.reason)
            case AttemptStatus.REFUNDED:
                raise Invalid(GIVEN_BACK)
            case _:
                raise Unavailable(NOT_CAPTURED)

    def _complete(self, payment: Payment, attempt: Attempt) -> Payment:
        completed = payment.completed(attempt, self._clock())
        transaction = self._begin()
        self._payments.save(completed, transaction)
        transaction.emit(
            PaymentCompleted(
                payment_id=completed.id,
                order_id=completed.order_id,
                customer=_recipient(completed),
                amount=Amount.of(completed.price),
                razorpay_payment_id=attempt.id,
                completed_at=completed.updated_at,
            )
        )
        transaction.commit()
        _record(completed)
        return completed

    def _fail(self, failed: Payment, why: Failure) -> None:
        transaction = self._begin()
        self._payments.save(failed, transaction)
        transaction.emit(
            PaymentFailed(
                payment_id=failed.id,
                order_id=failed.order_id,
                customer=_recipient(failed),
                amount=Amount.of(failed.price),
                reason=why.reason,
                failed_at=failed.updated_at,
            )
        )
        transaction.commit()
        _record(failed)

    def _initiate(self, payment: Payment, transaction: Transaction) -> None:
        transaction.emit(
            PaymentInitiated(
                payment_id=payment.id,
                order_id=payment.order_id,
                customer=_recipient(payment),
                amount=Amount.of(payment.price),
                initiated_at=payment.updated_at,
            )
        )
        transaction.commit()
        _record(payment)


def _checked(payment: Payment, attempt: Attempt) -> Attempt:
    """The attempt, if it is for this payment and over the very same money."""
    if not payment.is_meant_by(attempt):
        telemetry.logger.error(
            "an attempt does not fit its payment",
            extra={"payment_id": payment.id, "razorpay_payment_id": attempt.id},
        )
        telemetry.count("PaymentMismatches")
        raise Invalid(NOT_THIS_PAYMENT)
    return attempt


def _visible(payment: Payment | None, caller: Caller) -> Payment:
    if payment is None or not payment.may_be_seen_by(caller):
        raise NotFound(NOT_FOUND)
    return payment


def _well_formed(id_: str) -> str:
    if not re.fullmatch(ID_PATTERN, id_):
        raise NotFound(NOT_FOUND)
    return id_


def _recipient(payment: Payment) -> Recipient:
    customer = payment.customer
    return Recipient(user_id=customer.user_id, email=customer.email, first_name=customer.first_name)


def _record(payment: Payment) -> None:
    """One line per change, for whoever has to explain later where the money went."""
    telemetry.logger.info(
        "payment changed",
        extra={
            "payment_id": payment.id,
            "order_id": payment.order_id,
            "razorpay_order_id": payment.razorpay_order_id,
            "razorpay_payment_id": payment.razorpay_payment_id,
            "status": payment.status.value,
            "failure": payment.failure.value if payment.failure else None,
            "minor": payment.price.minor,
            "currency": payment.price.currency.value,
            "version": payment.version,
        },
    )


def _report_refund_due(payment: Payment) -> None:
    telemetry.logger.error(
        "a paid order was cancelled: its money is due back",
        extra={"payment_id": payment.id, "order_id": payment.order_id},
    )
    telemetry.count("RefundDue")
