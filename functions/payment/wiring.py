"""Composition root of payment."""

from datetime import timedelta
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
    from payment.reconciliation.ports import DriftList
    from payment.reconciliation.refund_driver import RefundDriver
    from payment.reconciliation.settlements import SettlementSync
    from payment.reconciliation.walker import Reconciliation

COMMANDS_PER_SECOND = 5  # calls to Razorpay, besides those of the jobs
JOBS_WAIT, LISTENERS_WAIT = timedelta(seconds=30), timedelta(seconds=3)  # for a call


@cache
def payment_service() -> PaymentService:
    return _payment_service(_razorpay())


@cache
def background_service() -> PaymentService:
    """The use cases for listeners, whose calls to Razorpay leave room for those of customers."""
    return _payment_service(_paced_razorpay(None, LISTENERS_WAIT))


@cache
def reconciliation(base_url: str | None = None) -> "Reconciliation":
    """`base_url` is for a command, which runs without the settings of a Lambda."""
    from payment.reconciliation.repository import DynamoDriftStore
    from payment.reconciliation.walker import Reconciliation

    razorpay = _paced_razorpay(base_url, JOBS_WAIT)
    updates, store = _payment_service(razorpay), DynamoDriftStore(utc_now)
    return Reconciliation(DynamoPayments(), razorpay, updates, store, DynamoTransaction, utc_now)


@cache
def refund_driver(base_url: str | None = None) -> "RefundDriver":
    """`base_url` is for a command, which runs without the settings of a Lambda."""
    from payment.reconciliation.drift import DriftReporter
    from payment.reconciliation.refund_driver import RefundDriver
    from payment.reconciliation.repository import DynamoDriftStore

    updates = _payment_service(_paced_razorpay(base_url, JOBS_WAIT))
    drift = DriftReporter(DynamoDriftStore(utc_now), DynamoTransaction, utc_now)
    return RefundDriver(DynamoPayments(), updates, drift, utc_now)


@cache
def drift_list() -> "DriftList":
    from payment.reconciliation.repository import DynamoDriftStore

    return DynamoDriftStore(utc_now)


@cache
def settlement_sync(base_url: str | None = None) -> "SettlementSync":
    from payment.reconciliation.comparison import Comparison
    from payment.reconciliation.drift import DriftReporter
    from payment.reconciliation.model import Report
    from payment.reconciliation.repository import DynamoDriftStore
    from payment.reconciliation.settlements import SettlementSync

    razorpay, store = _paced_razorpay(base_url, JOBS_WAIT), DynamoDriftStore(utc_now)
    updates, drift = _payment_service(razorpay), DriftReporter(store, DynamoTransaction, utc_now)
    comparison = Comparison(DynamoPayments(), razorpay, updates, drift, Report())
    return SettlementSync(razorpay, settlements(), comparison, store, utc_now)


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


def _payment_service(razorpay: RazorpayApi) -> PaymentService:
    payments, ledger, keys = DynamoPayments(), DynamoLedger(), idempotency_keys()
    return PaymentService(
        payments=payments,
        ledger=ledger,
        orders=OrderServiceOrders(),
        razorpay=razorpay,
        changes=Changes(payments, ledger, audit_trail(), keys, DynamoTransaction),
        idempotency_keys=keys,
        early_reports=DynamoEarlyReports(utc_now),
        keys=razorpay_keys,
        clock=utc_now,
        new_id=new_id,
    )


def _razorpay() -> RazorpayApi:
    return RazorpayApi(lambda: razorpay_client(razorpay_keys()))


def _paced_razorpay(base_url: str | None, longest_wait: timedelta) -> RazorpayApi:
    from payment.pacing import SharedPace
    from payment.reconciliation.repository import DynamoSlots

    per_second = COMMANDS_PER_SECOND if base_url else settings().razorpay_calls_per_second
    pace = SharedPace(DynamoSlots(), per_second, longest_wait, utc_now)
    return RazorpayApi(lambda: razorpay_client(razorpay_keys(), base_url), pace=pace)
