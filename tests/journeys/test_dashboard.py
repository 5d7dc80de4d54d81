"""Dashboards against what really happened, however the facts arrived, and after a rebuild."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import batched
from pathlib import Path
from random import Random
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from supermarket.clock import iso, new_id
from supermarket.contracts import Envelope, Metadata
from supermarket.money import Currency
from supermarket.people import Address
from support.deployed import aws, function_environment, rows
from support.histories import (
    DAYS,
    Life,
    Line,
    expected_customers,
    expected_metrics,
    expected_orders,
    expected_products,
    facts,
    random_lives,
    seen_customers,
    seen_metrics,
    seen_orders,
    seen_products,
)
from support.shop import Person, at_once, eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
ORDERS = 500
PATIENCE_SECONDS = 900
CALM_SECONDS = 3
REACTIONS = "seller_dashboard.listeners.event_handlers"


def listed(person: Person, things: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = person.get(
            f"/api/seller/dashboard/{things}", params={"limit": 100, **query, **cursor}
        )
        assert answer.status_code == 200, answer.text
        found += answer.json()[things]
        if answer.json()["nextCursor"] is None:
            return found
        cursor = {"cursor": answer.json()["nextCursor"]}


def seen(seller: Person, **days: str) -> dict[str, Any]:
    metrics = seller.get("/api/seller/dashboard/metrics", params=days).json()
    return {
        "metrics": seen_metrics(metrics),
        "orders": seen_orders(listed(seller, "orders")),
        "customers": seen_customers(listed(seller, "customers")),
        "products": seen_products(listed(seller, "products")),
    }


def expected(lives: Sequence[Life], seller: str) -> dict[str, Any]:
    return {
        "metrics": expected_metrics(lives, seller),
        "orders": expected_orders(lives, seller),
        "customers": expected_customers(lives, seller),
        "products": expected_products(lives, seller),
    }


# --- the shop's own tables are the truth ------------------------------------------------------


def plain(endpoints: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    read = TypeDeserializer()
    for row in rows(endpoints, name):
        yield {key: read.deserialize(value) for key, value in row.items()}


def lives_in(endpoints: dict[str, Any], sellers: set[str]) -> list[Life]:
    """The orders of some sellers, from the tables of orders and of payments."""
    payments = {row["orderId"]: row for row in plain(endpoints, "payment") if "orderId" in row}
    return [
        life(order, payments.get(order["orderId"]))
        for order in plain(endpoints, "order")
        if {line["sellerId"] for line in order.get("lines", [])} & sellers
    ]


def life(order: dict[str, Any], payment: dict[str, Any] | None) -> Life:
    refunds = (payment or {}).get("refunds") or []
    return Life(
        id=order["orderId"],
        customer=order["customerId"],
        currency=Currency(order["currency"]),
        lines=tuple(
            Line(line["sellerId"], line["productId"], int(line["quantity"]), int(line["unitPrice"]))
            for line in order["lines"]
        ),
        fees=int(order["tax"] + order["shipping"]),
        placed_at=datetime.fromisoformat(order["createdAt"]),
        address=Address(**order["shippingAddress"]),
        status=order["status"],
        payment=payment["status"] if payment else None,
        refunds=tuple(int(one["minor"]) for one in refunds if one["status"] == "PROCESSED"),
    )


def test_sellers_see_what_the_tables_of_orders_and_payments_say(
    endpoints: dict[str, Any],
) -> None:
    sellers = [Person.register(endpoints, "seller") for _ in range(2)]
    shelf = [one.sells(stock=40, price=99.5, lowStockThreshold=38) for one in sellers]
    shelf.append(sellers[0].sells(stock=40, price=33.33))
    customers = [Person.register(endpoints) for _ in range(4)]
    admin = Person.administer(endpoints)
    orders = at_once(partial(bought, endpoints, who, shelf) for who in customers)

    kept, regretted, partly, wholly = orders
    assert customers[1].post(f"/api/orders/{regretted}/cancel").status_code == 200
    give_back(customers[2], admin, partly, 70.01)
    give_back(customers[2], admin, partly, 1.33)
    give_back(customers[3], admin, wholly, None)
    customers[0].takes(shelf[0])
    assert customers[0].orders().status_code == 201  # and never paid

    ids = {seller.id for seller in sellers}

    def told() -> bool:
        lives = lives_in(endpoints, ids)
        settled = {one.id: one.status for one in lives}
        return (
            (settled[kept], settled[regretted], settled[wholly])
            == ("CONFIRMED", "CANCELLED", "CANCELLED")
            and sum(one.is_paid for one in lives) == len(orders)
            and all(seen(one) == expected(lives, one.id) for one in sellers)
        )

    eventually(told, "the dashboards say what the tables say")
    stock = {row["productId"]: row for row in plain(endpoints, "product") if "productId" in row}
    [low] = sellers[1].get("/api/seller/dashboard/metrics").json()["lowStock"]
    assert low["id"] == shelf[1]["id"]
    assert low["stock"] == int(stock[low["id"]]["stock"])


def bought(endpoints: dict[str, Any], customer: Person, shelf: list[dict[str, Any]]) -> str:
    for product in shelf:
        customer.takes(product)
    order_id: str = customer.orders().json()["order"]["id"]
    assert customer.pays(endpoints, order_id).status_code == 200
    customer.waits_for_status(order_id, "CONFIRMED")
    return order_id


def give_back(customer: Person, admin: Person, order_id: str, amount: float | None) -> None:
    payment = customer.get(f"/api/payments/order/{order_id}").json()["payment"]["id"]
    body = {} if amount is None else {"amount": amount}
    answer = admin.post(f"/api/payments/{payment}/refund", body)
    assert answer.status_code < 300, answer.text


# --- 500 orders, each fact three times, in random order; and a rebuild ------------------------


@contextmanager
def nobody_else_listens(endpoints: dict[str, Any]) -> Iterator[None]:
    """The others would look for orders and payments that are facts on the bus and nothing else."""
    events, bus = aws(endpoints, "events"), endpoints["outputs"]["BusName"]
    rules = [
        rule["Name"]
        for rule in events.list_rules(EventBusName=bus)["Rules"]
        if "replay-name" in rule.get("EventPattern", "")
    ]
    assert len(rules) == 3
    for rule in rules:
        events.disable_rule(Name=rule, EventBusName=bus)
    yield
    for rule in rules:
        events.enable_rule(Name=rule, EventBusName=bus)


def tell_three_times(endpoints: dict[str, Any], lives: Sequence[Life], random: Random) -> int:
    bus, client = endpoints["outputs"]["BusName"], aws(endpoints, "events")
    entries = [
        {
            "EventBusName": bus,
            "Source": event.SOURCE,
            "DetailType": type(event).__name__,
            "Detail": Envelope(
                metadata=Metadata(
                    event_id=new_id(),
                    version=1,
                    occurred_at=one.placed_at,
                    correlation_id=one.id,
                ),
                data=event.model_dump(mode="json"),
            ).model_dump_json(),
        }
        for one in lives
        for event in facts(one)
    ] * 3
    random.shuffle(entries)
    for some in batched(entries, 10, strict=False):
        assert client.put_events(Entries=list(some))["FailedEntryCount"] == 0
    return len(entries)


def everything_is_heard(endpoints: dict[str, Any]) -> None:
    """The dashboard's queue has been empty for a while."""
    sqs, functions = aws(endpoints, "sqs"), aws(endpoints, "lambda")
    mappings = functions.get_paginator("list_event_source_mappings").paginate()
    [queue] = [
        sqs.get_queue_url(QueueName=one["EventSourceArn"].split(":")[-1])["QueueUrl"]
        for page in mappings
        for one in page["EventSourceMappings"]
        if "SellerDashboardEventHandlers" in one["FunctionArn"]
    ]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    calm_since = time.monotonic()
    while time.monotonic() - calm_since < CALM_SECONDS:
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        if any(int(counts[name]) for name in names):
            calm_since = time.monotonic()
        assert time.monotonic() < deadline, f"facts are still waiting: {counts}"
        time.sleep(0.5)


def rebuild(endpoints: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """The command, as an operator runs it."""
    calm = ("--calm", str(CALM_SECONDS), "--archive-lag", "0")
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", "ops.rebuild.command", *calm, *options],
        env={
            **os.environ,
            **function_environment(endpoints, REACTIONS),
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_five_hundred_orders_told_three_times_in_random_order_and_then_rebuilt(
    own_endpoints: dict[str, Any],
) -> None:
    sellers = [Person.register(own_endpoints, "seller") for _ in range(3)]
    for seller in sellers:
        seller.sells(stock=2, lowStockThreshold=5)
    lives = random_lives(Random(4), ORDERS, [seller.id for seller in sellers])
    with nobody_else_listens(own_endpoints):
        began = time.monotonic()
        number = tell_three_times(own_endpoints, lives, Random(5))
        everything_is_heard(own_endpoints)
        print(f"{number} facts heard in {time.monotonic() - began:.0f} s")

        def as_it_happened() -> None:
            for seller in sellers:
                assert seen(seller, **DAYS) == expected(lives, seller.id)

        as_it_happened()
        low = sellers[0].get("/api/seller/dashboard/metrics").json()["lowStock"]
        assert [one["stock"] for one in low] == [2]

        unsaid = rebuild(own_endpoints)
        assert unsaid.returncode == 1
        assert "--yes" in unsaid.stderr

        rebuilt = rebuild(own_endpoints, "--yes")
        assert rebuilt.returncode == 0, f"{rebuilt.stdout}\n{rebuilt.stderr}"
        assert "identical" in rebuilt.stdout
        assert "SELLER/ORDER" in rebuilt.stdout
        print(rebuilt.stdout[-1500:])
        as_it_happened()


def test_a_sheet_is_downloaded_and_opens(endpoints: dict[str, Any]) -> None:
    seller = Person.register(endpoints, "seller")
    product = seller.sells(stock=3, title="=cmd|' /C calc'!A0")
    for sheet in ("products", "orders", "payments", "customers", "metrics"):
        eventually(lambda: listed(seller, "products"), "the product is listed")
        answer = seller.get(f"/api/seller/dashboard/{sheet}/export")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/csv")
        assert f'filename="{sheet}-' in answer.headers["content-disposition"]
    products = seller.get("/api/seller/dashboard/products/export").text
    assert f"{product['id']},'=cmd|" in products
    assert seller.get("/api/seller/dashboard/secrets/export").status_code == 404


def test_lists_go_by_status(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=3))
    order_id = customer.orders().json()["order"]["id"]
    eventually(lambda: listed(seller, "orders", status="PENDING"), "the order is listed")
    created = customer.post(f"/api/payments/create/{order_id}").json()["payment"]
    paid = eventually(lambda: listed(seller, "payments"), "the payment is listed")
    assert [(one["id"], one["status"]) for one in paid] == [(created["id"], "PENDING")]
    assert listed(seller, "orders", status="CONFIRMED") == []
    assert json.dumps(listed(seller, "customers")).count("@") == 0
    assert iso(datetime.fromisoformat(paid[0]["placedAt"])) == paid[0]["placedAt"]
