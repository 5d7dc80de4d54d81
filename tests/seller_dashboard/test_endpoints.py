"""What a seller sees over HTTP, from events that were really handled, on DynamoDB."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from seller_dashboard.endpoints import (
    get_seller_metrics,
    list_seller_orders,
    list_seller_products,
)
from seller_dashboard.listeners import reactions
from supermarket.caller import Caller, Role
from supermarket.http import Endpoint
from support.api import a_caller, call
from support.contracts import sample, sqs_batch

pytestmark = pytest.mark.usefixtures("aws")

LINES = sample("OrderPlaced")["detail"]["data"]["lines"]
MEERA = a_caller(Role.SELLER, LINES[0]["sellerId"])
OTHER = a_caller(Role.SELLER, LINES[1]["sellerId"])
ENDPOINTS = [get_seller_metrics, list_seller_orders, list_seller_products]


def an_event(name: str, **changes: Any) -> dict[str, Any]:
    event = sample(name)
    event["detail"]["data"] |= changes
    return event


def deliver(*events: dict[str, Any]) -> None:
    assert reactions(sqs_batch(*events), None) == {"batchItemFailures": []}


def a_week_of_metrics(caller: Caller) -> Any:
    return call(
        get_seller_metrics, query={"from": "2026-11-16", "to": "2026-11-22"}, caller=caller
    ).body


def test_the_numbers_of_a_sale_reach_its_sellers_dashboard() -> None:
    deliver(sample("ProductCreated"), sample("OrderPlaced"), sample("OrderConfirmed"))
    body = a_week_of_metrics(MEERA)
    revenue = [{"amount": 1298.0, "currency": "INR"}]
    assert body["series"].pop() == {"date": "2026-11-22", "sales": 2, "revenue": revenue}
    assert all(day["sales"] == 0 and day["revenue"] == [] for day in body.pop("series"))
    product = {"id": LINES[0]["productId"], "title": "Basmati rice, 5 kg", "sold": 2}
    assert body == {
        "sales": 2,
        "orders": 1,
        "revenue": revenue,
        "averageOrderValue": revenue,
        "topProducts": [{**product, "revenue": revenue}],
    }


def test_another_seller_sees_nothing_of_it() -> None:
    deliver(sample("OrderPlaced"), sample("OrderConfirmed"))
    stranger = a_caller(Role.SELLER)
    assert a_week_of_metrics(stranger)["sales"] == 0
    assert call(list_seller_orders, caller=stranger).body == {"orders": [], "nextCursor": None}
    assert call(list_seller_products, caller=stranger).body == {"products": [], "nextCursor": None}
    assert LINES[0]["productId"] not in str(call(list_seller_orders, caller=OTHER).body)


def test_the_default_period_ends_today() -> None:
    body = call(get_seller_metrics, caller=MEERA).body
    days = [day["date"] for day in body["series"]]
    today = datetime.now(UTC).date()
    assert len(days) == 30
    assert today - date.fromisoformat(days[-1]) <= timedelta(days=1)  # midnight may strike


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"to": "2026-13-01"},
        {"to": "0001-01-01"},
        {"from": "2026-11-23", "to": "2026-11-22"},
        {"from": "2025-11-21", "to": "2026-11-22"},
    ],
)
def test_a_period_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    reply = call(get_seller_metrics, query=query, caller=MEERA)
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, next(iter(query)))


def test_an_order_is_shown_with_the_own_lines_and_no_mail_address() -> None:
    deliver(sample("OrderPlaced"), sample("OrderConfirmed"), sample("PaymentCompleted"))
    body = call(list_seller_orders, caller=MEERA).body
    assert "@" not in str(body)
    [order] = body["orders"]
    assert order == {
        "id": sample("OrderPlaced")["detail"]["data"]["orderId"],
        "status": "CONFIRMED",
        "customer": {"firstName": "Asha"},
        "items": [
            {
                "product": LINES[0]["productId"],
                "title": "Basmati rice, 5 kg",
                "quantity": 2,
                "unitPrice": {"amount": 649.0, "currency": "INR"},
                "lineTotal": {"amount": 1298.0, "currency": "INR"},
            }
        ],
        "total": {"amount": 1298.0, "currency": "INR"},
        "payment": {"status": "COMPLETED"},
        "shippingAddress": sample("OrderPlaced")["detail"]["data"]["shippingAddress"],
        "placedAt": "2026-11-22T09:30:00.000Z",
        "updatedAt": "2026-11-22T09:32:00.000Z",
    }


def test_orders_are_paged_newest_first() -> None:
    for minute in range(5):
        placed = f"2026-11-22T10:0{minute}:00.000Z"
        deliver(an_event("OrderPlaced", orderId=f"order-{minute}", placedAt=placed))
    first = call(list_seller_orders, query={"limit": "3"}, caller=MEERA).body
    cursor = first["nextCursor"]
    second = call(list_seller_orders, query={"limit": "3", "cursor": cursor}, caller=MEERA).body
    ids = [order["id"] for page in (first, second) for order in page["orders"]]
    assert ids == [f"order-{minute}" for minute in (4, 3, 2, 1, 0)]
    assert second["nextCursor"] is None


def test_products_are_paged_with_what_they_sold() -> None:
    deliver(sample("OrderPlaced"), sample("OrderConfirmed"), sample("ProductCreated"))
    deliver(an_event("ProductCreated", productId="01JD9B0000PR0DVCT000000000"))
    first = call(list_seller_products, query={"limit": "1"}, caller=MEERA).body
    assert first["products"] == [
        {
            "id": LINES[0]["productId"],
            "title": "Basmati rice, 5 kg",
            "price": {"amount": 649.0, "currency": "INR"},
            "category": "grains",
            "onSale": True,
            "sold": 2,
            "revenue": [{"amount": 1298.0, "currency": "INR"}],
        }
    ]
    query = {"limit": "1", "cursor": first["nextCursor"]}
    second = call(list_seller_products, query=query, caller=MEERA).body
    assert [(p["sold"], p["revenue"]) for p in second["products"]] == [(0, [])]
    assert second["nextCursor"] is None


def test_a_cursor_is_good_for_its_own_list_and_person_only() -> None:
    for number in range(3):
        deliver(an_event("OrderPlaced", orderId=f"order-{number}"))
    cursor = call(list_seller_orders, query={"limit": "1"}, caller=MEERA).body["nextCursor"]
    for endpoint, caller in [(list_seller_orders, OTHER), (list_seller_products, MEERA)]:
        assert call(endpoint, query={"cursor": cursor}, caller=caller).status == 400
    assert call(list_seller_orders, query={"cursor": cursor[:-2]}, caller=MEERA).status == 400


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_dashboard_is_for_sellers(endpoint: Endpoint) -> None:
    assert call(endpoint).status == 401
    assert call(endpoint, caller=a_caller(Role.USER)).status == 403
    assert call(endpoint, caller=a_caller(Role.ADMIN)).status == 403
    assert call(endpoint, caller=MEERA).status == 200
