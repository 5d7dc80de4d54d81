"""The HTTP Lambdas of payment."""

from payment import wiring
from payment.schemas import CheckoutAnswer, PaymentAnswer, VerifiedPayment, VerifyPayment
from supermarket.caller import Caller
from supermarket.http import get, post


@post("/api/payments/create/{orderId}", status=201)
def create_payment(orderId: str, caller: Caller) -> CheckoutAnswer:
    """Open the payment of the caller's order, or show the one that is open."""
    return CheckoutAnswer.of(wiring.payment_service().create(orderId, caller))


@post("/api/payments/verify")
def verify_payment(body: VerifyPayment, caller: Caller) -> VerifiedPayment:
    """Complete a payment that Razorpay's checkout reports."""
    return VerifiedPayment.of(wiring.payment_service().verify(body.proof(), caller))


@get("/api/payments/{paymentId}")
def get_payment(paymentId: str, caller: Caller) -> PaymentAnswer:
    """A payment, for its owner or an admin."""
    return PaymentAnswer.of(wiring.payment_service().get(paymentId, caller))


@get("/api/payments/order/{orderId}")
def get_order_payment(orderId: str, caller: Caller) -> PaymentAnswer:
    """The payment of an order, for its owner or an admin."""
    return PaymentAnswer.of(wiring.payment_service().get_of_order(orderId, caller))
