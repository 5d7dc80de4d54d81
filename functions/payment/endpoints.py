"""The HTTP Lambdas of payment."""

from contextlib import suppress
from datetime import timedelta

from pydantic import ValidationError

from payment import wiring
from payment.model.status import PaymentStatus
from payment.ports import (
    CancelledOrder,
    ExpiredOrder,
    InvalidProviderResponse,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
)
from payment.refunds import RefundTooSmall
from payment.schemas import (
    REFUND_MESSAGES,
    CreatePaymentResponse,
    DriftListResponse,
    PaymentChangeResponse,
    PaymentResponse,
    PaymentWithLedgerResponse,
    RefundPaymentRequest,
    VerifyPaymentRequest,
)
from payment.service import AttemptMismatch
from supermarket.caller import Caller, Role, SignInAgain
from supermarket.clock import utc_now
from supermarket.errors import BadGateway, NotFound
from supermarket.http import ANY_TYPE, Response, get, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.rate_limits import RequestLimit
from supermarket.request import Request
from supermarket.schemas import Message, Page
from supermarket.wiring import cursors

ADMINS = {Role.ADMIN}
MAX_WEBHOOK_BYTES = 256 * 1024
ACCEPTED = 202
PAYMENTS = RequestLimit("payments", timedelta(minutes=10))
RAZORPAY_ERRORS = (
    BadGateway,
    InvalidProviderResponse,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
)
CALLS_RAZORPAY = (wiring.razorpay_session,)


@post(
    "/api/payments/create/{orderId}",
    status=201,
    uses=CALLS_RAZORPAY,
    errors=(CancelledOrder, ExpiredOrder, *RAZORPAY_ERRORS),
    limit=PAYMENTS,
)
def create_payment(
    orderId: str, key: IdempotencyKey | None, caller: Caller
) -> CreatePaymentResponse:
    """Open the payment of the caller's order, or return the open one."""
    payment = wiring.payment_service().create(orderId, caller, key)
    return CreatePaymentResponse.with_key(payment, wiring.razorpay_keys().key_id)


def _plan_payment(request: Request, _caller: Caller) -> None:
    with suppress(ValidationError):  # the endpoint reports it
        body = VerifyPaymentRequest.model_validate_json(request.body or b"{}")
        wiring.plan_payment(body.razorpay_order_id)


@post(
    "/api/payments/verify",
    uses=CALLS_RAZORPAY,
    reads_ahead=(_plan_payment,),
    errors=(NotFound, AttemptMismatch, CancelledOrder, ExpiredOrder, *RAZORPAY_ERRORS),
    limit=PAYMENTS,
)
def verify_payment(body: VerifyPaymentRequest, caller: Caller) -> PaymentChangeResponse:
    """Complete a payment with the signature of Razorpay's checkout."""
    payment = wiring.payment_service().verify(body.signature(), caller)
    is_complete = payment.status is PaymentStatus.COMPLETED
    message = "The payment is complete" if is_complete else "The payment is refunded to you"
    return PaymentChangeResponse.of(payment, message=message)


@post("/api/payments/webhook", accepts=(ANY_TYPE,), max_body=MAX_WEBHOOK_BYTES)
def receive_webhook(request: Request) -> Message:
    """Receive a webhook of Razorpay, as the very bytes that it signed."""
    signature = request.headers.get("x-razorpay-signature", "")
    event_id = request.headers.get("x-razorpay-event-id")
    applied = wiring.webhooks().receive(request.body, signature, event_id)
    return Message(message="Done" if applied else "Nothing to do")


@get("/api/payments/{paymentId}")
def get_payment(paymentId: str, caller: Caller) -> PaymentResponse:
    """Return a payment to its owner, and to admins with its ledger entries."""
    payment = wiring.payment_service().get_payment(paymentId, caller)
    if not caller.is_admin:
        return PaymentResponse.of(payment)
    entries = wiring.payment_service().list_entries(payment)
    return PaymentWithLedgerResponse.of(payment, ledger=entries)


@get("/api/payments/order/{orderId}")
def get_order_payment(orderId: str, caller: Caller) -> PaymentResponse:
    """Return the payment of an order to its owner and to admins."""
    return PaymentResponse.of(wiring.payment_service().get_order_payment(orderId, caller))


@post(
    "/api/payments/{paymentId}/refund",
    roles=ADMINS,
    uses=CALLS_RAZORPAY,
    errors=(RefundTooSmall, SignInAgain, *RAZORPAY_ERRORS),
    other_statuses=(ACCEPTED,),
)
def refund_payment(
    paymentId: str, body: RefundPaymentRequest, key: IdempotencyKey, caller: Caller
) -> PaymentChangeResponse | Response[PaymentChangeResponse]:
    """Refund a payment, or a part of it. Needs a recent sign-in."""
    caller.require_recent_sign_in(utc_now())
    payment, refund = wiring.payment_service().refund(paymentId, body.amount, caller, key)
    response = PaymentChangeResponse.of(payment, message=REFUND_MESSAGES[refund.status])
    return response if refund.is_sent else Response(response, status=ACCEPTED)


@get("/api/admin/payments/drift", roles=ADMINS)
def list_payment_drift(page: Page, _caller: Caller) -> DriftListResponse:
    """List differences between payments and Razorpay's records, newest first."""
    purpose = "GET /api/admin/payments/drift"
    position = cursors().decode(page.cursor, purpose) or {}
    found = wiring.drift_list().list_newest(position.get("before"), page.limit)
    following = {"before": found.next_before} if found.next_before else None
    cursor = cursors().encode(following, purpose)
    return DriftListResponse.model_validate({"drift": found.drift, "next_cursor": cursor})


prepare(__name__)
