"""Feedback of SES on bounces and complaints, and the suppression of addresses."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.mailbox.feedback import bounce, complaint
from local.mailbox.mail import Mail
from notification import wiring
from notification.feedback import suppress_addresses
from notification.repository import DynamoSuppressions
from supermarket import telemetry
from supermarket.clock import new_id
from support.template import resources

pytestmark = pytest.mark.usefixtures("aws")

MAIL = Mail(
    id="0100018b-mail",
    sender="Super-Market <shop@supermarket.example>",
    recipients=["Asha@example.com"],
    subject="Welcome",
    html="",
    text="",
    sent=1_795_000_000.0,
)


@pytest.fixture(autouse=True)
def _clear_cache() -> Iterator[None]:
    wiring.feedback.cache_clear()
    yield
    wiring.feedback.cache_clear()


def deliver(*reports: Any) -> list[str]:
    records = [
        {
            "messageId": f"{number}-{new_id()}",
            "body": one if isinstance(one, str) else json.dumps(one),
            "eventSource": "aws:sqs",
        }
        for number, one in enumerate(reports)
    ]
    answer = suppress_addresses({"Records": records}, None)
    return [failure["itemIdentifier"][0] for failure in answer["batchItemFailures"]]


def is_suppressed(address: str = "asha@example.com") -> bool:
    return DynamoSuppressions().has(address)


def test_a_permanent_bounce_suppresses_the_address() -> None:
    assert deliver(bounce(MAIL), bounce(MAIL)) == []
    assert is_suppressed()


def test_the_validation_message_of_a_new_topic_is_ignored() -> None:
    assert deliver("Successfully validated SNS topic for Amazon SES event publishing.") == []


@pytest.mark.parametrize("kind", ["Transient", "Undetermined"])
def test_a_transient_bounce_is_counted_and_does_not_suppress(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver(bounce(MAIL, kind)) == []
    assert not is_suppressed()
    assert f'"type":"{kind}"' in capsys.readouterr().out.replace(" ", "")


def test_a_complaint_suppresses_the_address() -> None:
    assert deliver(complaint(MAIL)) == []
    assert is_suppressed()


def test_a_not_spam_report_does_not_suppress() -> None:
    assert deliver(complaint(MAIL, "not-spam")) == []
    assert not is_suppressed()


def test_a_mail_suppressed_by_ses_does_not_suppress_the_address() -> None:
    report = bounce(MAIL)
    report["bounce"]["bounceSubType"] = "OnAccountSuppressionList"
    assert deliver(report) == []
    assert not is_suppressed()


def test_an_address_may_come_with_a_name() -> None:
    report = bounce(MAIL)
    report["bounce"]["bouncedRecipients"][0]["emailAddress"] = "Asha Rao <asha@example.com>"
    assert deliver(report) == []
    assert is_suppressed()


def test_other_reports_change_nothing() -> None:
    report = {"eventType": "Delivery", "mail": bounce(MAIL)["mail"], "delivery": {}}
    assert deliver(report) == []
    assert not is_suppressed()


def test_an_unreadable_report_is_retried_and_the_others_are_handled() -> None:
    assert deliver("not json", {"eventType": "Bounce"}, bounce(MAIL)) == ["0", "1"]
    assert is_suppressed()


def test_an_unreadable_report_is_logged_with_the_name_of_its_dead_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", log)
    unread = bounce(MAIL)
    del unread["mail"]
    deliver(unread)
    line = json.loads(log.getvalue())
    assert (line["message"], line["consumer"]) == ("event failed", "mail_feedback")
    assert line["message_id"].startswith("0-")
    assert "example.com" not in log.getvalue().lower()


def test_the_log_contains_no_address(caplog: pytest.LogCaptureFixture) -> None:
    deliver(bounce(MAIL))
    assert "address suppressed" in caplog.text
    assert "example.com" not in caplog.text.lower()


def test_the_template_subscribes_to_bounces_and_complaints_with_dead_letters() -> None:
    (destination,) = resources("AWS::SES::ConfigurationSetEventDestination").values()
    event_destination = destination["EventDestination"]
    assert set(event_destination["MatchingEventTypes"]) == {"bounce", "complaint"}
    subscription = resources("AWS::SNS::Subscription")["MailFeedbackComesIn"]
    assert subscription["RawMessageDelivery"] is True
    assert "RedrivePolicy" in resources("AWS::SQS::Queue")["MailFeedbackQueue"]
