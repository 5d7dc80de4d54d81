"""The scheduled Lambda of orders."""

from aws_lambda_powertools.metrics import MetricUnit

from order import wiring
from order.model import Outcome
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_ORDER = 5


@job(spare_seconds=SECONDS_PER_ORDER)
def release_expired_reservations(run: Run) -> Counts:
    """Cancels unpaid orders, every minute; for a date, those that expired by its end.

    Each order has its own transaction. The next run continues with what found no time; what failed
    is tried again later. An alarm on the metric reports that runs are too short.
    """
    progress = wiring.expiry().run(run.until, run.has_time)
    lag = (run.now - progress.left).total_seconds() if progress.left else 0
    telemetry.measure("ExpiryLag", lag, MetricUnit.Seconds)
    counts = {outcome.value: progress.counts[outcome] for outcome in Outcome}
    return {**counts, "paused": int(progress.is_paused)}


prepare(__name__)
