"""The scheduled Lambdas of mails that wait."""

from aws_lambda_powertools.metrics import MetricUnit

from notification import wiring
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.jobs import Counts, Run, job

SECONDS_PER_PAGE = 10
SECONDS_PER_DIGEST = 10


@job(spare_seconds=SECONDS_PER_PAGE)
def requeue_due_mails(run: Run) -> Counts:
    """Send the events of mails that are due to their queues, every minute. An alarm on the metric
    reports that mails are overdue.
    """
    service = wiring.due_mails()
    counts = service.requeue(run.until, run.has_time)
    overdue = service.overdue(run.now).total_seconds()
    telemetry.measure("MailsOverdue", overdue, MetricUnit.Seconds)
    return counts


@job(spare_seconds=SECONDS_PER_DIGEST)
def send_seller_digests(run: Run) -> Counts:
    """Send the digests that are due, every minute."""
    return wiring.digest_service().send_due(run.until, run.has_time)


prepare(__name__)
