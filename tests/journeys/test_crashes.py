"""Killed processes and a bus that rejects events: no change is partial, and no event is lost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from order.endpoints import create_order
from support import crashing
from support.api import api_event
from support.deployed import (
    alone_with_the_relay,
    aws,
    function_environment,
    rows,
    sweep,
    table,
)
from support.shop import ADDRESS, Person, eventually

pytestmark = pytest.mark.e2e

HANDLER = "order.endpoints.create_order"


def place_and_kill(
    environment: dict[str, str], customer: Person, key: str, call: int, moment: str
) -> bool:
    """Place an order in a process that is killed at a DynamoDB call.

    Returns False when the process ended before that call.
    """
    event = api_event(
        create_order,
        {"shippingAddress": ADDRESS},
        headers={"authorization": f"Bearer {customer.token}", "idempotency-key": key},
    )
    answer = crashing.answer_unless_killed(environment, HANDLER, event, call, moment)
    assert answer is None or answer["statusCode"] == 201, answer
    return answer is None


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_while_placing_an_order_leaves_all_changes_or_none(
    endpoints: dict[str, Any], moment: str
) -> None:
    environment = function_environment(endpoints, HANDLER)
    seller = Person.register(endpoints, "seller")
    seen = set()
    for call in range(1, 20):
        customer = Person.register(endpoints)
        product = seller.sells(stock=10)
        customer.takes(product, 3)

        was_killed = place_and_kill(environment, customer, "key-of-a-crash", call, moment)
        if not was_killed:
            break
        left = state_of(customer, product)
        assert left in (NOTHING, EVERYTHING), f"{moment} call {call}: {left}"
        seen.add(left)

        again = customer.orders(key="key-of-a-crash")
        assert again.status_code == 201, again.text
        assert state_of(customer, product) == EVERYTHING
    assert call > 3, "no process was killed: the calls are not counted"
    assert NOTHING in seen
    assert (EVERYTHING in seen) == (moment == "after")


NOTHING = (10, 1, 0)
EVERYTHING = (7, 0, 1)


def state_of(customer: Person, product: dict[str, Any]) -> tuple[int, int, int]:
    """Return the units in stock, the lines in the cart and the orders, as the API shows them."""
    stock = customer.get(f"/api/products/{product['id']}").json()["product"]["stock"]
    lines = customer.get("/api/cart").json()["cart"]["items"]
    orders = customer.get("/api/orders/me").json()["orders"]
    return stock, len(lines), len(orders)


def test_an_event_that_the_bus_rejected_is_sent_later(endpoints: dict[str, Any]) -> None:
    with alone_with_the_relay(), closed_bus(endpoints):
        customer = Person.register(endpoints)
        [event] = [row for row in rows(endpoints, "outbox") if customer.id in row["detail"]["S"]]
        event_id = event["eventId"]["S"]
        eventually(lambda: is_rejected(endpoints, event_id), "the log reports the rejection")
        assert customer.mails(endpoints) == []

    make_events_older_than_the_stream_retries(endpoints)
    sweep(endpoints)
    eventually(lambda: customer.mails(endpoints), "the welcome mail, once the bus takes events")
    eventually(lambda: not rows(endpoints, "outbox"), "an empty outbox")
    assert len(customer.mails(endpoints)) == 1


@contextmanager
def closed_bus(endpoints: dict[str, Any]) -> Iterator[None]:
    """Deny the relay `PutEvents` for a while; its other permissions stay."""
    iam = aws(endpoints, "iam")
    role = next(
        role["RoleName"]
        for page in iam.get_paginator("list_roles").paginate()
        for role in page["Roles"]
        if "RelayOutboxRole" in role["RoleName"]
    )
    closed = {"RoleName": role, "PolicyName": "closed-bus"}
    statement = {"Effect": "Deny", "Action": "events:PutEvents", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(**closed, PolicyDocument=document)
    try:
        yield
    finally:
        iam.delete_role_policy(**closed)


def is_rejected(endpoints: dict[str, Any], event_id: str) -> bool:
    """Whether the bus denied the relay permission to send this event."""
    pages = aws(endpoints, "logs").get_paginator("filter_log_events")
    found = pages.paginate(
        logGroupName=endpoints["outputs"]["LogGroup"],
        filterPattern=f'"event not sent" "{event_id}" "AccessDenied"',
    )
    return any(page["events"] for page in found)


def make_events_older_than_the_stream_retries(endpoints: dict[str, Any]) -> None:
    """Make the waiting events so old that the stream no longer retries them."""
    dynamodb = aws(endpoints, "dynamodb")
    for row in rows(endpoints, "outbox"):
        # the relay tries again, too, and may be faster
        with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
            dynamodb.update_item(
                TableName=table(endpoints, "outbox"),
                Key={"eventId": row["eventId"]},
                UpdateExpression="SET occurredAt = :long_ago",
                ConditionExpression="attribute_exists(eventId)",
                ExpressionAttributeValues={":long_ago": {"S": "2026-01-01T00:00:00.000Z"}},
            )
