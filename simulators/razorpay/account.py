"""A merchant's account at Razorpay: takes orders, payments, captures and refunds."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace

from simulators.razorpay.errors import RazorpayError, already_paid, reused_key, unknown_id
from simulators.razorpay.model import Order, Outcome, Payment, Refund, RefundStatus, new_id
from simulators.razorpay.records import Record, Records, Transaction
from simulators.razorpay.requests import NewOrder, NewRefund, Page
from simulators.razorpay.webhooks import Entity, Webhook, Webhooks


class Account:
    """Every change goes through here, each in one transaction; the clock is given from outside."""

    def __init__(
        self,
        records: Records,
        key_id: str,
        key_secret: str,
        clock: Callable[[], float],
        webhooks: Webhooks,
    ) -> None:
        self._records = records
        self._key_id = key_id
        self._key_secret = key_secret
        self._clock = clock
        self._webhooks = webhooks
        self._fate_of_refunds: RefundStatus = "processed"

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

    def pay(
        self, order_id: str, outcome: Outcome, *, quietly: bool = False, again: bool = False
    ) -> Payment:
        """What happens when a customer pays, or fails to: the order counts one attempt more.
        `quietly` sends no webhook of it; `again` takes the money for a paid order, too, as may
        happen to a customer with two checkouts open.
        """
        with self._records.transaction() as records:
            order = _existing(records, Order, order_id)
            if order.status == "paid" and not again:
                raise already_paid()
            order = order.attempted()
            attempt = payment = Payment(
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
        if not quietly:
            self._tell(f"payment.{attempt.status}", payment=attempt)
            if payment.status == "captured":
                self._tell_of_capture(payment, order)
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
            payment, order = payment.captured(), order.paid()
            records.put(payment)
            records.put(order)
        self._tell_of_capture(payment, order)
        return payment

    def refund(self, payment_id: str, wanted: NewRefund) -> Refund:
        """Once per idempotency key, if there is one."""
        with self._records.transaction() as records:
            payment = _existing(records, Payment, payment_id)
            if known := _made_with(records, payment, wanted):
                return known
            pending = Refund(
                id=new_id("rfnd"),
                payment_id=payment.id,
                amount=_refundable(payment, wanted.amount),
                currency=payment.currency,
                receipt=wanted.receipt,
                notes=wanted.notes,
                speed=wanted.speed,
                created_at=self._now(),
                status="pending",
                idempotency_key=wanted.idempotency_key,
            )
            payment = payment.refunded(pending.amount)
            refund, payment = _settled(pending, payment, self._fate_of_refunds)
            records.put(refund)
            records.put(payment)
        self._tell("refund.created", refund=pending, payment=payment)
        if refund.status != "pending":
            self._tell(f"refund.{refund.status}", refund=refund, payment=payment)
        return refund

    def decide_refunds(self, fate: RefundStatus) -> None:
        """What becomes of every refund from now on."""
        self._fate_of_refunds = fate

    def settle_refund(self, refund_id: str, fate: RefundStatus) -> Refund:
        """What becomes of a refund in the end; one that was processed may still come back."""
        with self._records.transaction() as records:
            refund = _existing(records, Refund, refund_id)
            payment = _existing(records, Payment, refund.payment_id)
            if refund.status == "failed" or fate in ("pending", refund.status):
                return refund
            refund, payment = _settled(refund, payment, fate)
            records.put(refund)
            records.put(payment)
        self._tell(f"refund.{refund.status}", refund=refund, payment=payment)
        return refund

    def _tell_of_capture(self, payment: Payment, order: Order) -> None:
        self._tell("payment.captured", payment=payment)
        self._tell("order.paid", payment=payment, order=order)

    def _tell(self, event: str, **entities: Entity) -> None:
        self._webhooks.send(Webhook.of(event, self._now(), **entities))

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


def _made_with(records: Transaction, payment: Payment, wanted: NewRefund) -> Refund | None:
    """The refund that was made with the same idempotency key."""
    if wanted.idempotency_key is None:
        return None
    for refund in records.belonging_to(Refund, payment.id):
        if refund.idempotency_key == wanted.idempotency_key:
            same = (wanted.amount or refund.amount, wanted.receipt, wanted.notes, wanted.speed)
            if same != (refund.amount, refund.receipt, refund.notes, refund.speed):
                raise reused_key()
            return refund
    return None


def _settled(refund: Refund, payment: Payment, fate: RefundStatus) -> tuple[Refund, Payment]:
    settled = replace(refund, status=fate)
    return settled, payment.unrefunded(refund.amount) if fate == "failed" else payment
