"""The scheduled Lambdas that reconcile payments with Razorpay's records and send refunds."""

from datetime import timedelta

from aws_lambda_powertools.metrics import MetricUnit

from payment import wiring
from supermarket import telemetry
from supermarket.days import start_of
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_STEP = 90  # all orders of a window, with the pauses that Razorpay demands
SECONDS_PER_PAYMENT = 45  # the calls for one payment, with those pauses
COUNTED = ("checked", "repaired", "drift", "failed", "superseded", "stopped")
COUNTED_OF_REFUNDS = ("synced", "unsynced", "overdue")


@job(spare_seconds=SECONDS_PER_STEP)
def reconcile_payments(run: Run) -> Counts:
    """Runs every 15 minutes and continues the last run. For a date: the payments and settlements of
    that day.

    Alarms on the metrics report a comparison that falls behind.
    """
    reconciliation = wiring.reconciliation()
    if run.day is None:
        report = reconciliation.catch_up(run.has_time)
        if report.agenda is not None:
            lag = report.agenda.lag(run.now).total_seconds()
            telemetry.measure("ReconciliationLag", lag, MetricUnit.Seconds)
        unfinished = int(not report.is_finished)
        telemetry.measure("ReconciliationUnfinished", unfinished, MetricUnit.Count)
        settled = wiring.settlement_sync().catch_up(run.has_time)
    else:
        since = start_of(run.day)
        until = start_of(run.day + timedelta(days=1)) - timedelta(milliseconds=1)
        report = reconciliation.reconcile(since, until, run.has_time)
        settled = wiring.settlement_sync().reconcile(since, until, run.has_time)
    report.counts.update(settled)
    counts = {name: report.counts[name] for name in COUNTED}
    return {**counts, "finished": report.is_finished}


@job(spare_seconds=SECONDS_PER_PAYMENT)
def send_refunds(run: Run) -> Counts:
    """Runs every 5 minutes: sends refunds that Razorpay does not have, and asks for the outcome of
    the others. An alarm on the metric reports a refund that waits for too long.
    """
    report, oldest = wiring.refund_driver().run(run.has_time)
    telemetry.measure("RefundsOldest", oldest.total_seconds(), MetricUnit.Seconds)
    return {name: report.counts[name] for name in COUNTED_OF_REFUNDS}


prepare(__name__)
