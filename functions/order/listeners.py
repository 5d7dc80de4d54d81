"""What orders do about the facts of other domains."""

from order import wiring
from order.service import PaidAfterCancellation
from supermarket import telemetry
from supermarket.contracts import Metadata, PaymentCompleted
from supermarket.events import Reactions

reactions = Reactions("order")


@reactions.on(PaymentCompleted)
def confirm_paid_order(event: PaymentCompleted, _metadata: Metadata) -> None:
    try:
        wiring.order_service().confirm(event.order_id)
    except PaidAfterCancellation:
        # no retry can help: somebody owes this customer the money back
        details = {"orderId": event.order_id, "paymentId": event.payment_id}
        telemetry.logger.exception("paid after cancellation", extra=details)
        telemetry.count("PaidAfterCancellation")
