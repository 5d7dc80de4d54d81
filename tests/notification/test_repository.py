"""What was sent to whom, in DynamoDB and in memory alike."""

from datetime import timedelta
from typing import Any

import pytest
from pynamodb.exceptions import PynamoDBException

from conftest import NOON, FrozenClock
from notification.model import Message
from notification.ports import BeingSent
from notification.repository import (
    AN_ATTEMPT_TAKES,
    REMEMBERED_FOR,
    DynamoAllowance,
    DynamoMessages,
    DynamoSuppressions,
)
from supermarket.errors import RetryLater
from support import cloud
from support.notification import InMemoryAllowance, InMemoryMessages, InMemorySuppressions
from support.template import functions, resources, template

pytestmark = pytest.mark.usefixtures("aws")
QUEUE = resources("AWS::SQS::Queue")["NotificationQueue"]


@pytest.fixture(params=[DynamoMessages, InMemoryMessages])
def messages(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
    return request.param(clock)


@pytest.fixture(params=[DynamoAllowance, InMemoryAllowance])
def allowance(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
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


def test_a_mail_is_claimed_by_one(messages: Any) -> None:
    assert messages.claim("event-1.welcome")
    assert messages.claim("event-2.welcome")
    with pytest.raises(BeingSent):
        messages.claim("event-1.welcome")


def test_a_claim_of_somebody_who_died_ends(messages: Any, clock: FrozenClock) -> None:
    assert messages.claim("event-1.welcome")
    clock.advance(AN_ATTEMPT_TAKES + timedelta(seconds=1))
    assert messages.claim("event-1.welcome")


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=300)])
def test_what_was_sent_is_never_sent_again(
    messages: Any, clock: FrozenClock, later: timedelta
) -> None:
    message = a_message()
    messages.claim(message.id)
    messages.keep(message)
    messages.claim("nothing.to-send")
    messages.drop("nothing.to-send")
    clock.advance(later)
    assert not messages.claim(message.id)
    assert not messages.claim("nothing.to-send")
    assert messages.page_of("u1", None, 10).messages == (message,)


def test_an_inbox_is_read_page_by_page_newest_first(messages: Any) -> None:
    for number in (2, 0, 3, 1, 4):
        messages.keep(a_message(number))
    messages.keep(a_message(9, "u2"))
    seen, before = [], None
    while True:
        page = messages.page_of("u1", before, 2)
        seen += [message.sent_at for message in page.messages]
        before = page.next_before
        if before is None:
            break
    assert seen == [NOON + timedelta(minutes=number) for number in (4, 3, 2, 1, 0)]


def test_messages_of_the_same_moment_are_all_shown(messages: Any) -> None:
    ids = {f"event-{number}.welcome" for number in range(4)}
    for message_id in ids:
        messages.keep(Message(message_id, "u1", "welcome", "Welcome", "Hello", NOON))
    first = messages.page_of("u1", None, 3)
    second = messages.page_of("u1", first.next_before, 3)
    assert {message.id for message in first.messages + second.messages} == ids
    assert second.next_before is None


def test_a_message_is_read_by_its_recipient_only(messages: Any) -> None:
    message = a_message()
    messages.keep(message)
    assert messages.mark_read("u2", message.id, NOON) is None
    assert messages.mark_read("u1", "event-7.welcome", NOON) is None
    assert messages.unread("u1", 10) == [message.id]
    for _ in range(2):
        read = messages.mark_read("u1", message.id, NOON)
        assert (read.id, read.read) == (message.id, True)
    assert messages.unread("u1", 10) == []
    assert [one.read for one in messages.page_of("u1", None, 10).messages] == [True]


def test_what_is_only_claimed_is_nobodys_to_read(messages: Any) -> None:
    messages.claim("event-1.welcome")
    assert messages.mark_read("u1", "event-1.welcome", NOON) is None
    assert messages.page_of("u1", None, 10).messages == ()


def test_unread_messages_are_counted_up_to_a_limit_and_read_together(messages: Any) -> None:
    for number in range(5):
        messages.keep(a_message(number))
    assert len(messages.unread("u1", 3)) == 3
    messages.mark_all_read(messages.unread("u1", 3), NOON)
    assert messages.unread("u1", 3) == ["event-1.order_placed", "event-0.order_placed"]


def test_an_address_has_so_many_mails_an_hour(allowance: Any, clock: FrozenClock) -> None:
    allowance.take("asha@example.com")
    allowance.take("Asha@Example.com ")
    clock.advance(timedelta(minutes=20))
    with pytest.raises(RetryLater) as early:
        allowance.take("asha@example.com")
    assert early.value.wait == timedelta(minutes=40)
    allowance.take("ravi@example.com")
    clock.advance(early.value.wait)
    allowance.take("asha@example.com")


def test_a_mail_that_was_not_sent_after_all_can_be_taken_again(allowance: Any) -> None:
    allowance.take("asha@example.com")
    allowance.take("asha@example.com")
    allowance.give_back("asha@example.com")
    allowance.take("asha@example.com")
    with pytest.raises(RetryLater):
        allowance.take("asha@example.com")


def test_a_suppressed_address_is_known_without_regard_to_case(suppressions: Any) -> None:
    assert not suppressions.has("asha@example.com")
    for _ in range(2):
        suppressions.add("Asha@example.com", "bounce", NOON)
    assert suppressions.has("asha@EXAMPLE.com")
    assert not suppressions.has("ravi@example.com")


def test_what_is_remembered_ends_after_a_year_and_what_is_counted_after_its_hour(
    clock: FrozenClock,
) -> None:
    messages = DynamoMessages(clock)
    messages.claim(a_message().id)
    messages.keep(a_message())
    DynamoAllowance(clock, 1).take("asha@example.com")
    DynamoSuppressions().add("asha@example.com", "complaint", NOON)
    ends = {
        item["pk"]["S"].split("#")[0]: int(item["expiresAt"]["N"]) - int(NOON.timestamp())
        for item in items()
        if "expiresAt" in item
    }
    assert ends == {"MESSAGE": REMEMBERED_FOR.total_seconds(), "ALLOWANCE": 2 * 60 * 60}


def test_an_event_cannot_outlive_the_memory_of_its_mail() -> None:
    waits_at_most = 2 * QUEUE["MessageRetentionPeriod"]
    assert waits_at_most < REMEMBERED_FOR.total_seconds()


def test_an_attempt_ends_after_the_lambda_and_before_the_queue_tries_again() -> None:
    standard = template()["Globals"]["Function"]["Timeout"]
    timeout = functions()["NotificationEventHandlers"].get("Timeout", standard)
    assert timeout < AN_ATTEMPT_TAKES.total_seconds() < QUEUE["VisibilityTimeout"]


@pytest.mark.parametrize(
    "use",
    [
        lambda: DynamoMessages(FrozenClock()).claim("event-1.welcome"),
        lambda: DynamoMessages(FrozenClock()).mark_read("u1", "event-1.welcome", NOON),
        lambda: DynamoAllowance(FrozenClock(), 1).take("asha@example.com"),
    ],
)
def test_a_table_that_does_not_answer_is_no_refusal(use: Any) -> None:
    cloud.client("dynamodb").delete_table(TableName="supermarket-test-notification")
    with pytest.raises(PynamoDBException):
        use()
