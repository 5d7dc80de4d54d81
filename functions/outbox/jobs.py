"""The scheduled Lambda that sends what the stream of the outbox did not."""

from aws_lambda_powertools.metrics import MetricUnit

from outbox import wiring
from outbox.model import age_in_seconds
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_OF_A_SWEEP = 50


@job(spare_seconds=SECONDS_OF_A_SWEEP)
def resend_unsent_events(run: Run) -> Counts:
    """Send old events of the outbox, every few minutes. With a date: those until the end of that
    day. Alarms on the metrics report trouble with the stream or the bus.
    """
    backlog = wiring.outbox_relay().sweep(run.until)
    telemetry.measure("OutboxBacklog", backlog.found, MetricUnit.Count)
    telemetry.measure("OutboxOldest", age_in_seconds(backlog.oldest, run.now), MetricUnit.Seconds)
    telemetry.measure("OutboxUnsendable", backlog.unsendable, MetricUnit.Count)
    sent = backlog.found - backlog.failed
    return {"sent": sent, "failed": backlog.failed, "unsendable": backlog.unsendable}


prepare(__name__)
