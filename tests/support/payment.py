"""The ports of payment in memory, and a shop with all of them."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from conftest import FrozenClock
from payment.changes import Changes
from payment.ledger import Account, Entry, Kind
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute
from payment.model.early_reports import EarlyReports
from payment.model.order import PayableOrder
from payment.model.payment import Payment, sort_key
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.settlement import Settlement
from payment.model.signature import CheckoutSignature
from payment.ports import CancelledOrder, ProviderRejected, RazorpayKeys
from payment.service import PaymentService
from payment.settlements import Settlements
from payment.webhooks import Webhooks
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.errors import Conflict, Invalid, NotFound, Unavailable
from supermarket.idempotency import IdempotencyKey
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction, Transaction
from support.api import a_caller
from support.cloud import RAZORPAY_KEYS
from support.in_memory import (
    InMemoryAuditTrail,
    InMemoryIdempotencyKeys,
    InMemoryOutbox,
    in_memory,
)

KEYS = RazorpayKeys(RAZORPAY_KEYS["keyId"], RAZORPAY_KEYS["keySecret"])
WEBHOOK_SECRET = RAZORPAY_KEYS["webhookSecret"]
PRICE = Money(49_950, Currency.INR)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

_numbers = itertools.count(1)


def an_order(caller: Caller, total: Money = PRICE) -> PayableOrder:
    return PayableOrder(new_id(), Recipient(caller.user_id, caller.email, caller.first_name), total)


def a_payment(caller: Caller, price: Money = PRICE) -> Payment:
    order = an_order(caller, price)
    return Payment.opened(new_id(), order, f"order_{next(_numbers):014}", NOON)


def signed(
    razorpay_order_id: str, razorpay_payment_id: str, key: str = KEYS.key_secret
) -> CheckoutSignature:
    """Sign a payment as Razorpay's checkout does."""
    message = f"{razorpay_order_id}|{razorpay_payment_id}".encode()
    signature = hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
    return CheckoutSignature(razorpay_order_id, razorpay_payment_id, signature)


def a_key() -> IdempotencyKey:
    """Make a key that no other request has."""
    return IdempotencyKey.of("refund", "an admin", new_id(), b"{}")


@dataclass(frozen=True)
class SentWebhook:
    """A webhook as it arrives at the endpoint."""

    body: bytes
    headers: dict[str, str]


def a_webhook(
    body: bytes, secret: str = WEBHOOK_SECRET, event_id: str | None = None
) -> SentWebhook:
    """Sign these bytes as Razorpay does."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    id_ = event_id or f"event_{next(_numbers):014}"
    headers = {"x-razorpay-signature": signature, "x-razorpay-event-id": id_}
    return SentWebhook(body, {"content-type": "application/json", **headers})


def a_payment_webhook(event: str, attempt: Attempt, **options: str) -> SentWebhook:
    payload = {"payment": {"entity": attempt_record(attempt)}}
    return a_webhook(as_event(event, payload), **options)


def a_refund_webhook(
    event: str, refund: RazorpayRefund, attempt: Attempt, **options: str
) -> SentWebhook:
    payload = {
        "refund": {"entity": refund_record(refund)},
        "payment": {"entity": attempt_record(attempt)},
    }
    return a_webhook(as_event(event, payload), **options)


def a_dispute_webhook(event: str, dispute: Dispute, attempt: Attempt | None = None) -> SentWebhook:
    payload = {"payment": {"entity": attempt_record(attempt)}} if attempt else {}
    return a_webhook(as_event(event, {**payload, "dispute": {"entity": dispute_record(dispute)}}))


def a_settlement_webhook(settlement: Settlement) -> SentWebhook:
    payload = {"settlement": {"entity": settlement_record(settlement)}}
    return a_webhook(as_event(f"settlement.{settlement.status}", payload))


def as_event(event: str, payload: Mapping[str, object]) -> bytes:
    """Write an event as Razorpay does."""
    webhook = {
        "entity": "event",
        "account_id": "acc_00000000000001",
        "event": event,
        "contains": list(payload),
        "payload": payload,
        "created_at": 1_795_000_000,
    }
    return json.dumps(webhook, separators=(",", ":")).encode()


def attempt_record(attempt: Attempt) -> dict[str, object]:
    """Write an attempt as Razorpay does."""
    return {
        "id": attempt.id,
        "entity": "payment",
        "amount": attempt.amount.minor,
        "currency": str(attempt.amount.currency),
        "status": attempt.status.value,
        "order_id": attempt.razorpay_order_id,
        "fee": attempt.fee.minor if attempt.fee else None,
        "tax": attempt.tax.minor if attempt.tax else None,
        "captured": attempt.was_captured,
        "notes": [],
        **({"base_currency": attempt.fee.currency} if attempt.fee else {}),
    }


def refund_record(refund: RazorpayRefund) -> dict[str, object]:
    """Write a refund as Razorpay does."""
    return {
        "id": refund.id,
        "entity": "refund",
        "payment_id": refund.payment_id,
        "amount": refund.amount.minor,
        "currency": str(refund.amount.currency),
        "status": refund.status.value.lower(),
        "notes": {"refund_id": refund.our_id} if refund.our_id else [],
    }


def dispute_record(dispute: Dispute) -> dict[str, object]:
    """Write a dispute as Razorpay does."""
    return {
        "id": dispute.id,
        "entity": "dispute",
        "payment_id": dispute.attempt_id,
        "amount": dispute.amount.minor,
        "currency": str(dispute.amount.currency),
        "amount_deducted": dispute.deducted.minor if dispute.deducted else 0,
        "reason_code": dispute.reason,
        "respond_by": int(dispute.respond_by.timestamp()) if dispute.respond_by else None,
        "status": dispute.status.lower(),
        "phase": dispute.phase,
        "created_at": int(dispute.opened_at.timestamp()),
    }


def settlement_record(settlement: Settlement) -> dict[str, object]:
    """Write a settlement as Razorpay does."""
    return {
        "id": settlement.id,
        "entity": "settlement",
        "amount": settlement.amount.minor,
        "status": settlement.status.value,
        "fees": settlement.fees.minor,
        "tax": settlement.tax.minor,
        "utr": settlement.utr,
        "created_at": int(settlement.created_at.timestamp()),
    }


class InMemoryPayments:
    """`Payments` in dictionaries."""

    def __init__(self) -> None:
        self._by_id: dict[str, Payment] = {}
        self._by_order: dict[str, str] = {}
        self._by_razorpay_id: dict[str, str] = {}

    def find(self, payment_id: str) -> Payment | None:
        return self._by_id.get(payment_id)

    def find_many(self, payment_ids: Collection[str]) -> list[Payment]:
        return [self._by_id[id_] for id_ in payment_ids if id_ in self._by_id]

    def find_by_order(self, order_id: str) -> Payment | None:
        return self.find(self._by_order.get(order_id, ""))

    def find_by_razorpay_id(self, razorpay_id: str) -> Payment | None:
        return self.find(self._by_razorpay_id.get(razorpay_id, ""))

    def require_unchanged(self, payment: Payment, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: self._by_id[payment.id].version == payment.version, lambda: None, StaleWrite()
        )

    def require_none(self, order_id: str, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: order_id not in self._by_order, lambda: None, StaleWrite()
        )

    def list_with_open_refunds(self, limit: int) -> list[str]:
        found = [payment for payment in self._by_id.values() if payment.open_refunds]
        oldest = sorted(found, key=lambda payment: payment.updated_at)
        has_sent_all = {p.id: all(refund.is_sent for refund in p.refunds) for p in oldest}
        unsent = [payment_id for payment_id, is_sent in has_sent_all.items() if not is_sent]
        sent = [payment_id for payment_id, is_sent in has_sent_all.items() if is_sent]
        alternately = itertools.chain.from_iterable(itertools.zip_longest(unsent, sent))
        return [id_ for id_ in alternately if id_ is not None][:limit]

    def touch(self, payment_id: str, at: datetime) -> None:
        payment = self._by_id.get(payment_id)
        if payment and payment.open_refunds:
            self._by_id[payment_id] = replace(payment, updated_at=at)

    def list_keys_between(self, since: datetime, until: datetime) -> Iterator[str]:
        found = [p for p in self._by_id.values() if since <= p.created_at <= until]
        return iter(sorted(map(sort_key, found)))

    def list_unsettled_between(self, since: datetime, until: datetime) -> list[Payment]:
        unpaid = [payment for payment in self._by_id.values() if not payment.is_paid]
        return [payment for payment in unpaid if since <= payment.created_at <= until]

    def find_by_razorpay_ids(self, razorpay_ids: Collection[str]) -> dict[str, Payment]:
        found = {order_id: self.find_by_razorpay_id(order_id) for order_id in razorpay_ids}
        return {order_id: payment for order_id, payment in found.items() if payment}

    def add(self, payment: Payment, transaction: Transaction) -> None:
        def effect() -> None:
            self._by_id[payment.id] = payment
            self._by_order[payment.order_id] = payment.id
            self._by_razorpay_id[payment.razorpay_order_id] = payment.id

        in_memory(transaction).add(
            lambda: (
                payment.id not in self._by_id
                and payment.order_id not in self._by_order
                and payment.razorpay_order_id not in self._by_razorpay_id
            ),
            effect,
            StaleWrite(),
        )

    def save(self, before: Payment, after: Payment, transaction: Transaction) -> None:
        def unchanged() -> bool:
            stored = self._by_id.get(before.id)
            return stored is not None and stored.version == before.version

        def effect() -> None:
            self._by_id[after.id] = after
            self._by_razorpay_id |= dict.fromkeys(after.attempt_ids, after.id)

        in_memory(transaction).add(unchanged, effect, StaleWrite())


class InMemoryLedger:
    """`Ledger` in a dictionary."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str | None, str, str], Entry] = {}

    def add(self, entry: Entry, transaction: Transaction) -> None:
        key = (entry.payment_id, entry.kind.value, entry.reference)
        in_memory(transaction).add(
            lambda: key not in self.entries,
            lambda: self.entries.update({key: entry}),
            StaleWrite(),
        )

    def list_by_payment(self, payment_id: str) -> tuple[Entry, ...]:
        found = (entry for entry in self.entries.values() if entry.payment_id == payment_id)
        return tuple(sorted(found, key=lambda entry: entry.at))

    def find_settlement(self, settlement_id: str) -> Entry | None:
        found = (one for one in self.entries.values() if one.kind is Kind.SETTLEMENT)
        return next((entry for entry in found if entry.reference == settlement_id), None)


class InMemoryEarlyReports:
    """`EarlyReportStore` in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, EarlyReports] = {}

    def find(self, attempt_id: str) -> EarlyReports:
        return self.stored.get(attempt_id, EarlyReports(attempt_id))

    def save(self, reports: EarlyReports, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: self.find(reports.attempt_id).version == reports.version - 1,
            lambda: self.stored.update({reports.attempt_id: reports}),
            StaleWrite(),
        )

    def require_unchanged(self, reports: EarlyReports, transaction: Transaction) -> None:
        in_memory(transaction).add(
            lambda: self.find(reports.attempt_id).version == reports.version,
            lambda: None,
            StaleWrite(),
        )


class FakeOrders:
    """`Orders` whose states a test sets."""

    def __init__(self) -> None:
        self.confirmed: list[str] = []
        self.waits_until: dict[str, datetime] = {}
        self._payable: dict[str, PayableOrder] = {}
        self._cancelled: dict[str, type[CancelledOrder]] = {}
        self._out_of_time: set[str] = set()

    def place(self, order: PayableOrder) -> PayableOrder:
        self._payable[order.id] = order
        return order

    def cancel(self, order_id: str, error: type[CancelledOrder] = CancelledOrder) -> None:
        """Cancel an order, without an event."""
        self._cancelled[order_id] = error

    def run_out_of_time(self, order_id: str) -> None:
        """Let the time for the payment of an order end, without a cancellation."""
        self._out_of_time.add(order_id)

    def get_payable(self, order_id: str, customer_id: str) -> PayableOrder:
        order = self._payable.get(order_id)
        if order is None or order.customer.user_id != customer_id:
            raise NotFound("Order not found")
        if order_id in self._cancelled:
            raise self._cancelled[order_id]("This order is cancelled")
        if order_id in self._out_of_time:
            raise Conflict("This order cannot be paid")
        return order

    def list_unconfirmed(self, order_ids: Collection[str]) -> set[str]:
        return set(order_ids) - set(self.confirmed)

    def open_payment(
        self, order: PayableOrder, pay_until: datetime, transaction: Transaction
    ) -> None:
        self.get_payable(order.id, order.customer.user_id)
        self.waits_until[order.id] = pay_until

    def confirm(self, order_id: str) -> bool:
        if order_id in self._cancelled:
            raise self._cancelled[order_id]("This order is cancelled")
        if order_id in self.confirmed:
            return False
        self.confirmed.append(order_id)
        return True


class FakeRazorpay:
    """`Razorpay` in memory, with a customer who pays and failures that a test can switch on.

    `meanwhile` runs once, after the next call took effect and before it returns.
    """

    def __init__(self) -> None:
        self.orders: dict[str, Money] = {}
        self.attempts: dict[str, Attempt] = {}
        self.captures: list[str] = []
        self.disputes: dict[str, Dispute] = {}
        self.is_down = False
        self.capture_fails = False
        self.refunds: dict[str, RazorpayRefund] = {}
        self.refund_outcome = RefundStatus.PROCESSED
        self.refund_fails = False
        self.refund_error: type[Unavailable] = ProviderRejected
        self.answers_get_lost = False
        self.meanwhile: Callable[[], object] | None = None

    def open_known(self, payment: Payment) -> None:
        """Add the order of a payment that was created elsewhere."""
        self.orders[payment.razorpay_order_id] = payment.price

    def pay(
        self,
        razorpay_order_id: str,
        status: AttemptStatus = AttemptStatus.CAPTURED,
        amount: Money | None = None,
    ) -> CheckoutSignature:
        """Make an attempt to pay; returns what the browser gets from the checkout."""
        amount = amount or self.orders[razorpay_order_id]
        id_ = f"pay_{next(_numbers):014}"
        self.attempts[id_] = Attempt(id_, razorpay_order_id, amount, status)
        return signed(razorpay_order_id, id_)

    def create_order(self, payment_id: str, order_id: str, price: Money) -> str:
        self._answer()
        id_ = f"order_{next(_numbers):014}"
        self.orders[id_] = price
        self._let_others_in()
        return id_

    def get_attempt(self, razorpay_payment_id: str) -> Attempt:
        self._answer()
        attempt = self.attempts[razorpay_payment_id]
        self._let_others_in()
        return attempt

    def get_dispute(self, dispute_id: str) -> Dispute:
        self._answer()
        return self.disputes[dispute_id]

    def capture(self, attempt: Attempt) -> Attempt:
        self._answer()
        if not self.capture_fails:
            self.captures.append(attempt.id)
            self.attempts[attempt.id] = replace(attempt, status=AttemptStatus.CAPTURED)
        return self.attempts[attempt.id]

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        self._answer()
        if self.refund_fails:
            raise self.refund_error("Razorpay rejected it")
        for known in self._refunds_of(razorpay_payment_id):
            if known.our_id == refund_id:
                return known
        attempt = self.attempts[razorpay_payment_id]
        done = sum(refund.amount.minor for refund in self._not_failed(razorpay_payment_id))
        if done + amount.minor > attempt.amount.minor:
            raise ProviderRejected("more than was paid")
        record = self.make_refund(razorpay_payment_id, amount, our_id=refund_id)
        self._let_others_in()
        if self.answers_get_lost:
            raise Unavailable("the answer was lost")
        return record

    def make_refund(
        self, razorpay_payment_id: str, amount: Money, *, our_id: str | None = None
    ) -> RazorpayRefund:
        """Make a refund, for the shop or, without `our_id`, in Razorpay's dashboard."""
        id_ = f"rfnd_{next(_numbers):014}"
        outcome = self.refund_outcome
        record = RazorpayRefund(id_, razorpay_payment_id, amount, outcome, our_id)
        self.refunds[id_] = record
        return record

    def set_status(self, refund_id: str, status: RefundStatus) -> RazorpayRefund:
        """Set the status of a refund."""
        self.refunds[refund_id] = replace(self.refunds[refund_id], status=status)
        return self.refunds[refund_id]

    def list_refunds(self, razorpay_payment_id: str) -> list[RazorpayRefund]:
        self._answer()
        return self._refunds_of(razorpay_payment_id)

    def _refunds_of(self, razorpay_payment_id: str) -> list[RazorpayRefund]:
        return [r for r in self.refunds.values() if r.payment_id == razorpay_payment_id]

    def _not_failed(self, razorpay_payment_id: str) -> list[RazorpayRefund]:
        found = self._refunds_of(razorpay_payment_id)
        return [refund for refund in found if refund.status is not RefundStatus.FAILED]

    def _answer(self) -> None:
        if self.is_down:
            raise Unavailable("Razorpay does not answer")

    def _let_others_in(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()


class Shop:
    """The service with its ports in memory, and a customer with an order to pay."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.outbox = InMemoryOutbox()
        self.orders = FakeOrders()
        self.razorpay = FakeRazorpay()
        self.payments = InMemoryPayments()
        self.ledger = InMemoryLedger()
        self.audit = InMemoryAuditTrail()
        self.keys = InMemoryIdempotencyKeys(self.clock)
        self.early_reports = InMemoryEarlyReports()
        self.service = self.a_service()
        self.settlements = Settlements(self.ledger, self.audit, self.outbox.begin)
        self.customer = a_caller()
        self.admin = a_caller(Role.ADMIN)
        self.order = self.orders.place(an_order(self.customer))

    def a_service(self, begin: BeginTransaction | None = None) -> PaymentService:
        """Make the service; `begin` may return transactions that fail."""
        begin = begin or self.outbox.begin
        changes = Changes(self.payments, self.ledger, self.audit, self.keys, begin)
        return PaymentService(
            payments=self.payments,
            ledger=self.ledger,
            orders=self.orders,
            razorpay=self.razorpay,
            changes=changes,
            idempotency_keys=self.keys,
            early_reports=self.early_reports,
            keys=lambda: KEYS,
            clock=self.clock,
            new_id=new_id,
        )

    def create(self) -> Payment:
        return self.service.create(self.order.id, self.customer)

    def pay(self, status: AttemptStatus = AttemptStatus.CAPTURED) -> CheckoutSignature:
        return self.razorpay.pay(self.create().razorpay_order_id, status)

    def verify(self, proof: CheckoutSignature) -> Payment:
        return self.service.verify(proof, self.customer)

    def decline(self) -> CheckoutSignature:
        proof = self.pay(AttemptStatus.FAILED)
        with pytest.raises(Invalid):
            self.verify(proof)
        return proof

    def paid(self) -> Payment:
        """Pay the order."""
        return self.verify(self.pay())

    def refund(self, amount: str | None = None, key: IdempotencyKey | None = None) -> Payment:
        """Refund an amount or all that is left; with a new key unless one is given."""
        decimal = None if amount is None else Decimal(amount)
        key = key or a_key()
        payment, _ = self.service.refund(self.payment.id, decimal, self.admin, key)
        return payment

    @property
    def payment(self) -> Payment:
        """The stored payment of the order."""
        payment = self.payments.find_by_order(self.order.id)
        assert payment is not None
        return payment

    def balances(self, currency: Currency = Currency.INR) -> dict[Account, int]:
        """The balance of each account."""
        lines = [
            line
            for entry in self.ledger.entries.values()
            for line in entry.lines
            if line.amount.currency is currency
        ]
        return {a: sum(line.amount.minor for line in lines if line.account is a) for a in Account}

    def events(self) -> list[str]:
        return [type(event).__name__ for event in self.outbox.events]


class WebhookShop(Shop):
    """A shop that receives webhooks."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = (WEBHOOK_SECRET, "")
        self.webhooks = Webhooks(self.service, lambda: self.secrets, self.settlements)

    def receive(self, sent: SentWebhook) -> bool:
        headers = sent.headers
        return self.webhooks.receive(
            sent.body, headers["x-razorpay-signature"], headers.get("x-razorpay-event-id")
        )

    def attempt(self, status: AttemptStatus = AttemptStatus.CAPTURED) -> Attempt:
        return self.razorpay.attempts[self.pay(status).razorpay_payment_id]
