"""The event Lambda of notification, with DynamoDB on moto and a stubbed SES client."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from conftest import FrozenClock
from notification import wiring
from notification.gateways import PAGES, TEMPORARY_ERRORS
from notification.listeners import event_handlers
from notification.model import Message
from notification.repository import CLAIM_LIFETIME
from supermarket import events, telemetry
from supermarket.clock import new_id
from supermarket.config import settings
from supermarket.contracts import Event
from supermarket.dynamo.outbox import OutboxRow
from support import cloud
from support.notification import (
    cart_abandoned,
    email_verification_requested,
    order_cancelled,
    order_confirmed,
    order_delivered,
    order_placed,
    order_shipped,
    password_reset_requested,
    payment_completed,
    payment_failed,
    payment_initiated,
    payment_refunded,
    product_created,
    sales_report,
    stock_ran_low,
    user_registered,
)
from support.template import functions, resources

pytestmark = pytest.mark.usefixtures("aws")

EVENTS: dict[str, Callable[[], Event]] = {
    "UserRegistered": user_registered,
    "EmailVerificationRequested": email_verification_requested,
    "PasswordResetRequested": password_reset_requested,
    "ProductCreated": product_created,
    "StockRanLow": stock_ran_low,
    "SalesReportReady": sales_report,
    "CartAbandoned": cart_abandoned,
    "OrderConfirmed": order_confirmed,
    "OrderPlaced": order_placed,
    "PaymentInitiated": payment_initiated,
    "PaymentCompleted": payment_completed,
    "PaymentFailed": payment_failed,
    "OrderCancelled": order_cancelled,
    "OrderShipped": order_shipped,
    "OrderDelivered": order_delivered,
    "PaymentRefunded": payment_refunded,
}


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch, clock: FrozenClock) -> Iterator[Stubber]:
    """A stubbed SES client, which validates parameters with the service model."""
    client = cloud.client("sesv2")
    monkeypatch.setattr(wiring, "_ses", lambda: client)
    monkeypatch.setattr(wiring, "utc_now", clock)
    forget()
    with Stubber(client) as stubber:
        yield stubber
    forget()


def forget() -> None:
    wiring.notification_service.cache_clear()
    wiring.inbox.cache_clear()


CREATE_TOKEN = wiring._create_token  # the fixture below replaces it


class NumberedTokens:
    """Tokens with a character that must be escaped in a URL."""

    def __init__(self) -> None:
        self.minted: list[str] = []

    def create(self, purpose: str, user_id: str) -> str:
        self.minted.append(f"{purpose}-{user_id}-{len(self.minted)}")
        return self.minted[-1] + "+"


@pytest.fixture(autouse=True)
def minter(monkeypatch: pytest.MonkeyPatch) -> NumberedTokens:
    minter = NumberedTokens()
    monkeypatch.setattr(wiring, "_create_token", minter.create)
    return minter


def inbox_of(user_id: str) -> list[Message]:
    return list(wiring.inbox().list_messages(user_id, None, 100)[0].messages)


def takes(ses: Stubber, times: int = 1) -> None:
    for _ in range(times):
        ses.add_response(
            "send_email",
            {"MessageId": new_id()},
            {
                "FromEmailAddress": ANY,
                "Destination": ANY,
                "Content": ANY,
                "ConfigurationSetName": "supermarket-test",
            },
        )


def refuses(ses: Stubber) -> None:
    ses.add_client_error("send_email", "InternalServiceErrorException")


def record(event: Event, correlation_id: str = "request-1") -> dict[str, Any]:
    telemetry.begin(correlation_id)
    row = OutboxRow.of(event)
    body = {"detail-type": row.detail_type, "detail": json.loads(row.detail)}
    return {
        "messageId": new_id(),
        "body": json.dumps(body),
        "receiptHandle": "receipt",
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:ap-south-1:000000000000:notifications",
    }


def deliver(*records: dict[str, Any]) -> list[str]:
    answer = event_handlers({"Records": list(records)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_sends_one_mail_however_often_it_is_delivered(name: str, ses: Stubber) -> None:
    takes(ses)
    event = record(EVENTS[name]())
    assert deliver(event, event) == []
    assert deliver(event) == []
    ses.assert_no_pending_responses()
    assert len(inbox_of("u1")) == 1


def test_the_rule_matches_exactly_these_events() -> None:
    rule = resources("AWS::Events::Rule")["NotificationRule"]
    assert set(event_handlers.handlers) == set(EVENTS)
    names = {event.NAME for event, _ in event_handlers.handlers.values()}
    assert set(rule["EventPattern"]["detail-type"]) == names


def test_a_mail_is_sent_with_all_fields(ses: Stubber) -> None:
    seen: list[dict[str, Any]] = []
    takes(ses)
    ses.client.meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params)
    )
    deliver(record(order_placed(), "request-42"))
    (mail,) = seen
    assert mail["FromEmailAddress"] == "Super-Market <shop@supermarket.example>"
    assert mail["Destination"] == {"ToAddresses": ["asha@example.com"]}
    content = mail["Content"]["Simple"]
    assert content["Subject"] == {
        "Data": "We have your order over ₹1,23,220.44",
        "Charset": "UTF-8",
    }
    assert "Darjeeling" in content["Body"]["Html"]["Data"]
    assert "Darjeeling" in content["Body"]["Text"]["Data"]
    assert {"Name": "X-Correlation-ID", "Value": "request-42"} in content["Headers"]


def test_an_event_without_a_request_needs_no_correlation_id(ses: Stubber) -> None:
    takes(ses)
    assert deliver(record(payment_failed(), correlation_id="")) == []


def test_only_the_mail_that_ses_refuses_returns_to_the_queue(
    ses: Stubber, clock: FrozenClock
) -> None:
    refuses(ses)
    takes(ses, times=2)
    bad, good = record(order_placed()), record(payment_completed())
    assert deliver(bad, good) == [bad["messageId"]]
    clock.advance(timedelta(seconds=60))
    assert deliver(bad) == []
    ses.assert_no_pending_responses()


def test_a_permanent_rejection_is_logged_and_becomes_a_dead_letter(
    ses: Stubber, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ses.add_client_error("send_email", "MessageRejected", "The address is not allowed")
    event = record(order_placed())
    assert deliver(event) == [event["messageId"]]
    assert "SES rejects this mail: MessageRejected" in caplog.text
    assert '"MailsRejected"' in capsys.readouterr().out
    assert inbox_of("u1") == []


@pytest.mark.parametrize("code", ["InternalServiceErrorException", "NotFoundException"])
def test_a_temporary_error_is_not_a_permanent_rejection(
    code: str, ses: Stubber, caplog: pytest.LogCaptureFixture
) -> None:
    ses.add_client_error("send_email", code)
    event = record(order_placed())
    assert deliver(event) == [event["messageId"]]
    assert code in caplog.text
    assert "for good" not in caplog.text


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls that hide a message in its queue."""
    calls: list[dict[str, Any]] = []
    sqs = cloud.client("sqs")
    monkeypatch.setattr(sqs, "change_message_visibility", lambda **call: calls.append(call))
    monkeypatch.setattr(events, "_sqs", lambda: sqs)
    return calls


@pytest.mark.parametrize("code", sorted(TEMPORARY_ERRORS))
def test_a_throttled_mail_waits_in_its_queue_and_is_no_failure(
    code: str,
    ses: Stubber,
    clock: FrozenClock,
    hidden: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    ses.add_client_error("send_email", code, "Daily message quota exceeded.")
    takes(ses)
    event = record(order_placed())
    assert deliver(event) == [event["messageId"]]
    (seconds,) = (call["VisibilityTimeout"] for call in hidden)
    assert seconds > CLAIM_LIFETIME.total_seconds()
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert "Daily message quota exceeded." in vars(line)["reason"]
    clock.advance(timedelta(seconds=seconds))
    assert deliver(event) == []
    ses.assert_no_pending_responses()


def test_concurrency_fits_the_sending_rate_of_a_new_ses_account() -> None:
    queue = functions()["NotificationEventHandlers"]["Events"]["Queue"]["Properties"]
    assert queue["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_a_mail_over_the_limit_waits_in_its_queue_until_the_next_hour(
    ses: Stubber,
    hidden: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MAILS_PER_RECIPIENT_PER_HOUR", "1")
    settings.cache_clear()
    takes(ses)
    first, second = record(order_placed()), record(order_placed())
    try:
        assert deliver(first, second) == [second["messageId"]]
    finally:
        settings.cache_clear()
    (call,) = hidden
    assert call["QueueUrl"].endswith("/000000000000/notifications")
    assert call["ReceiptHandle"] == "receipt"
    assert call["VisibilityTimeout"] == 60 * 60 + 1  # it is exactly noon
    assert "event postponed" in caplog.text
    ses.assert_no_pending_responses()


def test_secrets_are_in_no_log_and_no_table(
    ses: Stubber,
    minter: NumberedTokens,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    takes(ses)
    refuses(ses)
    takes(ses)
    sent = [user_registered(), password_reset_requested(), email_verification_requested()]
    deliver(*(record(event) for event in sent))
    assert len(minter.minted) == 3
    kept = json.dumps(cloud.client("dynamodb").scan(TableName="supermarket-test-notification"))
    output = "".join(capsys.readouterr()) + caplog.text
    for token in minter.minted:
        assert token not in kept
        assert token not in output
    assert "asha@" not in output


def test_the_link_points_to_the_storefront_with_auths_token(
    ses: Stubber, minter: NumberedTokens
) -> None:
    seen: list[dict[str, Any]] = []
    takes(ses)
    ses.client.meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params)
    )
    deliver(record(password_reset_requested()))
    text = seen[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert f"https://shop.example/reset-password?token={minter.minted[0]}%2B" in text


@pytest.mark.parametrize("purpose", PAGES)
def test_auth_knows_the_purpose_of_every_link(purpose: str) -> None:
    assert CREATE_TOKEN(purpose, "unknown") is None
