"""The scheduled Lambda that holds the shop's payments against Razorpay's records."""

from typing import Any

from payment import wiring
from supermarket import telemetry
from supermarket.clock import new_id
from supermarket.init_phase import prepare

# what a page may take: a hundred records, each with its own reads, writes and calls
MILLISECONDS_PER_PAGE = 60_000
COUNTED = (
    *("checked", "mended", "drift", "failed", "overtaken", "stopped"),
    *("driven", "undriven", "overdue"),
)


def reconcile_payments(_event: Any, context: Any) -> dict[str, int | bool]:
    """As far as there is time; the next run goes on from there."""
    telemetry.begin(new_id(), job="reconcile_payments")
    report = wiring.reconciliation().catch_up(
        lambda: bool(context.get_remaining_time_in_millis() > MILLISECONDS_PER_PAGE)
    )
    counts = {outcome: report.counts[outcome] for outcome in COUNTED}
    telemetry.logger.info("reconciled", extra={**counts, "finished": report.is_finished})
    for outcome, number in counts.items():
        telemetry.count(f"Reconciliation{outcome.capitalize()}", number)
    return {**counts, "finished": report.is_finished}


prepare(__name__)
