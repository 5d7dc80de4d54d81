"""Sends SES's notifications of bounces and complaints to the shop, in SES's form."""

import json
from datetime import UTC, datetime
from typing import Any

from local.emulator import root_client
from local.mailbox.mail import Mail

SUB_TYPES = {"Permanent": "General", "Transient": "MailboxFull", "Undetermined": "Undetermined"}
BOUNCES = tuple(SUB_TYPES)
COMPLAINTS = ("abuse", "auth-failure", "fraud", "not-spam", "other", "virus")
ACCOUNT = "000000000000"
SUBJECT = "Amazon SES Email Event Notification"


class NoDestination(RuntimeError):
    """The configuration set has no destination for this kind of event."""


def publish(endpoint: str, configuration_set: str, event: dict[str, Any]) -> None:
    """Publish the event to the topics of the configuration set for its type."""
    ses = root_client(endpoint, "sesv2")
    found = ses.get_configuration_set_event_destinations(ConfigurationSetName=configuration_set)
    ses.close()
    kind = event["eventType"].upper()
    topics = [
        destination["SnsDestination"]["TopicArn"]
        for destination in found["EventDestinations"]
        if destination["Enabled"] and kind in destination["MatchingEventTypes"]
    ]
    if not topics:
        raise NoDestination(f"{configuration_set} sends no {event['eventType']} to any topic")
    sns = root_client(endpoint, "sns")
    for topic in topics:
        sns.publish(TopicArn=topic, Subject=SUBJECT, Message=json.dumps(event))
    sns.close()


def bounce(mail: Mail, kind: str = BOUNCES[0], configuration_set: str = "") -> dict[str, Any]:
    """Create the notification of a bounced mail."""
    code, action = ("5.1.1", "failed") if kind == "Permanent" else ("4.2.2", "delayed")
    return {
        "eventType": "Bounce",
        "bounce": {
            "feedbackId": f"{mail.id}-feedback",
            "bounceType": kind,
            "bounceSubType": SUB_TYPES[kind],
            "bouncedRecipients": [
                {
                    "emailAddress": recipient,
                    "action": action,
                    "status": code,
                    "diagnosticCode": f"smtp; 550 {code} simulated",
                }
                for recipient in mail.recipients
            ],
            "timestamp": _now(),
            "reportingMTA": "dsn; a8-70.smtp-out.amazonses.com",
        },
        "mail": _mail_json(mail, configuration_set),
    }


def complaint(mail: Mail, kind: str = COMPLAINTS[0], configuration_set: str = "") -> dict[str, Any]:
    """Create the notification of a mail that its reader marked as unwanted."""
    return {
        "eventType": "Complaint",
        "complaint": {
            "feedbackId": f"{mail.id}-feedback",
            "complaintSubType": None,
            "complainedRecipients": [{"emailAddress": each} for each in mail.recipients],
            "timestamp": _now(),
            "userAgent": "Mailbox simulator",
            "complaintFeedbackType": kind,
            "arrivalDate": _now(),
        },
        "mail": _mail_json(mail, configuration_set),
    }


def _mail_json(mail: Mail, configuration_set: str) -> dict[str, Any]:
    sent = _iso(datetime.fromtimestamp(mail.sent, UTC))
    headers = {"From": mail.sender, "To": ", ".join(mail.recipients), "Subject": mail.subject}
    return {
        "timestamp": sent,
        "source": mail.sender,
        "sendingAccountId": ACCOUNT,
        "messageId": mail.id,
        "destination": mail.recipients,
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in headers.items()],
        "commonHeaders": {
            "from": [mail.sender],
            "to": mail.recipients,
            "messageId": mail.id,
            "subject": mail.subject,
        },
        "tags": {"ses:configuration-set": [configuration_set]},
    }


def _now() -> str:
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
