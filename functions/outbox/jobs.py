"""The scheduled Lambda that sends what the stream of the outbox did not."""

from aws_lambda_powertools.metrics import MetricUnit

from outbox import wiring
from outbox.model import age_in_seconds
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PAGE = 40


@job(spare_seconds=SECONDS_PER_PAGE)
def resend_unsent_events(run: Run) -> Counts:
    """Send old events of the outbox, every few minutes. With a date: those until the end of that
    day. Alarms on the metrics report trouble with the stream or the bus.
    """
    backlog = wiring.outbox_relay().sweep(run.until, run.has_time)
    telemetry.measure("OutboxBacklog", backlog.found, MetricUnit.Count)
    telemetry.measure("OutboxOldest", age_in_seconds(backlog.oldest, run.now), MetricUnit.Seconds)
    telemetry.measure("OutboxUnsendable", backlog.unsendable, MetricUnit.Count)
    return {
        "sent": backlog.found - backlog.failed,
        "failed": backlog.failed,
        "unsendable": backlog.unsendable,
        "unfinished": int(not backlog.is_finished),
    }


prepare(__name__)
