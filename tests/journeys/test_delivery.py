"""Events in the deployed shop when something fails: no event is lost or has two effects, and an
event that could not be handled waits for an operator.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from order.model import Outcome
from outbox.model import UNSENDABLE
from supermarket.clock import iso, new_id, utc_now
from supermarket.dynamo.outbox import shard_of
from support import failing_bus
from support.contracts import sample
from support.deployed import RELAY, aws, function_environment, no_relay, rows, table
from support.ops import run_ops
from support.shop import Person, eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CALM_SECONDS = 3
PATIENCE_SECONDS = 45  # other tests may keep the queues busy


def run(endpoints: dict[str, Any], *program: str, event: Any = None) -> Any:
    """Run a Python program with the relay's environment in a process of its own."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-P", *program],
        input=json.dumps(event),
        env={
            **function_environment(endpoints, RELAY),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "functions"),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def stream_batch(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventName": "INSERT",
                "dynamodb": {"SequenceNumber": f"{number:03}", "NewImage": image},
            }
            for number, image in enumerate(events)
        ]
    }


@pytest.mark.long
def test_a_killed_relay_and_a_failing_bus_lose_no_event_and_repeat_no_effect(
    endpoints: dict[str, Any],
) -> None:
    with no_relay(endpoints):
        seller = Person.register(endpoints, "seller")
        customers = [Person.register(endpoints) for _ in range(5)]
        product = seller.sells(stock=100)
        for customer in customers:
            customer.takes(product)
            assert customer.orders().status_code == 201
        batch = stream_batch(rows(endpoints, "outbox"))
        assert len(batch["Records"]) >= 12
        for call, moment in ((1, "after"), (2, "after"), (3, "before")):
            killed = run(endpoints, failing_bus.__file__, str(call), moment, event=batch)
            assert killed.returncode == failing_bus.KILLED, killed.stderr
            assert rows(endpoints, "outbox"), "the relay finished before it was killed"
        survived = run(endpoints, failing_bus.__file__, "0", "never", event=batch)
        assert survived.returncode == 0, survived.stderr
        refused = json.loads(survived.stdout.splitlines()[-1])["batchItemFailures"]
        assert 0 < len(refused) < len(batch["Records"])

    people = (seller, *customers)  # the mails about products and unpaid orders wait
    eventually(lambda: all(person.mails(endpoints) for person in people), "the welcome mails")
    eventually(lambda: len(sold_by(seller)) >= len(customers), "all orders in the dashboard")
    wait_until_queues_are_empty(endpoints)
    for person in people:
        subjects = Counter(mail["subject"] for mail in person.mails(endpoints))
        assert set(subjects.values()) == {1}, f"a mail came twice: {subjects}"
    sold = sold_by(seller)
    assert len(sold) == len({order["id"] for order in sold}) == len(customers)


def sold_by(seller: Person) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = seller.get("/api/seller/dashboard/orders").json()["orders"]
    return orders


def wait_until_queues_are_empty(endpoints: dict[str, Any]) -> None:
    """Wait until outbox and queues have been empty for some seconds, or patience ends."""
    quiet_since = time.monotonic()
    deadline = quiet_since + PATIENCE_SECONDS
    while time.monotonic() - quiet_since < CALM_SECONDS and time.monotonic() < deadline:
        if rows(endpoints, "outbox") or any(waiting(endpoints, url) for url in queues(endpoints)):
            quiet_since = time.monotonic()
        time.sleep(0.3)


def queues(endpoints: dict[str, Any]) -> list[str]:
    """Return the URLs of the consumers' queues."""
    sqs, events = aws(endpoints, "sqs"), aws(endpoints, "events")
    bus = endpoints["outputs"]["BusName"]
    targets = [
        target["Arn"]
        for rule in events.list_rules(EventBusName=bus)["Rules"]
        for target in events.list_targets_by_rule(EventBusName=bus, Rule=rule["Name"])["Targets"]
    ]
    return [sqs.get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"] for arn in targets]


def waiting(endpoints: dict[str, Any], queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs = aws(endpoints, "sqs")
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


@contextmanager
def fast_retries(endpoints: dict[str, Any], name: str) -> Iterator[None]:
    """Shorten the time between retries of a queue; their number stays as in the template."""
    sqs = aws(endpoints, "sqs")
    [queue] = [url for url in queues(endpoints) if f"-{name}-" in url]
    before = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=before["Attributes"])


def save_full_refund(endpoints: dict[str, Any], customer: Person, order_id: str) -> str:
    """Save the event of a full refund in the outbox, as payment does; returns the event's id."""
    event = sample("PaymentRefunded")
    event_id, now = new_id(), iso(utc_now())
    event["detail"]["metadata"] |= {"eventId": event_id, "occurredAt": now}
    recipient = {"userId": customer.id, "email": customer.email, "firstName": "Asha"}
    event["detail"]["data"] |= {
        "paymentId": new_id(),
        "orderId": order_id,
        "customer": recipient,
        "fully": True,
    }
    aws(endpoints, "dynamodb").put_item(
        TableName=table(endpoints, "outbox"),
        Item={
            "eventId": {"S": event_id},
            "source": {"S": event["source"]},
            "detailType": {"S": event["detail-type"]},
            "detail": {"S": json.dumps(event["detail"])},
            "occurredAt": {"S": now},
        },
    )
    return event_id


def test_an_event_that_fails_becomes_a_dead_letter_and_is_handled_after_a_redrive(
    endpoints: dict[str, Any],
) -> None:
    seller, unlucky, other = (Person.register(endpoints, r) for r in ("seller", "user", "user"))
    product = seller.sells(stock=10)
    placed = {}
    for customer in (unlucky, other):
        customer.takes(product)
        placed[customer.id] = customer.orders().json()["order"]["id"]
    dynamodb, orders = aws(endpoints, "dynamodb"), table(endpoints, "order")
    key = {"orderId": {"S": placed[unlucky.id]}}
    lost = dynamodb.delete_item(TableName=orders, Key=key, ReturnValues="ALL_OLD")["Attributes"]

    with fast_retries(endpoints, "OrderQueue"):
        poison = save_full_refund(endpoints, unlucky, placed[unlucky.id])
        save_full_refund(endpoints, other, placed[other.id])
        other.waits_for_status(placed[other.id], "CANCELLED")
        eventually(lambda: poison in dlq(endpoints, "show", "order"), "a dead letter of the poison")
    shown = dlq(endpoints, "show", "order", "--event", poison)
    assert "PaymentRefunded" in shown
    assert "NotFound" in shown, "the reason from the logs"
    assert f'"orderId": "{placed[unlucky.id]}"' in shown
    listed = {line.split()[0]: line.split()[1] for line in dlq(endpoints, "list").splitlines()}
    assert int(listed["order"]) >= 1

    dynamodb.put_item(TableName=orders, Item=lost)
    assert "1 redriven, 0 kept" in dlq(endpoints, "redrive", "order", "--event", poison)
    unlucky.waits_for_status(placed[unlucky.id], "CANCELLED")
    assert poison not in dlq(endpoints, "show", "order")


def dlq(endpoints: dict[str, Any], *words: str) -> str:
    """Return the output of `make dlq`."""
    done = run_ops(endpoints, "dlq", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_event_that_the_bus_can_never_accept_is_set_aside(endpoints: dict[str, Any]) -> None:
    event_id, outbox = new_id(), table(endpoints, "outbox")
    dynamodb, key = aws(endpoints, "dynamodb"), {"eventId": {"S": event_id}}
    row = {"source": "aws.test", "detailType": "Forbidden", "detail": "{}"}
    row |= {"occurredAt": iso(utc_now()), "shard": shard_of(event_id)}
    dynamodb.put_item(TableName=outbox, Item={name: {"S": row[name]} for name in row} | key)

    def shard() -> str:
        return str(dynamodb.get_item(TableName=outbox, Key=key)["Item"]["shard"]["S"])

    try:
        eventually(lambda: shard() == UNSENDABLE, "the event is set aside")
    finally:
        dynamodb.delete_item(TableName=outbox, Key=key)


def test_a_replay_reaches_only_the_projection(endpoints: dict[str, Any]) -> None:
    seller = Person.register(endpoints, "seller")
    product = {"title": "Blue ink", "priceAmount": 99, "stock": 3}
    request = seller.post("/api/products", product).headers["x-request-id"]
    handled_once = {"bulk_mails": 1, "seller_dashboard": 1}
    eventually(
        lambda: count_handled(endpoints, request) == handled_once,
        "every consumer handled the event",
    )
    mails = len(seller.mails(endpoints))

    today = iso(utc_now())[:10]
    done = run_ops(endpoints, "replay", "seller_dashboard", "--from", today)
    assert done.returncode == 0, done.stderr
    assert "100% replayed" in done.stderr
    assert "has handled the events" in done.stdout
    assert count_handled(endpoints, request) == {"bulk_mails": 1, "seller_dashboard": 2}
    assert len(seller.mails(endpoints)) == mails

    refused = run_ops(endpoints, "replay", "bulk_mails")
    assert refused.returncode == 1
    assert "accepts no replays" in refused.stderr


def count_handled(endpoints: dict[str, Any], request: str) -> Counter[str]:
    """Count in the logs how often each consumer handled the event of a request."""
    pages = aws(endpoints, "logs").get_paginator("filter_log_events")
    found = pages.paginate(
        logGroupName=endpoints["outputs"]["LogGroup"], filterPattern=f'"event handled" "{request}"'
    )
    lines = (json.loads(event["message"]) for page in found for event in page["events"])
    return Counter(line["consumer"] for line in lines)


def test_an_operator_lists_and_runs_jobs(endpoints: dict[str, Any]) -> None:
    listed = run_ops(endpoints, "job")
    assert listed.returncode == 0, listed.stderr
    jobs = dict(line.split(None, 1) for line in listed.stdout.splitlines())
    assert jobs["order.release_expired_reservations"].startswith("rate(")
    done = run_ops(endpoints, "job", "order.release_expired_reservations")
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in done.stdout.splitlines()[1:])
    assert counts.keys() == {*Outcome, "paused"}
