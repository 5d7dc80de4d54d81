"""The Lambda that SES tells of mails which came back or were complained about."""

from typing import Any, cast

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from notification import wiring
from notification.schemas import SesEvent
from supermarket import telemetry
from supermarket.init_phase import prepare

CONSUMER = "mail_feedback"  # as its dead letters are called
# SES tries a topic with these words when an event destination is made or changed
GREETING = "Successfully validated SNS topic"


def suppress_addresses(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: an SQS batch in, the items to be retried out."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event, _take, processor, context)
    return cast("dict[str, Any]", answer)


def _take(record: SQSRecord) -> None:
    if record.body.startswith(GREETING):
        return
    telemetry.begin(record.message_id, consumer=CONSUMER, message_id=record.message_id)
    try:
        _listen(SesEvent.model_validate_json(record.body))
    except Exception:
        telemetry.logger.exception("event failed")
        raise


def _listen(told: SesEvent) -> None:
    telemetry.logger.append_keys(ses_message_id=told.mail.message_id)
    service = wiring.feedback()
    if told.bounce:
        kind, sub_type = told.bounce.bounce_type, told.bounce.bounce_sub_type
        for addressee in told.bounce.bounced_recipients:
            service.bounced(addressee.email_address, kind, sub_type)
    if told.complaint:
        for addressee in told.complaint.complained_recipients:
            service.complained(addressee.email_address, told.complaint.complaint_feedback_type)


prepare(__name__)
