"""Processes that die halfway, and a bus that does not take events: nothing is half-done, nothing
lost.
"""

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


def place_and_die(
    environment: dict[str, str], customer: Person, key: str, call: int, moment: str
) -> bool:
    """Place an order in a process that is killed at a DynamoDB call; False when it outlived
    that.
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
def test_a_crash_while_placing_an_order_leaves_everything_or_nothing(
    endpoints: dict[str, Any], moment: str
) -> None:
    environment = function_environment(endpoints, HANDLER)
    seller = Person.register(endpoints, "seller")
    seen = set()
    for call in range(1, 20):
        customer = Person.register(endpoints)
        product = seller.sells(stock=10)
        customer.takes(product, 3)

        died = place_and_die(environment, customer, "key-of-a-crash", call, moment)
        if not died:
            break
        left = what_is_left(customer, product)
        assert left in (NOTHING, EVERYTHING), f"{moment} call {call}: {left}"
        seen.add(left)

        again = customer.orders(key="key-of-a-crash")
        assert again.status_code == 201, again.text
        assert what_is_left(customer, product) == EVERYTHING
    assert call > 4, "the crash never came: the calls are not counted"
    assert NOTHING in seen
    assert (EVERYTHING in seen) == (moment == "after")


NOTHING = (10, 1, 0)
EVERYTHING = (7, 0, 1)


def what_is_left(customer: Person, product: dict[str, Any]) -> tuple[int, int, int]:
    """Units in stock, lines in the cart, orders: as anybody can see them."""
    stock = customer.get(f"/api/products/{product['id']}").json()["product"]["stock"]
    lines = customer.get("/api/cart").json()["cart"]["items"]
    orders = customer.get("/api/orders/me").json()["orders"]
    return stock, len(lines), len(orders)


def test_an_event_that_the_bus_refused_is_sent_later(endpoints: dict[str, Any]) -> None:
    with alone_with_the_relay(), closed_bus(endpoints):
        customer = Person.register(endpoints)
        [event] = [row for row in rows(endpoints, "outbox") if customer.id in row["detail"]["S"]]
        event_id = event["eventId"]["S"]
        eventually(lambda: is_refused(endpoints, event_id), "the log tells of the refusal")
        assert customer.mails(endpoints) == []

    wait_in_vain_for_the_stream(endpoints)
    sweep(endpoints)
    eventually(lambda: customer.mails(endpoints), "the welcome mail, once the bus takes events")
    eventually(lambda: not rows(endpoints, "outbox"), "an empty outbox")
    assert len(customer.mails(endpoints)) == 1


@contextmanager
def closed_bus(endpoints: dict[str, Any]) -> Iterator[None]:
    """It refuses the relay for a while, which may do all else that it may."""
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


def is_refused(endpoints: dict[str, Any], event_id: str) -> bool:
    """Whether the relay was told that it may not send this event."""
    pages = aws(endpoints, "logs").get_paginator("filter_log_events")
    found = pages.paginate(
        logGroupName=endpoints["outputs"]["LogGroup"],
        filterPattern=f'"event not sent" "{event_id}" "AccessDenied"',
    )
    return any(page["events"] for page in found)


def wait_in_vain_for_the_stream(endpoints: dict[str, Any]) -> None:
    """Let the waiting events look as old as those that the stream has given up on."""
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
