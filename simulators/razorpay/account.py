"""A merchant's account at Razorpay: payments, captures, refunds, disputes and settlements."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from simulators.razorpay.errors import already_paid, refusal
from simulators.razorpay.model import (
    Dispute,
    DisputePhase,
    DisputeStatus,
    Order,
    Payment,
    Record,
    Refund,
    RefundStatus,
    SettledItem,
    Settlement,
    in_base_currency,
    new_id,
)
from simulators.razorpay.records import Records, Transaction
from simulators.razorpay.requests import NewOrder, NewRefund, Page
from simulators.razorpay.webhooks import Webhook, Webhooks

RESPONSE_SECONDS = 7 * 24 * 60 * 60  # in which a dispute can be contested
type Outcome = Literal["success", "failure", "authorized"]


@dataclass
class Account:
    """Makes each change in one transaction, and sends the webhooks of it."""

    _records: Records
    _key_id: str
    _key_secret: str
    _clock: Callable[[], float]
    _webhooks: Webhooks
    refund_outcome: RefundStatus = "processed"  # of all later refunds

    def accepts(self, key_id: str, key_secret: str) -> bool:
        same_id = hmac.compare_digest(key_id.encode(), self._key_id.encode())
        return same_id & hmac.compare_digest(key_secret.encode(), self._key_secret.encode())

    def sign(self, payment: Payment) -> str:
        message = f"{payment.order_id}|{payment.id}"
        return hmac.new(self._key_secret.encode(), message.encode(), hashlib.sha256).hexdigest()

    def get[R: Record](self, kind: type[R], id_: str) -> R:
        with self._records.transaction() as records:
            return records.get(kind, id_)

    def list_page[R: Record](self, kind: type[R], page: Page) -> list[R]:
        with self._records.transaction() as records:
            return records.list_page(kind, page)

    def list_payments_of_order(self, order_id: str) -> list[Payment]:
        with self._records.transaction() as records:
            records.get(Order, order_id)
            return records.list_all(Payment, order_id)

    def list_refunds_of_payment(self, payment_id: str, page: Page) -> list[Refund]:
        with self._records.transaction() as records:
            records.get(Payment, payment_id)
            return records.list_page(Refund, page, belongs_to=payment_id)

    def create_order(self, wanted: NewOrder) -> Order:
        order = Order(**vars(wanted), id=new_id("order"), created_at=self._now())
        with self._records.transaction() as records:
            records.put(order)
        return order

    def pay(
        self,
        order_id: str,
        *,
        outcome: Outcome,
        webhook: bool = True,
        again: bool = False,
        amount: int | None = None,
    ) -> Payment:
        """Add an attempt of the customer to pay.

        An `authorized` one is not captured automatically, as when the bank answers too late.
        `again` lets a paid order be paid once more, as with two open checkouts. The `amount` may
        differ from that of the order, as with an offer of the merchant's.
        """
        with self._records.transaction() as records:
            order = records.get(Order, order_id)
            if order.status == "paid" and not again:
                raise already_paid()
            order = order.attempted()
            attempt = payment = Payment(
                id=new_id("pay"),
                order_id=order.id,
                amount=order.amount if amount is None else amount,
                currency=order.currency,
                status="failed" if outcome == "failure" else "authorized",
                created_at=self._now(),
            )
            if outcome == "success" and order.auto_capture:
                payment, order = payment.captured(), order.paid()
            records.put(order)
            records.put(payment)
        if webhook:
            self._send(f"payment.{attempt.status}", payment=attempt)
            if payment.status == "captured":
                self._send_capture(payment, order)
        return payment

    def capture(self, payment_id: str, amount: int, currency: str) -> Payment:
        with self._records.transaction() as records:
            payment = records.get(Payment, payment_id)
            order = records.get(Order, payment.order_id)
            if payment.status in ("captured", "refunded"):
                raise refusal("This payment has already been captured")
            if payment.status != "authorized":
                raise refusal("Only payments which have been authorized can be captured")
            if order.status == "paid":
                raise already_paid()
            if (amount, currency) != (payment.amount, payment.currency):
                message = "Capture amount must be equal to the amount authorized"
                raise refusal(message, field="amount")
            payment, order = payment.captured(), order.paid()
            records.put(payment)
            records.put(order)
        self._send_capture(payment, order)
        return payment

    def refund(self, payment_id: str, wanted: NewRefund) -> Refund:
        """Refund a payment, once per idempotency key."""
        with self._records.transaction() as records:
            payment = records.get(Payment, payment_id)
            if existing := _find_by_key(records, payment, wanted):
                return existing
            amount = _refundable(payment, wanted.amount)
            pending = Refund(
                **{**vars(wanted), "amount": amount},
                id=new_id("rfnd"),
                payment_id=payment.id,
                currency=payment.currency,
                created_at=self._now(),
                status="pending",
            )
            payment = payment.refunded(pending.amount)
            refund, payment = _settled(pending, payment, self.refund_outcome)
            records.put(refund)
            records.put(payment)
        self._send("refund.created", refund=pending, payment=payment)
        if refund.status != "pending":
            self._send(f"refund.{refund.status}", refund=refund, payment=payment)
        return refund

    def settle_refund(self, refund_id: str, outcome: RefundStatus) -> Refund:
        """Set the outcome of a refund; a processed one can still fail."""
        with self._records.transaction() as records:
            refund = records.get(Refund, refund_id)
            payment = records.get(Payment, refund.payment_id)
            if refund.status == "failed" or outcome in ("pending", refund.status):
                return refund
            refund, payment = _settled(refund, payment, outcome)
            records.put(refund)
            records.put(payment)
        self._send(f"refund.{refund.status}", refund=refund, payment=payment)
        return refund

    def open_dispute(
        self, payment_id: str, amount: int | None, reason_code: str, phase: DisputePhase
    ) -> Dispute:
        with self._records.transaction() as records:
            payment = records.get(Payment, payment_id)
            if payment.status not in ("captured", "refunded"):
                raise refusal("Only payments which have been captured can be disputed")
            dispute = Dispute(
                id=new_id("disp"),
                payment_id=payment.id,
                amount=payment.amount if amount is None else amount,
                currency=payment.currency,
                reason_code=reason_code,
                phase=phase,
                respond_by=self._now() + RESPONSE_SECONDS,
                created_at=self._now(),
            )
            records.put(dispute)
        self._send("payment.dispute.created", payment=payment, dispute=dispute)
        return dispute

    def change_dispute(
        self, dispute_id: str, status: DisputeStatus, deducted: int | None = None
    ) -> Dispute:
        """Move a dispute on, or end it. One that has ended stays as it is."""
        with self._records.transaction() as records:
            dispute = records.get(Dispute, dispute_id)
            payment = records.get(Payment, dispute.payment_id)
            if not dispute.is_open:
                raise refusal("The dispute has already ended")
            dispute = dispute.changed(status, deducted)
            records.put(dispute)
        event = "action_required" if status == "open" else status
        self._send(f"payment.dispute.{event}", payment=payment, dispute=dispute)
        return dispute

    def settle(self, fees: int = 0) -> Settlement:
        """Pay everything that the merchant is due to the bank account."""
        with self._records.transaction() as records:
            due = list(_due(records))
            balance = sum(net for _, net in due)
            if balance <= fees:
                raise refusal("There is no balance to settle")
            settlement = Settlement.of(balance, fees, self._now())
            records.put(settlement)
            for entity, net in due:
                records.put(_settled_item(records, settlement, entity, net))
        self._send("settlement.processed", settlement=settlement)
        return settlement

    def _send_capture(self, payment: Payment, order: Order) -> None:
        self._send("payment.captured", payment=payment)
        self._send("order.paid", payment=payment, order=order)

    def _send(self, event: str, **entities: Record) -> None:
        self._webhooks.send(Webhook.of(event, self._now(), **entities))

    def _now(self) -> int:
        return int(self._clock())


def _due(records: Transaction) -> Iterator[tuple[Payment | Refund | Dispute, int]]:
    """Yield what is not settled yet, in the currency of the account."""
    settled: Counter[str] = Counter()
    for item in records.list_kind(SettledItem):
        settled[item.dispute_id or item.entity_id] += item.net
    for entity, total in _totals(records):
        if net := total - settled[entity.id]:
            yield entity, net


def _totals(records: Transaction) -> Iterator[tuple[Payment | Refund | Dispute, int]]:
    for payment in records.list_kind(Payment):
        if payment.status in ("captured", "refunded"):
            yield payment, payment.base_amount - (payment.fee or 0)
    for refund in records.list_kind(Refund):
        amount = 0 if refund.status == "failed" else refund.amount
        yield refund, -in_base_currency(amount, refund.currency)
    for dispute in records.list_kind(Dispute):
        yield dispute, -in_base_currency(dispute.withheld, dispute.currency)


def _settled_item(
    records: Transaction, settlement: Settlement, entity: Payment | Refund | Dispute, net: int
) -> SettledItem:
    is_payment, is_dispute = isinstance(entity, Payment), isinstance(entity, Dispute)
    payment = entity if isinstance(entity, Payment) else records.get(Payment, entity.payment_id)
    return SettledItem(
        id=new_id("item"),
        settlement_id=settlement.id,
        entity_id=new_id("adj") if is_dispute else entity.id,
        type="payment" if is_payment else "adjustment" if is_dispute else "refund",
        net=net,
        fee=(payment.fee or 0) if is_payment else 0,
        tax=(payment.tax or 0) if is_payment else 0,
        created_at=settlement.created_at,
        settlement_utr=settlement.utr,
        entity_created_at=entity.created_at,
        order_id=payment.order_id,
        payment_id=None if is_payment else payment.id,
        dispute_id=entity.id if is_dispute else None,
    )


def _refundable(payment: Payment, wanted: int | None) -> int:
    if payment.status == "refunded":
        raise refusal("The payment has been fully refunded already")
    if payment.status != "captured":
        raise refusal("The payment status should be captured for action to be taken")
    amount = payment.refundable if wanted is None else wanted
    if amount > payment.refundable:
        message = "The total refund amount is greater than the refund payment amount"
        raise refusal(message, field="amount")
    return amount


def _find_by_key(records: Transaction, payment: Payment, wanted: NewRefund) -> Refund | None:
    """Find the refund with the same idempotency key; raises if that request was another one."""
    if wanted.idempotency_key is None:
        return None
    for refund in records.list_all(Refund, payment.id):
        if refund.idempotency_key == wanted.idempotency_key:
            same = (wanted.amount or refund.amount, wanted.receipt, wanted.notes, wanted.speed)
            if same != (refund.amount, refund.receipt, refund.notes, refund.speed):
                message = "Different request with the same idempotency key has already been"
                raise refusal(f"{message} processed.", about_payment=False)
            return refund
    return None


def _settled(refund: Refund, payment: Payment, outcome: RefundStatus) -> tuple[Refund, Payment]:
    settled = replace(refund, status=outcome)
    return settled, payment.unrefunded(refund.amount) if outcome == "failed" else payment
