"""Composition root of payment."""

from functools import cache
from typing import TYPE_CHECKING, Any

from payment.changes import Changes
from payment.gateways import OrderServiceOrders, RazorpayApi
from payment.ports import RazorpayKeys
from payment.repository import DynamoEarlyReports, DynamoLedger, DynamoPayments
from payment.service import PaymentService
from payment.settlements import Settlements
from payment.webhooks import Webhooks
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.secrets import secret
from supermarket.wiring import audit_trail, idempotency_keys

if TYPE_CHECKING:
    from payment.reconciliation.settlements import SettlementSync
    from payment.reconciliation.walker import Reconciliation


@cache
def payment_service(base_url: str | None = None) -> PaymentService:
    """`base_url` is for a command, which runs without the settings of a Lambda."""
    payments, ledger, keys = DynamoPayments(), DynamoLedger(), idempotency_keys()
    return PaymentService(
        payments=payments,
        ledger=ledger,
        orders=OrderServiceOrders(),
        razorpay=_razorpay(base_url),
        changes=Changes(payments, ledger, audit_trail(), keys, DynamoTransaction),
        idempotency_keys=keys,
        early_reports=DynamoEarlyReports(utc_now),
        keys=razorpay_keys,
        clock=utc_now,
        new_id=new_id,
    )


@cache
def reconciliation(base_url: str | None = None) -> "Reconciliation":
    from payment.reconciliation.repository import DynamoDriftStore
    from payment.reconciliation.walker import Reconciliation

    payments, store = DynamoPayments(), DynamoDriftStore()
    records, updates = _razorpay(base_url), payment_service(base_url)
    return Reconciliation(payments, records, updates, store, DynamoTransaction, utc_now)


@cache
def settlement_sync(base_url: str | None = None) -> "SettlementSync":
    from payment.reconciliation.comparison import DriftReporter
    from payment.reconciliation.repository import DynamoDriftStore
    from payment.reconciliation.settlements import SettlementSync

    drift = DriftReporter(DynamoDriftStore(), DynamoTransaction, utc_now)

    def report(settlement_id: str, details: str) -> None:
        drift.report("different_amount", settlement_id, details, None)

    return SettlementSync(_razorpay(base_url), settlements(), report, utc_now)


@cache
def webhooks() -> Webhooks:
    return Webhooks(payment_service(), webhook_secrets, settlements())


@cache
def settlements() -> Settlements:
    return Settlements(DynamoLedger(), audit_trail(), DynamoTransaction)


def plan_payment(razorpay_order_id: str) -> None:
    """Read which payment a Razorpay order has, together with the session."""
    DynamoPayments.plan_read(razorpay_order_id)


def razorpay_keys() -> RazorpayKeys:
    """Read again every few minutes, so that a rotation takes effect."""
    keys = secret("razorpay")
    return RazorpayKeys(keys["keyId"], keys["keySecret"])


def webhook_secrets() -> tuple[str, ...]:
    """The present secret and, during a rotation, the previous one."""
    keys = secret("razorpay")
    return (keys["webhookSecret"], keys.get("previousWebhookSecret", ""))


@cache
def razorpay_client(keys: RazorpayKeys, base_url: str | None = None) -> Any:
    from payment.razorpay_session import Client, make_session

    session = make_session(base_url) if base_url else razorpay_session()
    base_url = (base_url or settings().razorpay_base_url).rstrip("/")
    return Client(session, auth=(keys.key_id, keys.key_secret), base_url=base_url)


@cache
def razorpay_session() -> Any:
    """The HTTP session of Razorpay's SDK, which needs no keys and therefore no secret."""
    # the SDK's import costs a cold start 25 ms, so only Lambdas that call Razorpay import it
    from payment.razorpay_session import make_session

    return make_session(settings().razorpay_base_url)


def _razorpay(base_url: str | None) -> RazorpayApi:
    return RazorpayApi(lambda: razorpay_client(razorpay_keys(), base_url))
