"""The Lambda that handles events of other domains, and payment's own."""

from payment import wiring
from payment.model.status import Failure
from supermarket.contracts import (
    Metadata,
    OrderCancelled,
    PaymentAuthorizedLate,
    PaymentCompleted,
)
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

event_handlers = EventHandlers("payment")


@event_handlers.on(OrderCancelled)
def cancel_payment(event: OrderCancelled, _metadata: Metadata) -> None:
    """Cancel or refund the payment of a cancelled order."""
    expired = event.cancelled_by == "expiry"
    failure = Failure.ORDER_EXPIRED if expired else Failure.ORDER_CANCELLED
    wiring.background_service().cancel_payment(event.order_id, failure)


@event_handlers.on(PaymentCompleted)
def refund_late_payment(event: PaymentCompleted, _metadata: Metadata) -> None:
    """Refund a payment that arrived after its order was cancelled.

    A webhook makes no calls to Razorpay, so its refunds are sent from here.
    """
    wiring.background_service().refund_late_payment(event.payment_id)


@event_handlers.on(PaymentAuthorizedLate)
def release_authorization(event: PaymentAuthorizedLate, _metadata: Metadata) -> None:
    """Give a customer's money back that was authorized after the order was cancelled."""
    wiring.background_service().release_authorization(event.razorpay_payment_id)


prepare(__name__)
