"""What SES tells of mails that came back, and which addresses get no mail any more."""

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
def _anew() -> Iterator[None]:
    wiring.feedback.cache_clear()
    yield
    wiring.feedback.cache_clear()


def deliver(*told: Any) -> list[str]:
    records = [
        {
            "messageId": f"{number}-{new_id()}",
            "body": one if isinstance(one, str) else json.dumps(one),
            "eventSource": "aws:sqs",
        }
        for number, one in enumerate(told)
    ]
    answer = suppress_addresses({"Records": records}, None)
    return [failure["itemIdentifier"][0] for failure in answer["batchItemFailures"]]


def is_suppressed(address: str = "asha@example.com") -> bool:
    return DynamoSuppressions().has(address)


def test_an_address_from_which_a_mail_came_back_for_good_gets_no_more() -> None:
    assert deliver(bounce(MAIL), bounce(MAIL)) == []
    assert is_suppressed()


def test_what_ses_tries_a_new_topic_with_is_no_dead_letter() -> None:
    assert deliver("Successfully validated SNS topic for Amazon SES event publishing.") == []


@pytest.mark.parametrize("kind", ["Transient", "Undetermined"])
def test_a_full_mailbox_is_counted_and_tried_again(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver(bounce(MAIL, kind)) == []
    assert not is_suppressed()
    assert f'"type":"{kind}"' in capsys.readouterr().out.replace(" ", "")


def test_an_address_that_complained_gets_no_more() -> None:
    assert deliver(complaint(MAIL)) == []
    assert is_suppressed()


def test_somebody_who_takes_a_mail_out_of_the_spam_folder_does_not_complain() -> None:
    assert deliver(complaint(MAIL, "not-spam")) == []
    assert not is_suppressed()


def test_a_mail_that_never_left_ses_is_no_news_of_its_address() -> None:
    told = bounce(MAIL)
    told["bounce"]["bounceSubType"] = "OnAccountSuppressionList"
    assert deliver(told) == []
    assert not is_suppressed()


def test_an_address_may_come_with_a_name() -> None:
    told = bounce(MAIL)
    told["bounce"]["bouncedRecipients"][0]["emailAddress"] = "Asha Rao <asha@example.com>"
    assert deliver(told) == []
    assert is_suppressed()


def test_other_news_of_a_mail_changes_nothing() -> None:
    told = {"eventType": "Delivery", "mail": bounce(MAIL)["mail"], "delivery": {}}
    assert deliver(told) == []
    assert not is_suppressed()


def test_what_cannot_be_read_goes_back_and_the_rest_goes_on() -> None:
    assert deliver("not json", {"eventType": "Bounce"}, bounce(MAIL)) == ["0", "1"]
    assert is_suppressed()


def test_what_cannot_be_read_is_told_by_the_name_of_its_dead_letters(
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


def test_the_log_names_nobody(caplog: pytest.LogCaptureFixture) -> None:
    deliver(bounce(MAIL))
    assert "address suppressed" in caplog.text
    assert "example.com" not in caplog.text.lower()


def test_the_template_asks_for_bounces_and_complaints_and_keeps_what_fails() -> None:
    (destination,) = resources("AWS::SES::ConfigurationSetEventDestination").values()
    event_destination = destination["EventDestination"]
    assert set(event_destination["MatchingEventTypes"]) == {"bounce", "complaint"}
    subscription = resources("AWS::SNS::Subscription")["MailFeedbackComesIn"]
    assert subscription["RawMessageDelivery"] is True
    assert "RedrivePolicy" in resources("AWS::SQS::Queue")["MailFeedbackQueue"]
