"""Composition root of payment."""

from functools import cache
from typing import Any

from payment.changes import Changes
from payment.gateways import OrderServiceOrders, RazorpayApi, raise_for_trouble
from payment.ports import RazorpayKeys
from payment.reconciliation import Reconciliation
from payment.refunds import Refunds
from payment.repository import (
    DynamoFindings,
    DynamoHandledWebhooks,
    DynamoLedger,
    DynamoPayments,
)
from payment.service import PaymentService
from payment.webhooks import Webhooks
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.secrets import secret
from supermarket.wiring import audit_trail, idempotency_keys


@cache
def payment_service() -> PaymentService:
    return _service(RazorpayApi(lambda: razorpay_client(razorpay_keys())))


@cache
def reconciliation() -> Reconciliation:
    razorpay = RazorpayApi(lambda: razorpay_client(razorpay_keys()))
    return _reconciliation(razorpay, payment_service())


def reconciliation_at(address: str) -> Reconciliation:
    """For a command outside of Lambda, which has no settings."""
    razorpay = RazorpayApi(lambda: razorpay_client(razorpay_keys(), address))
    return _reconciliation(razorpay, _service(razorpay))


def _reconciliation(razorpay: RazorpayApi, service: PaymentService) -> Reconciliation:
    return Reconciliation(
        payments=DynamoPayments(),
        records=razorpay,
        mending=service,
        findings=DynamoFindings(),
        begin=DynamoTransaction,
        clock=utc_now,
    )


def _service(razorpay: RazorpayApi) -> PaymentService:
    payments, ledger = DynamoPayments(), DynamoLedger()
    changes = Changes(payments, ledger, audit_trail(), DynamoTransaction)
    return PaymentService(
        payments=payments,
        ledger=ledger,
        orders=OrderServiceOrders(),
        razorpay=razorpay,
        refunds=Refunds(payments, razorpay, changes, idempotency_keys(), utc_now, new_id),
        changes=changes,
        idempotency_keys=idempotency_keys(),
        keys=razorpay_keys,
        begin=DynamoTransaction,
        clock=utc_now,
        new_id=new_id,
    )


@cache
def webhooks() -> Webhooks:
    return Webhooks(payment_service(), DynamoHandledWebhooks(utc_now), webhook_secrets)


def razorpay_keys() -> RazorpayKeys:
    """Asked for anew every few minutes, so that a rotation arrives by itself."""
    keys = secret("razorpay")
    return RazorpayKeys(keys["keyId"], keys["keySecret"])


def webhook_secrets() -> tuple[str, ...]:
    """The present one and, while a rotation is under way, the one before."""
    keys = secret("razorpay")
    return (keys["webhookSecret"], keys.get("previousWebhookSecret", ""))


@cache
def razorpay_client(keys: RazorpayKeys, address: str | None = None) -> Any:
    from razorpay import Client

    base_url = (address or settings().razorpay_base_url).rstrip("/")
    return Client(razorpay_session(), auth=(keys.key_id, keys.key_secret), base_url=base_url)


@cache
def razorpay_session() -> Any:
    """Return the HTTP session of Razorpay's SDK; it needs no keys, and so no secret."""
    # the SDK's import costs a cold start 130 ms, so only those who call Razorpay pay it
    from payment.razorpay_session import session

    return session(raise_for_trouble, tls=settings().razorpay_base_url.startswith("https:"))
