"""The inbox over HTTP, on DynamoDB."""

from datetime import timedelta

import pytest

from conftest import NOON
from notification.endpoints import (
    list_notifications,
    read_all_notifications,
    read_notification,
)
from notification.inbox import MAX_UNREAD
from notification.model import Message
from notification.repository import DynamoMessages
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from support.api import a_caller, call

pytestmark = pytest.mark.usefixtures("aws")


def sent(caller: Caller, number: int = 0) -> str:
    message = Message(
        id=f"event-{caller.user_id}-{number}.order_placed",
        recipient_id=caller.user_id,
        kind="order_placed",
        subject=f"Order {number}",
        text="Hello Asha",
        sent_at=NOON + timedelta(minutes=number),
    )
    DynamoMessages(utc_now).save_sent(message)
    return message.id


@pytest.mark.parametrize("role", Role)
def test_every_role_has_an_inbox_that_is_empty_at_first(role: Role) -> None:
    answer = call(list_notifications, caller=a_caller(role))
    assert (answer.status, answer.body) == (
        200,
        {"notifications": [], "unread": 0, "nextCursor": None},
    )


def test_anonymous_requests_are_401() -> None:
    for endpoint in (list_notifications, read_all_notifications):
        assert call(endpoint).status == 401
    assert call(read_notification, path={"notificationId": "x"}).status == 401


def test_a_message_has_all_fields() -> None:
    asha = a_caller()
    message_id = sent(asha)
    assert call(list_notifications, caller=asha).body["notifications"] == [
        {
            "id": message_id,
            "kind": "order_placed",
            "subject": "Order 0",
            "text": "Hello Asha",
            "sentAt": "2026-11-22T12:00:00.000Z",
            "read": False,
        }
    ]


def test_an_inbox_is_paged_newest_first() -> None:
    asha = a_caller()
    for number in range(5):
        sent(asha, number)
    seen, query = [], {"limit": "2"}
    while True:
        body = call(list_notifications, caller=asha, query=query).body
        assert body["unread"] == 5
        seen += [message["subject"] for message in body["notifications"]]
        if body["nextCursor"] is None:
            break
        query = {"limit": "2", "cursor": body["nextCursor"]}
    assert seen == [f"Order {number}" for number in (4, 3, 2, 1, 0)]


def test_a_cursor_is_not_valid_for_another_user() -> None:
    asha, ravi = a_caller(), a_caller()
    sent(asha)
    sent(asha, 1)
    cursor = call(list_notifications, caller=asha, query={"limit": "1"}).body["nextCursor"]
    refused = call(list_notifications, caller=ravi, query={"limit": "1", "cursor": cursor})
    assert refused.status == 400


def test_a_read_message_is_marked_and_not_counted_as_unread() -> None:
    asha = a_caller()
    message_id = sent(asha)
    sent(asha, 1)
    for _ in range(2):
        answer = call(read_notification, caller=asha, path={"notificationId": message_id})
        assert (answer.status, answer.body["notification"]["read"]) == (200, True)
    body = call(list_notifications, caller=asha).body
    assert [message["read"] for message in body["notifications"]] == [False, True]
    assert body["unread"] == 1


@pytest.mark.parametrize("message_id", ["x", "%00", "a" * 300, "event-1.welcome#", "LIMIT#x"])
def test_an_unknown_message_is_not_found(message_id: str) -> None:
    answer = call(read_notification, caller=a_caller(), path={"notificationId": message_id})
    assert answer.status == 404


def test_a_message_of_another_user_is_not_found_and_stays_unread() -> None:
    asha = a_caller()
    message_id = sent(asha)
    answer = call(read_notification, caller=a_caller(), path={"notificationId": message_id})
    assert answer.status == 404
    assert call(list_notifications, caller=asha).body["unread"] == 1


def test_read_all_marks_only_the_callers_messages() -> None:
    asha, ravi = a_caller(), a_caller()
    for number in range(3):
        sent(asha, number)
    sent(ravi)
    for _ in range(2):
        assert call(read_all_notifications, caller=asha).body == {"allRead": True}
    body = call(list_notifications, caller=asha).body
    assert body["unread"] == 0
    assert all(message["read"] for message in body["notifications"])
    assert call(list_notifications, caller=ravi).body["unread"] == 1


def test_one_call_marks_at_most_one_transaction_of_messages() -> None:
    asha = a_caller()
    for number in range(MAX_UNREAD + 1):
        sent(asha, number)
    assert call(list_notifications, caller=asha).body["unread"] == MAX_UNREAD
    assert call(read_all_notifications, caller=asha).body == {"allRead": False}
    assert call(read_all_notifications, caller=asha).body == {"allRead": True}
    assert call(list_notifications, caller=asha).body["unread"] == 0
