"""Mails end to end: each is sent once and shown in the inbox; suppressed addresses get none."""

import json
import random
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.stack import STACK
from notification.mails import MAILS
from notification.model import MailClass
from notification.repository import CLAIM_LIFETIME
from supermarket.clock import iso, new_id
from support.contracts import sample
from support.deployed import aws, rows, run_job, table
from support.shop import Person, client, eventually

pytestmark = pytest.mark.e2e

SEED = 4
PLENTY = "1000000"


def queue_url(endpoints: dict[str, Any], name: str) -> str:
    """Return the URL of a queue of the template."""
    described = aws(endpoints, "cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId=name
    )
    return str(described["StackResourceDetail"]["PhysicalResourceId"])


def event_about(person: Person, name: str) -> dict[str, Any]:
    """Return the sample of an event with this person as its customer, seller or user."""
    event = sample(name)
    event["detail"]["metadata"]["eventId"] = new_id()
    data = event["detail"]["data"]
    if name == "PaymentCompleted":
        data["goesBack"] = True  # only then it has a mail
    recipient = {"userId": person.id, "email": person.email, "firstName": "Asha"}
    for part in (data.get("customer"), data.get("seller"), data if "email" in data else None):
        if isinstance(part, dict):
            part.update(recipient)
    return event


CLASSES = {kind.NAME: template.mail_class for kind, template in MAILS.items()}
# mailed only about an order that waits for its payment, and about another address
CONDITIONAL = {"OrderPlaced", "EmailChangeRequested", "EmailChanged"}


def deliver(endpoints: dict[str, Any], *events: dict[str, Any]) -> None:
    """Put events into the queues of their classes, as EventBridge does."""
    sqs = aws(endpoints, "sqs")
    for event in events:
        mail_class = CLASSES.get(event["detail-type"], MailClass.BULK)
        url = queue_url(endpoints, f"{mail_class.capitalize()}MailQueue")
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))


def log_entries_of(endpoints: dict[str, Any], *events: dict[str, Any]) -> Counter[str]:
    """Count the log entries of the mails' consumers about these events, by message."""
    pages = aws(endpoints, "logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=endpoints["outputs"]["LogGroup"], filterPattern='"_mails"')
    lines = [each["message"] for page in found for each in page["events"]]
    ids = {event["detail"]["metadata"]["eventId"] for event in events}
    entries = (json.loads(line) for line in lines if any(one in line for one in ids))
    return Counter(entry["message"] for entry in entries if entry.get("event_id") in ids)


def inbox(person: Person, **query: Any) -> dict[str, Any]:
    answer = person.get("/api/notifications", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def waits_for_mails(person: Person, endpoints: dict[str, Any], number: int) -> list[Any]:
    eventually(lambda: len(person.mails(endpoints)) >= number, f"{number} mails")
    return person.mails(endpoints)


def give_feedback(endpoints: dict[str, Any], mail: dict[str, Any], path: str) -> None:
    answer = client(endpoints["mailbox"]).post(f"/api/messages/{mail['id']}/{path}")
    assert answer.status_code == 202, answer.text
    url, sqs = queue_url(endpoints, "MailFeedbackQueue"), aws(endpoints, "sqs")
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_empty() -> bool:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
        return all(found[count] == "0" for count in counts)

    eventually(is_empty, "the feedback is handled")


def suppressed(endpoints: dict[str, Any]) -> set[str]:
    keys = (row["pk"]["S"] for row in rows(endpoints, "notification"))
    return {key.removeprefix("SUPPRESSED#") for key in keys if key.startswith("SUPPRESSED#")}


def test_an_event_that_is_delivered_three_times_is_one_mail(
    endpoints: dict[str, Any],
) -> None:
    person = Person.register(endpoints)
    waits_for_mails(person, endpoints, 1)
    events = [event_about(person, name) for name in sorted(CLASSES.keys() - CONDITIONAL)]
    deliveries = events * 3
    random.Random(SEED).shuffle(deliveries)

    deliver(endpoints, *deliveries)
    waits_for_mails(person, endpoints, 1 + len(events))
    # a delivery during another one of the same event is retried much later, and counted here
    ends = ("event handled", "event failed")
    eventually(
        lambda: sum(log_entries_of(endpoints, *events)[end] for end in ends) >= len(deliveries),
        "every delivery is handled",
    )

    mails = person.mails(endpoints)
    assert len(mails) == 1 + len(events)
    read = inbox(person, limit=100)["notifications"]
    assert Counter(mail["subject"] for mail in mails) == Counter(one["subject"] for one in read)
    assert all("None" not in mail["text"] for mail in mails)


def test_an_inbox_is_read_page_by_page_and_marked(endpoints: dict[str, Any]) -> None:
    person, other = Person.register(endpoints), Person.register(endpoints)
    names = ("OrderConfirmed", "OrderShipped", "OrderDelivered", "PaymentRefunded")
    deliver(endpoints, *(event_about(person, name) for name in names))
    eventually(lambda: inbox(person)["unread"] == 5, "five unread messages")

    first = inbox(person, limit=3)
    second = inbox(person, limit=3, cursor=first["nextCursor"])
    messages = first["notifications"] + second["notifications"]
    assert [len(messages), second["nextCursor"]] == [5, None]
    assert [one["sentAt"] for one in messages] == sorted(
        (one["sentAt"] for one in messages), reverse=True
    )

    newest = messages[0]
    path = f"/api/notifications/{newest['id']}/read"
    assert other.post(path).status_code == 404
    assert person.post(path).json()["notification"] == {**newest, "read": True}
    assert inbox(person)["unread"] == 4
    assert person.post("/api/notifications/read-all").json() == {"allRead": True}
    after = inbox(person)
    assert after["unread"] == 0
    assert all(one["read"] for one in after["notifications"])
    eventually(lambda: inbox(other)["unread"] == 1, "the welcome message of the other person")


def test_a_secret_link_works_and_is_in_the_mail_only(endpoints: dict[str, Any]) -> None:
    person = Person.register(endpoints)
    (welcome,) = waits_for_mails(person, endpoints, 1)
    assert person.post("/api/auth/password/forgot", {"email": person.email}).is_success
    reset = waits_for_mails(person, endpoints, 2)[0]
    tokens = [re.findall(r"token=([\w-]+)", mail["text"])[0] for mail in (welcome, reset)]

    kept = json.dumps([rows(endpoints, "notification"), inbox(person)])
    assert not any(token in kept for token in tokens)
    verified = person.http.post("/api/auth/email/verify", json={"token": tokens[0]})
    assert verified.status_code == 200, verified.text
    assert person.get("/api/auth/me").json()["user"]["emailVerified"]
    body = {"token": tokens[1], "password": "another long password"}
    assert person.http.post("/api/auth/password/reset", json=body).status_code == 200


@pytest.mark.parametrize("path", ["bounce", "complaint"])
def test_a_suppressed_address_gets_no_mail_but_a_message_in_the_inbox(
    endpoints: dict[str, Any], path: str
) -> None:
    person = Person.register(endpoints)
    (welcome,) = waits_for_mails(person, endpoints, 1)

    give_feedback(endpoints, welcome, path)
    assert person.email in suppressed(endpoints)

    deliver(endpoints, event_about(person, "OrderShipped"))
    eventually(lambda: inbox(person)["unread"] == 2, "the message in the inbox")
    assert person.mails(endpoints) == [welcome]


def test_an_address_whose_mailbox_was_full_gets_the_next_mail(endpoints: dict[str, Any]) -> None:
    person = Person.register(endpoints)
    (welcome,) = waits_for_mails(person, endpoints, 1)
    give_feedback(endpoints, welcome, "bounce?type=Transient")
    give_feedback(endpoints, welcome, "complaint?type=not-spam")
    assert person.email not in suppressed(endpoints)
    deliver(endpoints, event_about(person, "OrderShipped"))
    waits_for_mails(person, endpoints, 2)


def rows_of_kind(endpoints: dict[str, Any], kind: str, text: str) -> list[dict[str, Any]]:
    """Return the rows with this kind of key that contain the text."""
    found = rows(endpoints, "notification")
    return [row for row in found if row["pk"]["S"].startswith(kind) and text in json.dumps(row)]


def make_due(endpoints: dict[str, Any], row: dict[str, Any]) -> None:
    """Let what waits be due."""
    aws(endpoints, "dynamodb").update_item(
        TableName=table(endpoints, "notification"),
        Key={"pk": row["pk"]},
        UpdateExpression="SET dueAt = :long_ago",
        ExpressionAttributeValues={":long_ago": {"S": "2026-01-01T00:00:00.000Z"}},
    )


def test_a_mail_over_the_hourly_limit_waits_as_a_row_and_is_not_lost(
    endpoints: dict[str, Any],
) -> None:
    person = Person.register(endpoints)
    waits_for_mails(person, endpoints, 1)
    now, dynamodb = datetime.now(UTC), aws(endpoints, "dynamodb")
    keys = [  # the hour may change during the test
        {"pk": {"S": f"LIMIT#{moment:%Y-%m-%dT%H}#order#{person.email}"}}
        for moment in (now, now + timedelta(hours=1))
    ]
    expires_at = {"N": str(int(now.timestamp()) + 7200)}
    for key in keys:
        dynamodb.put_item(
            TableName=table(endpoints, "notification"),
            Item={**key, "mails": {"N": PLENTY}, "expiresAt": expires_at},
        )

    shipped = event_about(person, "OrderShipped")
    deliver(endpoints, shipped)
    eventually(lambda: log_entries_of(endpoints, shipped)["event handled"], "the event is handled")
    [row] = rows_of_kind(endpoints, "WAITING#", person.email)
    assert len(person.mails(endpoints)) == inbox(person)["unread"] == 1
    assert log_entries_of(endpoints, shipped)["mail postponed"] == 1

    assert person.post("/api/auth/password/forgot", {"email": person.email}).is_success
    waits_for_mails(person, endpoints, 2)  # security has an allowance of its own

    for key in keys:
        dynamodb.delete_item(TableName=table(endpoints, "notification"), Key=key)
    time.sleep(CLAIM_LIFETIME.total_seconds())
    make_due(endpoints, row)
    run_job(endpoints, "notification.jobs.requeue_due_mails")
    waits_for_mails(person, endpoints, 3)
    assert rows_of_kind(endpoints, "WAITING#", person.email) == []


def test_a_waiting_mail_of_each_class_is_sent_when_it_is_due(endpoints: dict[str, Any]) -> None:
    person = Person.register(endpoints)
    due = iso(datetime.now(UTC) - timedelta(seconds=1))
    for name in ("EmailVerificationRequested", "OrderShipped", "CartAbandoned"):
        event = event_about(person, name)
        event_id = event["detail"]["metadata"]["eventId"]
        mail = {"event_id": event_id, "mail_class": CLASSES[name], "due": due}
        aws(endpoints, "dynamodb").put_item(
            TableName=table(endpoints, "notification"),
            Item={
                "pk": {"S": f"WAITING#{event_id}#{due}"},
                "dueShard": {"S": "mail-0"},
                "dueAt": {"S": due},
                "mail": {
                    "M": {key: {"S": text} for key, text in mail.items()}
                    | {"body": {"S": json.dumps(event)}}
                },
                "expiresAt": {"N": str(2**32)},
            },
        )
    run_job(endpoints, "notification.jobs.requeue_due_mails")
    waits_for_mails(person, endpoints, 4)
    assert rows_of_kind(endpoints, "WAITING#", person.email) == []


def test_an_unpaid_order_has_a_mail_with_the_link_to_pay_when_it_is_due(
    endpoints: dict[str, Any],
) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    order = customer.orders().json()["order"]
    eventually(lambda: rows_of_kind(endpoints, "WAITING#", order["id"]), "the waiting mail")
    [row] = rows_of_kind(endpoints, "WAITING#", order["id"])
    placed = json.loads(row["mail"]["M"]["body"]["S"])
    placed["detail"]["metadata"]["occurredAt"] = "2026-01-01T00:00:00.000Z"
    deliver(endpoints, placed)
    mails = waits_for_mails(customer, endpoints, 2)
    assert "waits for your payment" in mails[0]["subject"]
    assert f"/orders/{order['id']}" in mails[0]["text"]


def test_a_seller_has_one_mail_about_many_products(endpoints: dict[str, Any]) -> None:
    seller = Person.register(endpoints, "seller")
    titles = [seller.sells(stock=1)["title"] for _ in range(3)]
    eventually(
        lambda: len(rows_of_kind(endpoints, "LINE#", seller.id)) >= 3, "three lines of digests"
    )
    digests = rows_of_kind(endpoints, "DIGEST#", seller.email)
    assert len(digests) <= 2  # locally, a period has a minute, and may end during the test
    for row in digests:
        make_due(endpoints, row)
    run_job(endpoints, "notification.jobs.send_seller_digests")
    waits_for_mails(seller, endpoints, 1 + len(digests))
    texts = "".join(mail["text"] for mail in seller.mails(endpoints))
    assert all(title in texts for title in titles)
    assert rows_of_kind(endpoints, "DIGEST#", seller.email) == []
