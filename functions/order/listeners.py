"""The event handlers of orders."""

from order import wiring
from order.model import RefundSummary
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
def mark_refunded_order(event: PaymentRefunded, _metadata: Metadata) -> None:
    """A partial refund does not change the order."""
    if event.fully:
        wiring.order_service().mark_refunded(event.order_id)


@event_handlers.on(PaymentRefundProgressed)
def update_refund_summary(event: PaymentRefundProgressed, _metadata: Metadata) -> None:
    summary = RefundSummary(event.refunded.money(), event.returning.money(), event.revision)
    wiring.order_service().update_refund_summary(event.order_id, summary)


prepare(__name__)
