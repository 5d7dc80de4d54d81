"""The scheduled Lambda of orders."""

from order import wiring
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

ORDERS_PER_RUN = 300
SECONDS_PER_ORDER = 5


@job(spare_seconds=SECONDS_PER_ORDER)
def release_expired_reservations(run: Run) -> Counts:
    """Cancels unpaid orders, every minute; for a date, those that expired by its end.

    Each order has its own transaction. The next run retries what failed or found no time.
    """
    outcomes = {"released": 0, "skipped": 0, "failed": 0}
    service = wiring.order_service()
    for order_id in service.list_expired(run.until, ORDERS_PER_RUN):
        if not run.has_time():
            break
        try:
            outcome = "released" if service.expire(order_id) else "skipped"
        except Exception:
            telemetry.logger.exception("reservation not released", extra={"orderId": order_id})
            outcome = "failed"
        outcomes[outcome] += 1
    return outcomes


prepare(__name__)
