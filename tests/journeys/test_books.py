"""Many events of one seller, repeated and out of order, through the real bus and queue."""

import json
import random
from collections.abc import Iterable
from itertools import batched
from typing import Any

import pytest

from supermarket.clock import new_id
from supermarket.dynamo.outbox import SHARDS
from support.contracts import sample
from support.deployed import aws, no_relay, rows, sweep, table
from support.shop import Person, eventually

pytestmark = pytest.mark.e2e

ORDERS = 60
CANCELLED = 20
PERIOD = {"from": "2026-11-22", "to": "2026-11-22"}  # the day of the samples


def events_of(seller_id: str) -> Iterable[dict[str, Any]]:
    """Yield orders of one seller on one day: all are confirmed, some are cancelled later."""
    for number in range(ORDERS):
        order_id = new_id()
        names = ["OrderPlaced", "OrderConfirmed", "OrderConfirmed"]
        for name in names + ["OrderCancelled"] * 2 * (number < CANCELLED):
            event = sample(name)
            line = {**event["detail"]["data"]["lines"][0], "sellerId": seller_id}
            event["detail"]["data"] |= {"orderId": order_id, "lines": [line]}
            event["detail"]["metadata"]["eventId"] = new_id()
            yield event


def test_the_dashboard_counts_every_order_once_in_any_order_of_events(
    endpoints: dict[str, Any],
) -> None:
    seller = Person.register(endpoints, "seller")
    events = list(events_of(seller.id))
    random.shuffle(events)
    bus = endpoints["outputs"]["BusName"]
    client = aws(endpoints, "events")
    for some in batched(events, 10, strict=False):
        entries = [
            {
                "EventBusName": bus,
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
            }
            for event in some
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


def test_readiness_lists_the_dependencies(endpoints: dict[str, Any]) -> None:
    visitor = Person.register(endpoints)
    assert visitor.get("/healthz").json() == {"status": "ok"}
    ready = visitor.get("/readyz")
    assert ready.status_code == 200, ready.text
    names = [dependency["name"] for dependency in ready.json()["dependencies"]]
    assert names == ["database", "secrets", "events", "razorpay", "imagekit"]


def test_unknown_routes_and_methods_are_404_and_405(endpoints: dict[str, Any]) -> None:
    visitor = Person.register(endpoints)
    nowhere = visitor.get("/api/no-such-thing")
    assert (nowhere.status_code, nowhere.json().keys()) == (404, {"message", "code", "requestId"})
    wrong = visitor.patch("/api/cart", {})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, HEAD")


def test_the_sweep_sends_an_event_that_the_relay_missed(endpoints: dict[str, Any]) -> None:
    seller = Person.register(endpoints, "seller")
    event = next(iter(events_of(seller.id)))
    row = {
        "eventId": event["detail"]["metadata"]["eventId"],
        "source": event["source"],
        "detailType": event["detail-type"],
        "detail": json.dumps(event["detail"]),
        "occurredAt": "2026-11-22T09:30:00.000Z",
        "shard": SHARDS[0],
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
