"""What orders do about the facts of other domains."""

from order import wiring
from order.model import Returns
from supermarket.contracts import (
    Metadata,
    PaymentCompleted,
    PaymentRefunded,
    PaymentRefundProgressed,
)
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

event_handlers = EventHandlers("order")


@event_handlers.on(PaymentCompleted)
def confirm_paid_order(event: PaymentCompleted, _metadata: Metadata) -> None:
    wiring.order_service().confirm(event.order_id)


@event_handlers.on(PaymentRefunded)
def close_what_was_given_back(event: PaymentRefunded, _metadata: Metadata) -> None:
    """A part of the money that went back leaves the order as it is."""
    if event.fully:
        wiring.order_service().refund(event.order_id)


@event_handlers.on(PaymentRefundProgressed)
def note_what_goes_back(event: PaymentRefundProgressed, _metadata: Metadata) -> None:
    returns = Returns(event.refunded.money(), event.returning.money(), event.revision)
    wiring.order_service().follow_refunds(event.order_id, returns)


prepare(__name__)
