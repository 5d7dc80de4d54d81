"""The Lambda that handles SES's reports of bounces and complaints."""

from typing import Any

from notification import wiring
from notification.schemas import SesEvent
from supermarket import telemetry
from supermarket.init_phase import prepare
from supermarket.queues import Message, handle_batch

CONSUMER = "mail_feedback"  # as its dead renderer are called
# SES sends this text when an event destination is created or changed
VALIDATION = "Successfully validated SNS topic"


def suppress_addresses(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The Lambda handler: takes an SQS batch, returns the messages to retry."""
    return handle_batch(event, _handle)


def _handle(message: Message) -> None:
    if message.body.startswith(VALIDATION):
        return
    telemetry.begin(message.id, consumer=CONSUMER, message_id=message.id)
    try:
        _apply(SesEvent.model_validate_json(message.body))
    except Exception:
        telemetry.logger.exception("event failed")
        raise


def _apply(report: SesEvent) -> None:
    telemetry.logger.append_keys(ses_message_id=report.mail.message_id)
    service = wiring.feedback()
    if report.bounce:
        kind, sub_type = report.bounce.bounce_type, report.bounce.bounce_sub_type
        for addressee in report.bounce.bounced_recipients:
            service.bounced(addressee.email_address, kind, sub_type)
    if report.complaint:
        for addressee in report.complaint.complained_recipients:
            service.complained(addressee.email_address, report.complaint.complaint_feedback_type)


prepare(__name__)
