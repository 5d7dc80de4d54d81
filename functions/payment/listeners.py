"""What payment does about the facts of other domains."""

from payment import wiring
from payment.model import Failure
from supermarket.contracts import Metadata, OrderCancelled
from supermarket.events import Reactions

reactions = Reactions("payment")


@reactions.on(OrderCancelled)
def call_off_payment(event: OrderCancelled, _metadata: Metadata) -> None:
    """Nobody should pay for an order that is gone."""
    expired = event.cancelled_by == "expiry"
    failure = Failure.ORDER_EXPIRED if expired else Failure.ORDER_CANCELLED
    wiring.payment_service().call_off(event.order_id, failure)
