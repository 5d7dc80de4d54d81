"""A merchant's account at Razorpay: takes orders, payments, captures and refunds."""

import hashlib
import hmac
from collections.abc import Callable

from local.razorpay.errors import RazorpayError, already_paid, unknown_id
from local.razorpay.model import Order, Outcome, Payment, Refund, new_id
from local.razorpay.records import Record, Records, Transaction
from local.razorpay.requests import NewOrder, NewRefund, Page


class Account:
    """Every change goes through here, each in one transaction; the clock is given from outside."""

    def __init__(
        self, records: Records, key_id: str, key_secret: str, clock: Callable[[], float]
    ) -> None:
        self._records = records
        self._key_id = key_id
        self._key_secret = key_secret
        self._clock = clock

    def accepts(self, key_id: str, key_secret: str) -> bool:
        same_id = hmac.compare_digest(key_id.encode(), self._key_id.encode())
        return same_id & hmac.compare_digest(key_secret.encode(), self._key_secret.encode())

    def sign(self, payment: Payment) -> str:
        message = f"{payment.order_id}|{payment.id}"
        return hmac.new(self._key_secret.encode(), message.encode(), hashlib.sha256).hexdigest()

    def get[R: Record](self, kind: type[R], id_: str) -> R:
        with self._records.transaction() as records:
            return _existing(records, kind, id_)

    def page[R: Record](self, kind: type[R], page: Page) -> list[R]:
        with self._records.transaction() as records:
            return records.page(kind, page)

    def payments_of(self, order_id: str) -> list[Payment]:
        with self._records.transaction() as records:
            _existing(records, Order, order_id)
            return records.belonging_to(Payment, order_id)

    def refunds_of(self, payment_id: str, page: Page) -> list[Refund]:
        with self._records.transaction() as records:
            _existing(records, Payment, payment_id)
            return records.page(Refund, page, belongs_to=payment_id)

    def create_order(self, wanted: NewOrder) -> Order:
        order = Order(
            id=new_id("order"),
            amount=wanted.amount,
            currency=wanted.currency,
            receipt=wanted.receipt,
            notes=wanted.notes,
            auto_capture=wanted.auto_capture,
            created_at=self._now(),
        )
        with self._records.transaction() as records:
            records.put(order)
        return order

    def pay(self, order_id: str, outcome: Outcome) -> Payment:
        """What happens when a customer pays, or fails to: the order counts one attempt more."""
        with self._records.transaction() as records:
            order = _existing(records, Order, order_id)
            if order.status == "paid":
                raise already_paid()
            order = order.attempted()
            payment = Payment(
                id=new_id("pay"),
                order_id=order.id,
                amount=order.amount,
                currency=order.currency,
                status="failed" if outcome == "failure" else "authorized",
                created_at=self._now(),
            )
            if payment.status == "authorized" and order.auto_capture:
                payment, order = payment.captured(), order.paid()
            records.put(order)
            records.put(payment)
        return payment

    def capture(self, payment_id: str, amount: int, currency: str) -> Payment:
        with self._records.transaction() as records:
            payment = _existing(records, Payment, payment_id)
            order = _existing(records, Order, payment.order_id)
            if payment.status in ("captured", "refunded"):
                raise RazorpayError("This payment has already been captured")
            if payment.status != "authorized":
                raise RazorpayError("Only payments which have been authorized can be captured")
            if order.status == "paid":
                raise already_paid()
            if (amount, currency) != (payment.amount, payment.currency):
                raise RazorpayError(
                    "Capture amount must be equal to the amount authorized", field="amount"
                )
            payment = payment.captured()
            records.put(payment)
            records.put(order.paid())
        return payment

    def refund(self, payment_id: str, wanted: NewRefund) -> Refund:
        with self._records.transaction() as records:
            payment = _existing(records, Payment, payment_id)
            refund = Refund(
                id=new_id("rfnd"),
                payment_id=payment.id,
                amount=_refundable(payment, wanted.amount),
                currency=payment.currency,
                receipt=wanted.receipt,
                notes=wanted.notes,
                speed=wanted.speed,
                created_at=self._now(),
            )
            records.put(refund)
            records.put(payment.refunded(refund.amount))
        return refund

    def _now(self) -> int:
        return int(self._clock())


def _existing[R: Record](records: Transaction, kind: type[R], id_: str) -> R:
    record = records.get(kind, id_)
    if record is None:
        raise unknown_id()
    return record


def _refundable(payment: Payment, wanted: int | None) -> int:
    if payment.status == "refunded":
        raise RazorpayError("The payment has been fully refunded already")
    if payment.status != "captured":
        raise RazorpayError("The payment status should be captured for action to be taken")
    amount = payment.refundable if wanted is None else wanted
    if amount > payment.refundable:
        raise RazorpayError(
            "The total refund amount is greater than the refund payment amount", field="amount"
        )
    return amount
