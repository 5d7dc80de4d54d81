"""Messages, limits and suppressions, with the DynamoDB and the in-memory adapters."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pynamodb.exceptions import PynamoDBException

from conftest import NOON, FrozenClock
from notification import wiring
from notification.listeners import MAIL_MILLISECONDS
from notification.model import (
    Digest,
    DigestLine,
    DigestTopic,
    MailClass,
    Message,
    WaitingMail,
    retry_wait,
)
from notification.ports import SendInProgress
from notification.repository import (
    CLAIM_LIFETIME,
    LINE_RETENTION,
    NEXT_TURN,
    RATE_RETENTION,
    RETENTION,
    TURNS,
    WAITING_RETENTION,
    DynamoAllowances,
    DynamoDigests,
    DynamoMessages,
    DynamoSendingRate,
    DynamoSuppressions,
    DynamoWaitingMails,
)
from supermarket.errors import RetryLater
from supermarket.money import Currency, Money
from support import cloud
from support.cloud import held_by_a_transaction
from support.lost_answers import losing_answers
from support.notification import (
    InMemoryAllowances,
    InMemoryDigests,
    InMemoryMessages,
    InMemorySendingRate,
    InMemorySuppressions,
    InMemoryWaitingMails,
    asha,
)
from support.template import functions, resources

ORDER, SECURITY, BULK = MailClass.ORDER, MailClass.SECURITY, MailClass.BULK
LOW_STOCK, ON_SALE, INR = DigestTopic.LOW_STOCK, DigestTopic.ON_SALE, Currency.INR

pytestmark = pytest.mark.usefixtures("aws")
CLASSES = ("Security", "Order", "Bulk")
QUEUES = [resources("AWS::SQS::Queue")[f"{name}MailQueue"] for name in CLASSES]


@pytest.fixture(params=[DynamoMessages, InMemoryMessages])
def messages(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
    return request.param(clock)


@pytest.fixture(params=[DynamoAllowances, InMemoryAllowances])
def allowances(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
    return request.param(clock, {ORDER: 2, SECURITY: 1, BULK: 1})


@pytest.fixture(params=[DynamoSendingRate, InMemorySendingRate])
def rate(request: pytest.FixtureRequest, clock: FrozenClock) -> Any:
    return request.param(clock, 10, lambda seconds: clock.advance(timedelta(seconds=seconds)))


@pytest.fixture(params=[DynamoWaitingMails, InMemoryWaitingMails])
def waiting(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture(params=[DynamoDigests, InMemoryDigests])
def digests(request: pytest.FixtureRequest) -> Any:
    return request.param()


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


def test_a_mail_whose_claim_was_repeated_is_claimed(clock: FrozenClock) -> None:
    with losing_answers() as lost:
        assert DynamoMessages(clock).claim("event-1.welcome")
    assert lost == ["TransactWriteItems"]


def test_a_sent_mail_is_saved_though_another_process_tries_to_claim_it(clock: FrozenClock) -> None:
    messages, message = DynamoMessages(clock), a_message()
    messages.claim(message.id)
    messages.claim("nothing.to-send")
    with held_by_a_transaction("UpdateItem", times=3):
        messages.save_sent(message)
    with held_by_a_transaction("UpdateItem", times=3):
        messages.save_skipped("nothing.to-send")
    assert not messages.claim(message.id)
    assert not messages.claim("nothing.to-send")


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


def test_an_address_has_a_limit_of_mails_per_hour(allowances: Any, clock: FrozenClock) -> None:
    allowances.acquire(ORDER, "asha@example.com")
    allowances.acquire(ORDER, "Asha@Example.com ")
    clock.advance(timedelta(minutes=20))
    with pytest.raises(RetryLater) as early:
        allowances.acquire(ORDER, "asha@example.com")
    assert early.value.wait == timedelta(minutes=40)
    allowances.acquire(ORDER, "ravi@example.com")
    clock.advance(early.value.wait)
    allowances.acquire(ORDER, "asha@example.com")


def test_each_class_has_a_limit_of_its_own(allowances: Any) -> None:
    for mail_class in (ORDER, ORDER, BULK, SECURITY):
        allowances.acquire(mail_class, "asha@example.com")
    for mail_class in MailClass:
        with pytest.raises(RetryLater):
            allowances.acquire(mail_class, "asha@example.com")


def test_a_released_mail_is_not_counted(allowances: Any, clock: FrozenClock) -> None:
    allowances.acquire(ORDER, "asha@example.com")
    allowances.acquire(ORDER, "asha@example.com")
    allowances.release(ORDER, "asha@example.com")
    allowances.acquire(ORDER, "asha@example.com")
    with pytest.raises(RetryLater):
        allowances.acquire(ORDER, "asha@example.com")
    clock.advance(timedelta(hours=1))
    allowances.release(ORDER, "asha@example.com")  # of a mail of the hour before
    for _ in range(2):
        allowances.acquire(ORDER, "asha@example.com")
    with pytest.raises(RetryLater):
        allowances.acquire(ORDER, "asha@example.com")


def test_a_class_sends_its_share_of_the_rate_and_no_other(rate: Any, clock: FrozenClock) -> None:
    turns = Counter[datetime]()
    for _ in range(15):
        rate.wait_for_turn(ORDER)
        turns[clock().replace(microsecond=0)] += 1
    assert set(turns.values()) == {5}
    before = clock()
    for _ in range(3):
        rate.wait_for_turn(SECURITY)
    assert clock() == before


def test_a_mail_waits_only_seconds_for_its_turn(clock: FrozenClock) -> None:
    rate = DynamoSendingRate(clock, 1, lambda _: None)  # the second does not end
    rate.wait_for_turn(BULK)
    with pytest.raises(RetryLater) as early:
        rate.wait_for_turn(BULK)
    assert early.value.wait == timedelta(minutes=1)


def test_waiting_mails_are_listed_when_due_and_removed(waiting: Any) -> None:
    mails = [
        WaitingMail(f"event-{n}", ORDER, NOON + timedelta(minutes=n), f'{{"n": {n}}}')
        for n in range(250)
    ]
    for mail in [*mails, mails[0]]:
        waiting.add(mail)
    assert waiting.find_oldest() == NOON
    pages = list(waiting.list_due(NOON + timedelta(minutes=199)))
    found = [mail for page in pages for mail in page]
    assert sorted(found, key=lambda mail: mail.due) == mails[:200]
    waiting.remove(found)
    assert list(waiting.list_due(NOON + timedelta(minutes=199))) == []
    assert waiting.find_oldest() == NOON + timedelta(minutes=200)


def test_a_mail_that_waits_again_survives_the_removal_of_its_first_wait(waiting: Any) -> None:
    """The sweep removes what it has sent, which may wait again by then."""
    first = WaitingMail("event-1", ORDER, NOON, "{}")
    again = replace(first, due=NOON + timedelta(hours=1))
    waiting.add(first)
    [due] = waiting.list_due(NOON)
    waiting.add(again)
    waiting.remove(due)
    [found] = waiting.list_due(again.due)
    assert list(found) == [again]


def a_line(product_id: str, revision: int = 1, topic: DigestTopic = LOW_STOCK) -> DigestLine:
    return DigestLine(topic, product_id, f"Tea {product_id}", revision, revision, Money(5, INR))


def test_a_digest_has_the_newest_line_of_each_product_low_stock_first(digests: Any) -> None:
    digest = Digest(asha(), NOON, NOON + timedelta(hours=1))
    lines = [a_line("p1", 2), a_line("p2", topic=ON_SALE), a_line("p1"), a_line("p3"), a_line("p3")]
    for line in lines:
        digests.add(digest, line)
    digests.add(replace(digest, seller=replace(asha(), user_id="u2")), a_line("p9"))
    assert list(digests.list_lines(digest, 9)) == [lines[0], lines[3], lines[1]]
    assert len(digests.list_lines(digest, 2)) == 2
    assert list(digests.list_due(NOON + timedelta(minutes=59))) == []
    found = [one for page in digests.list_due(digest.due) for one in page]
    assert {one.id for one in found} >= {digest.id}
    assert len(found) == 2
    assert digest in found
    digests.remove(digest)
    assert [one.seller.user_id for page in digests.list_due(digest.due) for one in page] == ["u2"]


def test_suppression_ignores_the_case_of_an_address(suppressions: Any) -> None:
    assert not suppressions.has("asha@example.com")
    for _ in range(2):
        suppressions.add("Asha@example.com", "bounce", NOON)
    assert suppressions.has("asha@EXAMPLE.com")
    assert not suppressions.has("ravi@example.com")


def test_rows_expire_when_they_are_no_longer_used(
    clock: FrozenClock,
) -> None:
    messages = DynamoMessages(clock)
    messages.claim(a_message().id)
    messages.save_sent(a_message())
    DynamoAllowances(clock, {ORDER: 1}).acquire(ORDER, "asha@example.com")
    DynamoSendingRate(clock, 1).wait_for_turn(ORDER)
    DynamoWaitingMails().add(WaitingMail("event-1", ORDER, NOON, "{}"))
    DynamoDigests().add(Digest(asha(), NOON, NOON), a_line("p1"))
    DynamoSuppressions().add("asha@example.com", "complaint", NOON)
    ends = {
        item["pk"]["S"].split("#")[0]: int(item["expiresAt"]["N"]) - int(NOON.timestamp())
        for item in items()
        if "expiresAt" in item
    }
    assert ends == {
        "MESSAGE": RETENTION.total_seconds(),
        "LIMIT": 2 * 60 * 60,
        "RATE": RATE_RETENTION.total_seconds(),
        "WAITING": WAITING_RETENTION.total_seconds(),
        "DIGEST": WAITING_RETENTION.total_seconds(),
        "LINE": LINE_RETENTION.total_seconds(),
    }


def test_a_message_is_kept_longer_than_an_event_can_be_delivered() -> None:
    for queue in QUEUES:
        assert 2 * queue["MessageRetentionPeriod"] < RETENTION.total_seconds()


def test_a_claim_expires_after_the_lambda_and_before_the_next_retry() -> None:
    for name, queue in zip(CLASSES, QUEUES, strict=True):
        timeout = functions()[f"Notification{name}Mails"]["Timeout"]
        assert timeout < CLAIM_LIFETIME.total_seconds() < queue["VisibilityTimeout"]


def test_a_mail_that_waits_is_due_after_its_claim() -> None:
    assert min(retry_wait(NOON, NOON), NEXT_TURN) > CLAIM_LIFETIME


def test_turn_and_answer_of_ses_take_less_time_than_is_kept_for_a_mail() -> None:
    ses = wiring._ses().meta.config
    seconds = TURNS + ses.connect_timeout + ses.read_timeout
    assert seconds * 1000 < MAIL_MILLISECONDS


@pytest.mark.parametrize(
    "use",
    [
        lambda: DynamoMessages(FrozenClock()).claim("event-1.welcome"),
        lambda: DynamoMessages(FrozenClock()).mark_read("u1", "event-1.welcome", NOON),
        lambda: DynamoAllowances(FrozenClock(), {ORDER: 1}).acquire(ORDER, "asha@example.com"),
    ],
)
def test_a_timeout_of_the_table_is_not_a_failed_condition(use: Any) -> None:
    cloud.client("dynamodb").delete_table(TableName="supermarket-test-notification")
    with pytest.raises(PynamoDBException):
        use()
