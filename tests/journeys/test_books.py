"""A flood of facts for one seller, doubled and out of order, through the real bus and queue."""

import json
import random
from collections.abc import Iterable
from itertools import batched
from typing import Any

import pytest

from supermarket.clock import new_id
from support.contracts import sample
from support.deployed import aws, no_relay, rows, sweep, table
from support.shop import Person, eventually

pytestmark = pytest.mark.e2e

ORDERS = 60
CANCELLED = 20
PERIOD = {"from": "2026-11-22", "to": "2026-11-22"}  # the day of the samples


def facts_about(seller_id: str) -> Iterable[dict[str, Any]]:
    """Orders of one seller on one day: all are confirmed, some are cancelled later."""
    for number in range(ORDERS):
        order_id = new_id()
        names = ["OrderPlaced", "OrderConfirmed", "OrderConfirmed"]
        for name in names + ["OrderCancelled"] * 2 * (number < CANCELLED):
            event = sample(name)
            line = {**event["detail"]["data"]["lines"][0], "sellerId": seller_id}
            event["detail"]["data"] |= {"orderId": order_id, "lines": [line]}
            event["detail"]["metadata"]["eventId"] = new_id()
            yield event


def test_no_count_is_lost_or_doubled_however_the_facts_arrive(endpoints: dict[str, Any]) -> None:
    seller = Person.register(endpoints, "seller")
    facts = list(facts_about(seller.id))
    random.shuffle(facts)
    bus = endpoints["outputs"]["BusName"]
    client = aws(endpoints, "events")
    for some in batched(facts, 10, strict=False):
        entries = [
            {
                "EventBusName": bus,
                "Source": fact["source"],
                "DetailType": fact["detail-type"],
                "Detail": json.dumps(fact["detail"]),
            }
            for fact in some
        ]
        assert client.put_events(Entries=entries)["FailedEntryCount"] == 0

    def statuses() -> list[str]:
        orders = seller.get("/api/seller/dashboard/orders", params={"limit": 100}).json()["orders"]
        return sorted(order["status"] for order in orders)

    settled = ["CANCELLED"] * CANCELLED + ["CONFIRMED"] * (ORDERS - CANCELLED)
    eventually(lambda: statuses() == settled, "every order in its last status")
    metrics = seller.get("/api/seller/dashboard/metrics", params=PERIOD).json()
    kept = ORDERS - CANCELLED
    assert (metrics["orders"], metrics["sales"]) == (kept, 2 * kept)
    assert metrics["revenue"] == [{"amount": 1298.0 * kept, "currency": "INR"}]
    assert metrics["topProducts"][0]["sold"] == 2 * kept


def test_the_platform_is_ready_and_says_of_what(endpoints: dict[str, Any]) -> None:
    visitor = Person.register(endpoints)
    assert visitor.get("/healthz").json() == {"status": "ok"}
    ready = visitor.get("/readyz")
    assert ready.status_code == 200, ready.text
    names = [dependency["name"] for dependency in ready.json()["dependencies"]]
    assert names == ["database", "secrets", "events", "razorpay", "imagekit"]


def test_requests_off_the_map_are_told_so(endpoints: dict[str, Any]) -> None:
    visitor = Person.register(endpoints)
    nowhere = visitor.get("/api/no-such-thing")
    assert (nowhere.status_code, nowhere.json().keys()) == (404, {"message", "requestId"})
    wrong = visitor.patch("/api/cart", {})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET")


def test_the_sweep_sends_what_the_stream_never_brought(endpoints: dict[str, Any]) -> None:
    seller = Person.register(endpoints, "seller")
    fact = next(iter(facts_about(seller.id)))
    row = {
        "eventId": fact["detail"]["metadata"]["eventId"],
        "source": fact["source"],
        "detailType": fact["detail-type"],
        "detail": json.dumps(fact["detail"]),
        "occurredAt": "2026-11-22T09:30:00.000Z",
    }
    with no_relay(endpoints):
        aws(endpoints, "dynamodb").put_item(
            TableName=table(endpoints, "outbox"),
            Item={name: {"S": value} for name, value in row.items()},
        )
        sweep(endpoints)
        left = {waiting["eventId"]["S"] for waiting in rows(endpoints, "outbox")}
        assert row["eventId"] not in left

    orders = "/api/seller/dashboard/orders"
    eventually(lambda: seller.get(orders).json()["orders"], "the order on the dashboard")
