"""The event Lambda of notification, with DynamoDB on moto and a stubbed SES client."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from conftest import NOON, FrozenClock
from notification import gateways, wiring
from notification.gateways import PAGES, PERMANENT_ERRORS, TEMPORARY_ERRORS
from notification.listeners import bulk_mails, order_mails, security_mails
from notification.mails import MAILS
from notification.model import MailClass, Message
from notification.repository import CLAIM_LIFETIME, DynamoDigests, DynamoWaitingMails
from supermarket import events, telemetry
from supermarket.clock import new_id
from supermarket.config import settings
from supermarket.contracts import Event
from supermarket.dynamo import outbox
from supermarket.dynamo.outbox import OutboxRow
from support import cloud
from support.notification import (
    FakeOrders,
    account_changed,
    cart_abandoned,
    email_change_requested,
    email_changed,
    email_verification_requested,
    order_cancelled,
    order_confirmed,
    order_delivered,
    order_placed,
    order_shipped,
    password_reset_requested,
    payment_completed,
    payment_failed,
    payment_refunded,
    product_created,
    sales_report,
    stock_ran_low,
    user_registered,
)
from support.template import functions, resources

pytestmark = pytest.mark.usefixtures("aws")

MAILED: dict[str, Callable[[], Event]] = {
    "UserRegistered": user_registered,
    "EmailVerificationRequested": email_verification_requested,
    "PasswordResetRequested": password_reset_requested,
    "EmailChangeRequested": email_change_requested,
    "EmailChanged": email_changed,
    "AccountChanged": account_changed,
    "SalesReportReady": sales_report,
    "CartAbandoned": cart_abandoned,
    "OrderConfirmed": order_confirmed,
    "OrderPlaced": order_placed,
    "PaymentCompleted": payment_completed,
    "PaymentFailed": payment_failed,
    "OrderCancelled": order_cancelled,
    "OrderShipped": order_shipped,
    "OrderDelivered": order_delivered,
    "PaymentRefunded": payment_refunded,
}
DIGESTED: dict[str, Callable[[], Event]] = {
    "ProductCreated": product_created,
    "StockRanLow": stock_ran_low,
}
CONSUMERS = {
    MailClass.SECURITY: security_mails,
    MailClass.ORDER: order_mails,
    MailClass.BULK: bulk_mails,
}


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch, clock: FrozenClock) -> Iterator[Stubber]:
    """A stubbed SES client, which validates parameters with the service model."""
    client = cloud.client("sesv2")
    monkeypatch.setattr(wiring, "_ses", lambda: client)
    monkeypatch.setattr(wiring, "utc_now", clock)
    monkeypatch.setattr(outbox, "utc_now", clock)
    forget()
    with Stubber(client) as stubber:
        yield stubber
    forget()


def forget() -> None:
    for factory in (wiring.notification_service, wiring.digest_service, wiring._mailer):
        factory.cache_clear()
    wiring.inbox.cache_clear()


@pytest.fixture(autouse=True)
def orders(monkeypatch: pytest.MonkeyPatch) -> FakeOrders:
    """The orders of the shop; all of them can be paid."""
    orders = FakeOrders()
    monkeypatch.setattr(gateways, "ShopOrders", lambda _: orders)
    return orders


CREATE_TOKEN = wiring._create_token  # the fixture below replaces it


class NumberedTokens:
    """Tokens with a character that must be escaped in a URL."""

    def __init__(self) -> None:
        self.minted: list[str] = []

    def create(self, purpose: str, user_id: str, email: str) -> str:
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
    """Deliver events to the consumer of the last one's class."""
    name = json.loads(records[-1]["body"])["detail-type"]
    [consumer] = [one for one in CONSUMERS.values() if name in one.handlers]
    answer = consumer({"Records": list(records)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def waiting() -> list[Any]:
    far = NOON + timedelta(days=99)
    return [mail for page in DynamoWaitingMails().list_due(far) for mail in page]


@pytest.mark.parametrize("name", MAILED)
def test_every_event_sends_one_mail_however_often_it_is_delivered(
    name: str, ses: Stubber, clock: FrozenClock
) -> None:
    takes(ses)
    event = record(MAILED[name]())
    clock.advance(timedelta(minutes=5))  # after that, an order that is not paid has its mail
    assert deliver(event, event) == []
    assert deliver(event) == []
    ses.assert_no_pending_responses()
    assert len(inbox_of("u1")) == 1


@pytest.mark.parametrize("name", DIGESTED)
def test_news_of_products_are_one_line_of_a_digest(name: str, clock: FrozenClock) -> None:
    event = record(DIGESTED[name]())
    assert deliver(event, event) == []
    assert inbox_of("u1") == []
    [[digest]] = DynamoDigests().list_due(NOON + timedelta(hours=2))
    assert len(DynamoDigests().list_lines(digest, 9)) == 1


@pytest.mark.parametrize("mail_class", MailClass)
def test_a_rule_matches_exactly_the_events_of_its_class(mail_class: MailClass) -> None:
    rule = resources("AWS::Events::Rule")[f"{mail_class.capitalize()}MailRule"]
    names = {event.NAME for event, one in MAILS.items() if one.mail_class is mail_class}
    names |= DIGESTED.keys() if mail_class is MailClass.BULK else set()
    assert set(rule["EventPattern"]["detail-type"]) == names


def test_an_order_has_a_mail_if_it_is_unpaid_after_some_minutes(
    ses: Stubber, clock: FrozenClock, orders: FakeOrders
) -> None:
    placed = record(order_placed())
    assert deliver(placed, placed) == []
    [mail] = waiting()
    assert (mail.mail_class, mail.due) == (MailClass.ORDER, NOON + timedelta(minutes=5))
    assert inbox_of("u1") == []
    clock.now = mail.due
    orders.paid.add(order_placed().order_id)
    assert deliver({**placed, "body": mail.body}) == []
    assert inbox_of("u1") == []
    orders.paid.clear()
    takes(ses)
    assert deliver({**placed, "body": mail.body}, placed) == []
    assert [message.kind for message in inbox_of("u1")] == ["order_placed"]


def test_a_payment_has_a_mail_only_if_it_came_too_late(ses: Stubber) -> None:
    assert deliver(record(payment_completed(goes_back=False))) == []
    takes(ses)
    assert deliver(record(payment_completed(goes_back=True))) == []
    assert [message.kind for message in inbox_of("u1")] == ["payment_too_late"]


def test_a_mail_is_sent_with_all_fields(ses: Stubber) -> None:
    seen: list[dict[str, Any]] = []
    takes(ses)
    ses.client.meta.events.register(
        "provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params)
    )
    deliver(record(order_confirmed(), "request-42"))
    (mail,) = seen
    assert mail["FromEmailAddress"] == "Super-Market <shop@supermarket.example>"
    assert mail["Destination"] == {"ToAddresses": ["asha@example.com"]}
    content = mail["Content"]["Simple"]
    assert content["Subject"] == {
        "Data": "Your order over ₹1,23,220.44 is confirmed",
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
    bad, good = record(order_confirmed()), record(payment_completed())
    assert deliver(bad, good) == [bad["messageId"]]
    clock.advance(timedelta(seconds=60))
    assert deliver(bad) == []
    ses.assert_no_pending_responses()


@pytest.fixture
def dead_letters(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """The queue of the records with its dead letters; returns the events in these."""
    sqs = cloud.client("sqs")
    dead = sqs.create_queue(QueueName="dead-notifications")["QueueUrl"]
    arn = "arn:aws:sqs:ap-south-1:123456789012:dead-notifications"
    policy = json.dumps({"maxReceiveCount": 20, "deadLetterTargetArn": arn})
    sqs.create_queue(QueueName="notifications", Attributes={"RedrivePolicy": policy})
    monkeypatch.setattr(events, "_sqs", lambda: sqs)
    events._dead_letters_of.cache_clear()

    def receive() -> list[Any]:
        found = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    return receive


@pytest.mark.parametrize("code", sorted(PERMANENT_ERRORS))
def test_what_ses_rejects_for_good_is_a_dead_letter_at_once(
    code: str,
    ses: Stubber,
    dead_letters: Callable[[], list[Any]],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ses.add_client_error("send_email", code, "The address is not allowed")
    takes(ses)
    bad, good = record(order_confirmed()), record(order_shipped())
    assert deliver(bad, good) == []
    assert dead_letters() == [json.loads(bad["body"])]
    assert f"SES rejects this mail: {code}" in caplog.text
    assert '"MailsRejected"' in capsys.readouterr().out
    assert [message.kind for message in inbox_of("u1")] == ["order_shipped"]
    assert waiting() == []


@pytest.mark.parametrize("code", ["InternalServiceErrorException", "NotFoundException"])
def test_a_temporary_error_is_not_a_permanent_rejection(
    code: str, ses: Stubber, caplog: pytest.LogCaptureFixture
) -> None:
    ses.add_client_error("send_email", code)
    event = record(order_confirmed())
    assert deliver(event) == [event["messageId"]]
    assert code in caplog.text
    assert "rejects" not in caplog.text


@pytest.mark.parametrize("code", sorted(TEMPORARY_ERRORS))
def test_a_throttled_mail_waits_as_a_row_and_is_no_failure(
    code: str, ses: Stubber, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    ses.add_client_error("send_email", code, "Daily message quota exceeded.")
    takes(ses)
    event = record(order_confirmed())
    assert deliver(event) == []  # no message stays in flight
    [mail] = waiting()
    assert mail.due - clock() > CLAIM_LIFETIME
    [line] = [line for line in caplog.records if line.levelname != "INFO"]
    assert line.levelname == "WARNING"
    assert "Daily message quota exceeded." in vars(line)["reason"]
    clock.now = mail.due
    assert deliver({**event, "body": mail.body}) == []
    ses.assert_no_pending_responses()


def test_a_mail_over_the_limit_waits_as_a_row_until_the_next_hour(
    ses: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_MAILS_PER_HOUR", "1")
    settings.cache_clear()
    takes(ses)
    try:
        assert deliver(record(order_confirmed()), record(order_shipped())) == []
    finally:
        settings.cache_clear()
    [mail] = waiting()
    assert json.loads(mail.body)["detail-type"] == "OrderShipped"
    assert mail.due == NOON + timedelta(hours=1)
    ses.assert_no_pending_responses()


def test_the_more_urgent_a_class_is_the_fewer_mails_of_it_are_one_batch() -> None:
    names = [f"Notification{each.capitalize()}Mails" for each in MailClass]
    queues = [functions()[name]["Events"]["Queue"]["Properties"] for name in names]
    assert [queue["BatchSize"] for queue in queues] == [1, 10, 10]
    assert [queue["ScalingConfig"]["MaximumConcurrency"] for queue in queues] == [5, 10, 2]


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
    assert CREATE_TOKEN(purpose, "unknown", "asha@example.com") is None
