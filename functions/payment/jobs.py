"""The scheduled Lambda that reconciles payments with Razorpay's records."""

from datetime import UTC, datetime, time, timedelta

from payment import wiring
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PAGE = 60  # a hundred records, each with its own reads, writes and calls
COUNTED = (
    *("checked", "repaired", "drift", "failed", "superseded", "stopped"),
    *("synced", "unsynced", "overdue"),
)


@job(spare_seconds=SECONDS_PER_PAGE)
def reconcile_payments(run: Run) -> Counts:
    """Runs every 15 minutes and continues the last run. For a date: the payments of that day."""
    reconciliation = wiring.reconciliation()
    if run.day is None:
        report = reconciliation.catch_up(run.has_time)
    else:
        since = datetime.combine(run.day, time(), UTC)
        until = since + timedelta(days=1, milliseconds=-1)
        report = reconciliation.reconcile(since, until, run.has_time)
    report.counts.update(wiring.settlement_sync().run(run.has_time))
    counts = {name: report.counts[name] for name in COUNTED}
    return {**counts, "finished": report.is_finished}


prepare(__name__)
