"""The HTTP Lambdas of payment."""

from payment import wiring
from payment.schemas import (
    BookedPayment,
    CheckoutAnswer,
    PaymentAnswer,
    RefundAnswer,
    RefundPayment,
    VerifiedPayment,
    VerifyPayment,
)
from supermarket.caller import Caller, Role
from supermarket.http import ANY_TYPE, Response, get, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.schemas import Message

ADMINS = {Role.ADMIN}
MAX_WEBHOOK_BYTES = 256 * 1024
ACCEPTED = 202
ASKS_RAZORPAY = (wiring.razorpay_session,)


@post("/api/payments/create/{orderId}", status=201, uses=ASKS_RAZORPAY)
def create_payment(orderId: str, key: IdempotencyKey | None, caller: Caller) -> CheckoutAnswer:
    """Open the payment of the caller's order, or show the one that is open."""
    return CheckoutAnswer.of(wiring.payment_service().create(orderId, caller, key))


@post("/api/payments/verify", uses=ASKS_RAZORPAY)
def verify_payment(body: VerifyPayment, caller: Caller) -> VerifiedPayment:
    """Complete a payment that Razorpay's checkout reports."""
    return VerifiedPayment.of(wiring.payment_service().verify(body.proof(), caller))


@post("/api/payments/webhook", accepts=(ANY_TYPE,), max_body=MAX_WEBHOOK_BYTES)
def receive_webhook(request: Request) -> Message:
    """Take in what Razorpay reports by itself, as the very bytes that it signed."""
    signature = request.headers.get("x-razorpay-signature", "")
    event_id = request.headers.get("x-razorpay-event-id")
    taken = wiring.webhooks().receive(request.body, signature, event_id)
    return Message(message="Done" if taken else "Nothing to do")


@get("/api/payments/{paymentId}")
def get_payment(paymentId: str, caller: Caller) -> PaymentAnswer:
    """A payment, for its owner; for an admin also what the ledger says of it."""
    payment = wiring.payment_service().get(paymentId, caller)
    if not caller.is_admin:
        return PaymentAnswer.of(payment)
    return BookedPayment.with_entries(payment, wiring.payment_service().entries_of(payment))


@get("/api/payments/order/{orderId}")
def get_order_payment(orderId: str, caller: Caller) -> PaymentAnswer:
    """The payment of an order, for its owner or an admin."""
    return PaymentAnswer.of(wiring.payment_service().get_of_order(orderId, caller))


@post("/api/payments/{paymentId}/refund", roles=ADMINS, uses=ASKS_RAZORPAY)
def refund_payment(
    paymentId: str, body: RefundPayment, key: IdempotencyKey | None, caller: Caller
) -> RefundAnswer | Response[RefundAnswer]:
    """Give a payment's money back, or a part of it."""
    payment, refund = wiring.payment_service().refund(paymentId, body.amount, caller, key)
    answer = RefundAnswer.of(payment, refund)
    return answer if refund.is_sent else Response(answer, status=ACCEPTED)


prepare(__name__)
