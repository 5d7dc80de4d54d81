"""What payment does about the facts of other domains."""

from payment import wiring
from payment.model import Failure
from supermarket.contracts import Metadata, OrderCancelled, PaymentCompleted
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

event_handlers = EventHandlers("payment")


@event_handlers.on(OrderCancelled)
def call_off_payment(event: OrderCancelled, _metadata: Metadata) -> None:
    """Nobody should pay for an order that is gone, or have paid for it."""
    expired = event.cancelled_by == "expiry"
    failure = Failure.ORDER_EXPIRED if expired else Failure.ORDER_CANCELLED
    wiring.payment_service().call_off(event.order_id, failure)


@event_handlers.on(PaymentCompleted)
def send_money_back_that_came_too_late(event: PaymentCompleted, _metadata: Metadata) -> None:
    """A webhook calls nobody; what it found to be owed is sent from here."""
    wiring.payment_service().return_late_money(event.payment_id)


prepare(__name__)
