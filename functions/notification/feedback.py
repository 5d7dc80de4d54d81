"""The Lambda that SES tells of mails which came back or were complained about."""

from typing import Any

from notification import wiring
from notification.schemas import SesEvent
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.queues import Message, handle_batch

CONSUMER = "mail_feedback"  # as its dead letters are called
# SES tries a topic with these words when an event destination is made or changed
GREETING = "Successfully validated SNS topic"


def suppress_addresses(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The Lambda handler: an SQS batch in, the items to be retried out."""
    return handle_batch(event, _take)


def _take(message: Message) -> None:
    if message.body.startswith(GREETING):
        return
    telemetry.begin(message.id, consumer=CONSUMER, message_id=message.id)
    try:
        _listen(SesEvent.model_validate_json(message.body))
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
