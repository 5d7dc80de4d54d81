"""Dashboards compared with orders and payments, also after duplicate events and a rebuild."""

import json
import subprocess
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
from pydantic import TypeAdapter

from order.model import Order
from payment.model.payment import Payment
from payment.model.refund import RefundStatus
from supermarket.clock import iso, new_id
from supermarket.contracts import Envelope, Metadata
from support.deployed import aws, rows
from support.histories import (
    DAYS,
    Line,
    OrderHistory,
    events_of,
    expected_customers,
    expected_metrics,
    expected_orders,
    expected_products,
    random_histories,
    shown_customers,
    shown_metrics,
    shown_orders,
    shown_products,
)
from support.ops import run_ops
from support.shop import Person, at_once, eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
ORDERS = 40  # tests/seller_dashboard/test_histories.py has 500, without a cloud
PATIENCE_SECONDS = 900
QUIET_SECONDS = 3
ORDER, PAYMENT = TypeAdapter(Order), TypeAdapter(Payment)
LISTENER = "seller_dashboard.listeners.event_handlers"


def listed(person: Person, name: str, **query: Any) -> list[dict[str, Any]]:
    """Return the items of all pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = person.get(
            f"/api/seller/dashboard/{name}", params={"limit": 100, **query, **cursor}
        )
        assert answer.status_code == 200, answer.text
        found += answer.json()[name]
        if answer.json()["nextCursor"] is None:
            return found
        cursor = {"cursor": answer.json()["nextCursor"]}


def shown(seller: Person, **days: str) -> dict[str, Any]:
    metrics = seller.get("/api/seller/dashboard/metrics", params=days).json()
    return {
        "metrics": shown_metrics(metrics),
        "orders": shown_orders(listed(seller, "orders")),
        "customers": shown_customers(listed(seller, "customers")),
        "products": shown_products(listed(seller, "products")),
    }


def expected(histories: Sequence[OrderHistory], seller: str) -> dict[str, Any]:
    return {
        "metrics": expected_metrics(histories, seller),
        "orders": expected_orders(histories, seller),
        "customers": expected_customers(histories, seller),
        "products": expected_products(histories, seller),
    }


# --- compared with the tables of orders and payments ------------------------------------------


def plain(endpoints: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    read = TypeDeserializer()
    for row in rows(endpoints, name):
        yield {key: read.deserialize(value) for key, value in row.items()}


def read_histories(endpoints: dict[str, Any], sellers: set[str]) -> list[OrderHistory]:
    """Read the orders of some sellers from the tables of orders and payments."""
    payments = [PAYMENT.validate_python(row["payment"]) for row in rows_with(endpoints, "payment")]
    by_order = {payment.order_id: payment for payment in payments}
    orders = [ORDER.validate_python(row["order"]) for row in rows_with(endpoints, "order")]
    return [
        to_history(order, by_order.get(order.id))
        for order in orders
        if {line.seller_id for line in order.lines} & sellers
    ]


def rows_with(endpoints: dict[str, Any], attribute: str) -> list[dict[str, Any]]:
    """Return the rows of the table of that name that have such an attribute."""
    return [row for row in plain(endpoints, attribute) if attribute in row]


def to_history(order: Order, payment: Payment | None) -> OrderHistory:
    refunds = payment.refunds if payment else ()
    return OrderHistory(
        id=order.id,
        customer=order.customer.user_id,
        currency=order.pricing.total.currency,
        lines=tuple(
            Line(line.seller_id, line.product_id, line.quantity, line.unit_price.minor)
            for line in order.lines
        ),
        fees=(order.pricing.tax + order.pricing.shipping).minor,
        placed_at=order.created_at,
        address=order.shipping_address,
        status=order.status.value,
        payment=payment.status.value if payment else None,
        refunds=tuple(
            refund.amount.minor for refund in refunds if refund.status is RefundStatus.PROCESSED
        ),
    )


def test_dashboards_agree_with_the_tables_of_orders_and_payments(
    endpoints: dict[str, Any],
) -> None:
    sellers = [Person.register(endpoints, "seller") for _ in range(2)]
    products = [one.sells(stock=40, price=99.5, lowStockThreshold=38) for one in sellers]
    products.append(sellers[0].sells(stock=40, price=33.33))
    customers = [Person.register(endpoints) for _ in range(4)]
    admin = Person.administer(endpoints)
    orders = at_once(partial(bought, endpoints, customer, products) for customer in customers)

    kept, cancelled, partly, fully = orders
    assert customers[1].post(f"/api/orders/{cancelled}/cancel").status_code == 200
    refund(customers[2], admin, partly, 70.01)
    refund(customers[2], admin, partly, 1.33)
    refund(customers[3], admin, fully, None)
    customers[0].takes(products[0])
    assert customers[0].orders().status_code == 201  # and never paid

    ids = {seller.id for seller in sellers}

    def agree() -> bool:
        histories = read_histories(endpoints, ids)
        statuses = {one.id: one.status for one in histories}
        return (
            (statuses[kept], statuses[cancelled], statuses[fully])
            == ("CONFIRMED", "CANCELLED", "CANCELLED")
            and sum(one.is_paid for one in histories) == len(orders)
            and all(shown(one) == expected(histories, one.id) for one in sellers)
        )

    eventually(agree, "the dashboards agree with the tables")
    buckets = {row["subject"]: row for row in plain(endpoints, "inventory") if "onHand" in row}
    [low] = sellers[1].get("/api/seller/dashboard/metrics").json()["lowStock"]
    assert low["id"] == products[1]["id"]
    assert low["stock"] == int(buckets[low["id"]]["available"])


def bought(endpoints: dict[str, Any], customer: Person, products: list[dict[str, Any]]) -> str:
    for product in products:
        customer.takes(product)
    order_id: str = customer.orders().json()["order"]["id"]
    assert customer.pays(endpoints, order_id).status_code == 200
    customer.waits_for_status(order_id, "CONFIRMED")
    return order_id


def refund(customer: Person, admin: Person, order_id: str, amount: float | None) -> None:
    payment = customer.get(f"/api/payments/order/{order_id}").json()["payment"]["id"]
    body = {} if amount is None else {"amount": amount}
    key = {"idempotency-key": new_id()}
    answer = admin.post(f"/api/payments/{payment}/refund", body, headers=key)
    assert answer.status_code < 300, answer.text


# --- many orders, each event three times, in random order; and a rebuild ----------------------


@contextmanager
def only_the_dashboard_consumes(endpoints: dict[str, Any]) -> Iterator[None]:
    """Disable the other consumers: the orders and payments of the events do not exist."""
    events, bus = aws(endpoints, "events"), endpoints["outputs"]["BusName"]
    rules = [
        rule["Name"]
        for rule in events.list_rules(EventBusName=bus)["Rules"]
        if "replay-name" in rule.get("EventPattern", "")
    ]
    assert len(rules) == 6  # orders, payments, products and three classes of mails
    for rule in rules:
        events.disable_rule(Name=rule, EventBusName=bus)
    yield
    for rule in rules:
        events.enable_rule(Name=rule, EventBusName=bus)


def emit_three_times(
    endpoints: dict[str, Any], histories: Sequence[OrderHistory], random: Random
) -> int:
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
        for one in histories
        for event in events_of(one)
    ] * 3
    random.shuffle(entries)
    for some in batched(entries, 10, strict=False):
        assert client.put_events(Entries=list(some))["FailedEntryCount"] == 0
    return len(entries)


def wait_until_all_events_are_handled(endpoints: dict[str, Any]) -> None:
    """Wait until the dashboard's queue has been empty for some seconds."""
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
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_SECONDS:
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        if any(int(counts[name]) for name in names):
            quiet_since = time.monotonic()
        assert time.monotonic() < deadline, f"events are still waiting: {counts}"
        time.sleep(0.5)


def rebuild(endpoints: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    return run_ops(endpoints, "rebuild", *options)


@pytest.mark.long
def test_dashboards_are_right_after_triple_events_and_after_a_rebuild(
    own_endpoints: dict[str, Any],
) -> None:
    sellers = [Person.register(own_endpoints, "seller") for _ in range(3)]
    for seller in sellers:
        seller.sells(stock=2, lowStockThreshold=5)
    histories = random_histories(Random(4), ORDERS, [seller.id for seller in sellers])
    with only_the_dashboard_consumes(own_endpoints):
        began = time.monotonic()
        number = emit_three_times(own_endpoints, histories, Random(5))
        wait_until_all_events_are_handled(own_endpoints)
        print(f"{number} events handled in {time.monotonic() - began:.0f} s")

        def assert_dashboards() -> None:
            for seller in sellers:
                assert shown(seller, **DAYS) == expected(histories, seller.id)

        assert_dashboards()
        low = sellers[0].get("/api/seller/dashboard/metrics").json()["lowStock"]
        assert [one["stock"] for one in low] == [2]

        unconfirmed = rebuild(own_endpoints)
        assert unconfirmed.returncode == 2
        assert "--yes" in unconfirmed.stderr

        rebuilt = rebuild(own_endpoints, "--yes")
        assert rebuilt.returncode == 0, f"{rebuilt.stdout}\n{rebuilt.stderr}"
        assert "identical" in rebuilt.stdout
        assert "SELLER/ORDER" in rebuilt.stdout
        print(rebuilt.stdout[-1500:])
        assert_dashboards()


def test_every_list_is_exported_as_csv(endpoints: dict[str, Any]) -> None:
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


def test_orders_are_listed_by_status(endpoints: dict[str, Any]) -> None:
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
