"""Messages, limits and suppressions, with the DynamoDB and the in-memory adapters."""

from datetime import timedelta
from typing import Any

import pytest
from pynamodb.exceptions import PynamoDBException

from conftest import NOON, FrozenClock
from notification.model import Message
from notification.ports import SendInProgress
from notification.repository import (
    CLAIM_LIFETIME,
    RETENTION,
    DynamoMessages,
    DynamoRateLimit,
    DynamoSuppressions,
)
from supermarket.errors import RetryLater
from support import cloud
from support.notification import InMemoryMessages, InMemoryRateLimit, InMemorySuppressions
from support.template import functions, resources, template

pytestmark = pytest.mark.usefixtures("aws")
QUEUE = resources("AWS::SQS::Queue")["NotificationQueue"]


@pytest.fixture(params=[DynamoMessages, InMemoryMessages])
def messages(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
    return request.param(clock)


@pytest.fixture(params=[DynamoRateLimit, InMemoryRateLimit])
def rate_limit(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
    return request.param(clock, 2)


@pytest.fixture(params=[DynamoSuppressions, InMemorySuppressions])
def suppressions(request: pytest.FixtureRequest) -> Any:
    return request.param()


def a_message(number: int = 0, recipient: str = "u1") -> Message:
    return Message(
        id=f"event-{number}.order_placed",
        recipient_id=recipient,
        kind="order_placed",
        subject="We have your order",
        text="Hello Asha",
        sent_at=NOON + timedelta(minutes=number),
    )


def items() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.client("dynamodb").scan(
        TableName="supermarket-test-notification"
    )["Items"]
    return found


def test_a_mail_is_claimed_once(messages: Any) -> None:
    assert messages.claim("event-1.welcome")
    assert messages.claim("event-2.welcome")
    with pytest.raises(SendInProgress):
        messages.claim("event-1.welcome")


def test_an_abandoned_claim_expires(messages: Any, clock: FrozenClock) -> None:
    assert messages.claim("event-1.welcome")
    clock.advance(CLAIM_LIFETIME + timedelta(seconds=1))
    assert messages.claim("event-1.welcome")


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=300)])
def test_a_sent_mail_is_not_claimed_again(
    messages: Any, clock: FrozenClock, later: timedelta
) -> None:
    message = a_message()
    messages.claim(message.id)
    messages.save_sent(message)
    messages.claim("nothing.to-send")
    messages.save_skipped("nothing.to-send")
    clock.advance(later)
    assert not messages.claim(message.id)
    assert not messages.claim("nothing.to-send")
    assert messages.list_messages("u1", None, 10).messages == (message,)


def test_an_inbox_is_read_page_by_page_newest_first(messages: Any) -> None:
    for number in (2, 0, 3, 1, 4):
        messages.save_sent(a_message(number))
    messages.save_sent(a_message(9, "u2"))
    seen, before = [], None
    while True:
        page = messages.list_messages("u1", before, 2)
        seen += [message.sent_at for message in page.messages]
        before = page.next_before
        if before is None:
            break
    assert seen == [NOON + timedelta(minutes=number) for number in (4, 3, 2, 1, 0)]


def test_messages_of_the_same_moment_are_all_shown(messages: Any) -> None:
    ids = {f"event-{number}.welcome" for number in range(4)}
    for message_id in ids:
        messages.save_sent(Message(message_id, "u1", "welcome", "Welcome", "Hello", NOON))
    first = messages.list_messages("u1", None, 3)
    second = messages.list_messages("u1", first.next_before, 3)
    assert {message.id for message in first.messages + second.messages} == ids
    assert second.next_before is None


def test_a_message_is_read_by_its_recipient_only(messages: Any) -> None:
    message = a_message()
    messages.save_sent(message)
    assert messages.mark_read("u2", message.id, NOON) is None
    assert messages.mark_read("u1", "event-7.welcome", NOON) is None
    assert messages.unread("u1", 10) == [message.id]
    for _ in range(2):
        read = messages.mark_read("u1", message.id, NOON)
        assert (read.id, read.read) == (message.id, True)
    assert messages.unread("u1", 10) == []
    assert [one.read for one in messages.list_messages("u1", None, 10).messages] == [True]


def test_a_claimed_mail_is_not_in_the_inbox(messages: Any) -> None:
    messages.claim("event-1.welcome")
    assert messages.mark_read("u1", "event-1.welcome", NOON) is None
    assert messages.list_messages("u1", None, 10).messages == ()


def test_unread_messages_are_counted_up_to_a_limit_and_read_together(messages: Any) -> None:
    for number in range(5):
        messages.save_sent(a_message(number))
    assert len(messages.unread("u1", 3)) == 3
    messages.mark_all_read(messages.unread("u1", 3), NOON)
    assert messages.unread("u1", 3) == ["event-1.order_placed", "event-0.order_placed"]


def test_an_address_has_a_limit_of_mails_per_hour(rate_limit: Any, clock: FrozenClock) -> None:
    rate_limit.acquire("asha@example.com")
    rate_limit.acquire("Asha@Example.com ")
    clock.advance(timedelta(minutes=20))
    with pytest.raises(RetryLater) as early:
        rate_limit.acquire("asha@example.com")
    assert early.value.wait == timedelta(minutes=40)
    rate_limit.acquire("ravi@example.com")
    clock.advance(early.value.wait)
    rate_limit.acquire("asha@example.com")


def test_a_released_mail_is_not_counted(rate_limit: Any) -> None:
    rate_limit.acquire("asha@example.com")
    rate_limit.acquire("asha@example.com")
    rate_limit.release("asha@example.com")
    rate_limit.acquire("asha@example.com")
    with pytest.raises(RetryLater):
        rate_limit.acquire("asha@example.com")


def test_suppression_ignores_the_case_of_an_address(suppressions: Any) -> None:
    assert not suppressions.has("asha@example.com")
    for _ in range(2):
        suppressions.add("Asha@example.com", "bounce", NOON)
    assert suppressions.has("asha@EXAMPLE.com")
    assert not suppressions.has("ravi@example.com")


def test_messages_expire_after_a_year_and_limits_after_their_hour(
    clock: FrozenClock,
) -> None:
    messages = DynamoMessages(clock)
    messages.claim(a_message().id)
    messages.save_sent(a_message())
    DynamoRateLimit(clock, 1).acquire("asha@example.com")
    DynamoSuppressions().add("asha@example.com", "complaint", NOON)
    ends = {
        item["pk"]["S"].split("#")[0]: int(item["expiresAt"]["N"]) - int(NOON.timestamp())
        for item in items()
        if "expiresAt" in item
    }
    assert ends == {"MESSAGE": RETENTION.total_seconds(), "LIMIT": 2 * 60 * 60}


def test_a_message_is_kept_longer_than_an_event_can_be_delivered() -> None:
    waits_at_most = 2 * QUEUE["MessageRetentionPeriod"]
    assert waits_at_most < RETENTION.total_seconds()


def test_a_claim_expires_after_the_lambda_and_before_the_next_retry() -> None:
    standard = template()["Globals"]["Function"]["Timeout"]
    timeout = functions()["NotificationEventHandlers"].get("Timeout", standard)
    assert timeout < CLAIM_LIFETIME.total_seconds() < QUEUE["VisibilityTimeout"]


@pytest.mark.parametrize(
    "use",
    [
        lambda: DynamoMessages(FrozenClock()).claim("event-1.welcome"),
        lambda: DynamoMessages(FrozenClock()).mark_read("u1", "event-1.welcome", NOON),
        lambda: DynamoRateLimit(FrozenClock(), 1).acquire("asha@example.com"),
    ],
)
def test_a_timeout_of_the_table_is_not_a_failed_condition(use: Any) -> None:
    cloud.client("dynamodb").delete_table(TableName="supermarket-test-notification")
    with pytest.raises(PynamoDBException):
        use()
