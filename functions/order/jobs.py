"""The scheduled Lambda that gives back what was reserved and not paid for."""

from collections import Counter
from typing import Any

from order import wiring
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.init_phase import prepare

ORDERS_PER_RUN = 300


def release_expired_reservations(_event: Any, _context: Any) -> dict[str, int]:
    """One order after the other, each in its own transaction; a failure stops none of the rest.

    What is left over, or failed, is the next run's: a reservation ends only once.
    """
    telemetry.begin(new_id(), job="release_expired_reservations")
    orders = wiring.order_service().expired(ORDERS_PER_RUN)
    counts = Counter(_release(order_id) for order_id in orders)
    answer = {outcome: counts[outcome] for outcome in ("released", "skipped", "failed")}
    telemetry.logger.info("released expired reservations", extra=answer)
    for outcome, number in answer.items():
        telemetry.count(f"Reservations{outcome.capitalize()}", number)
    return answer


def _release(order_id: str) -> str:
    try:
        return "released" if wiring.order_service().expire(order_id) else "skipped"
    except Exception:
        telemetry.logger.exception("reservation not released", extra={"orderId": order_id})
        return "failed"


prepare(__name__)
