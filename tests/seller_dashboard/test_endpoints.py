"""What a seller sees over HTTP after events were handled, with the projections in DynamoDB."""

import csv
import io
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from seller_dashboard.endpoints import (
    export_seller_list,
    get_seller_metrics,
    list_seller_customers,
    list_seller_orders,
    list_seller_payments,
    list_seller_products,
)
from seller_dashboard.listeners import event_handlers
from seller_dashboard.reports import csv_exports
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from supermarket.days import day_of
from supermarket.http import Endpoint
from support.api import a_caller, call
from support.contracts import sample, sqs_batch

pytestmark = pytest.mark.usefixtures("aws")

LINES = sample("OrderPlaced")["detail"]["data"]["lines"]
MEERA = a_caller(Role.SELLER, LINES[0]["sellerId"])
OTHER = a_caller(Role.SELLER, LINES[1]["sellerId"])
LISTS = [
    list_seller_orders,
    list_seller_products,
    list_seller_payments,
    list_seller_customers,
]
ENDPOINTS = [get_seller_metrics, export_seller_list, *LISTS]


def an_event(name: str, **changes: Any) -> dict[str, Any]:
    event = sample(name)
    event["detail"]["data"] |= changes
    return event


def deliver(*events: dict[str, Any]) -> None:
    assert event_handlers(sqs_batch(*events), None) == {"batchItemFailures": []}


def a_week_of_metrics(caller: Caller) -> Any:
    return call(
        get_seller_metrics, query={"from": "2026-11-16", "to": "2026-11-22"}, caller=caller
    ).body


def test_a_sale_appears_in_the_metrics_of_its_seller() -> None:
    deliver(sample("ProductCreated"), sample("OrderPlaced"), sample("OrderConfirmed"))
    body = a_week_of_metrics(MEERA)
    revenue = [{"amount": 1298.0, "currency": "INR"}]
    day = {"date": "2026-11-22", "orders": 1, "sales": 2, "revenue": revenue, "refunds": []}
    assert body["series"].pop() == day
    assert all(day["sales"] == 0 and day["revenue"] == [] for day in body.pop("series"))
    product = {"id": LINES[0]["productId"], "title": "Basmati rice, 5 kg", "sold": 2}
    top = [{**product, "revenue": revenue}]
    assert body == {
        "sales": 2,
        "orders": 1,
        "placed": 1,
        "conversion": 1.0,
        "revenue": revenue,
        "refunds": [],
        "averageOrderValue": revenue,
        "topProducts": top,
        "topProductsByRevenue": [{"currency": "INR", "products": top}],
        "lowStock": [],
    }


def test_refunds_and_low_stock_appear_in_the_metrics() -> None:
    deliver(sample("OrderPlaced"), sample("OrderConfirmed"))
    total = sample("OrderPlaced")["detail"]["data"]["total"]
    deliver(an_event("PaymentRefunded", amount=total))
    deliver(an_event("ProductCreated", stock=2, lowStockThreshold=5))
    body = a_week_of_metrics(MEERA)
    assert (body["revenue"], body["sales"]) == ([], 2)
    assert body["refunds"] == [{"amount": 1298.0, "currency": "INR"}]
    product = sample("ProductCreated")["detail"]["data"]
    low = {"id": product["productId"], "title": product["title"], "stock": 2, "threshold": 5}
    assert body["lowStock"] == [low]


def test_another_seller_does_not_see_the_sale() -> None:
    deliver(sample("OrderPlaced"), sample("OrderConfirmed"))
    stranger = a_caller(Role.SELLER)
    assert a_week_of_metrics(stranger)["sales"] == 0
    assert call(list_seller_orders, caller=stranger).body == {"orders": [], "nextCursor": None}
    assert call(list_seller_products, caller=stranger).body == {"products": [], "nextCursor": None}
    assert LINES[0]["productId"] not in str(call(list_seller_orders, caller=OTHER).body)


def test_the_default_period_ends_today() -> None:
    body = call(get_seller_metrics, caller=MEERA).body
    days = [day["date"] for day in body["series"]]
    today = day_of(utc_now())
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
def test_an_invalid_period_is_refused(query: dict[str, str]) -> None:
    reply = call(get_seller_metrics, query=query, caller=MEERA)
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, next(iter(query)))


def test_an_order_has_the_sellers_own_lines_and_no_mail_address() -> None:
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
        "refunded": {"amount": 0.0, "currency": "INR"},
        "payment": {"status": "COMPLETED"},
        "shippingAddress": sample("OrderPlaced")["detail"]["data"]["shippingAddress"],
        "placedAt": "2026-11-22T09:30:00.000Z",
        "updatedAt": "2026-11-22T09:32:00.000Z",
    }


def test_orders_are_listed_newest_first_page_by_page() -> None:
    for minute in range(5):
        placed = f"2026-11-22T10:0{minute}:00.000Z"
        deliver(an_event("OrderPlaced", orderId=f"order-{minute}", placedAt=placed))
    first = call(list_seller_orders, query={"limit": "3"}, caller=MEERA).body
    cursor = first["nextCursor"]
    second = call(list_seller_orders, query={"limit": "3", "cursor": cursor}, caller=MEERA).body
    ids = [order["id"] for page in (first, second) for order in page["orders"]]
    assert ids == [f"order-{minute}" for minute in (4, 3, 2, 1, 0)]
    assert second["nextCursor"] is None


def test_products_are_listed_with_their_sales_page_by_page() -> None:
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


def test_a_cursor_is_valid_for_its_own_list_and_seller_only() -> None:
    for number in range(3):
        deliver(an_event("OrderPlaced", orderId=f"order-{number}"))
    cursor = call(list_seller_orders, query={"limit": "1"}, caller=MEERA).body["nextCursor"]
    others = [(endpoint, MEERA) for endpoint in LISTS if endpoint is not list_seller_orders]
    for endpoint, caller in [(list_seller_orders, OTHER), *others]:
        assert call(endpoint, query={"cursor": cursor}, caller=caller).status == 400
    filtered = {"cursor": cursor, "status": "PENDING"}
    assert call(list_seller_orders, query=filtered, caller=MEERA).status == 400
    assert call(list_seller_orders, query={"cursor": cursor[:-2]}, caller=MEERA).status == 400


def test_orders_can_be_filtered_by_status_and_period() -> None:
    for day in range(1, 7):
        placed = f"2026-11-0{day}T10:00:00.000Z"
        name = "OrderConfirmed" if day % 2 else "OrderPlaced"
        deliver(an_event(name, orderId=f"order-{day}", placedAt=placed))
    query = {"status": "CONFIRMED", "from": "2026-11-02", "to": "2026-11-05", "limit": "1"}
    first = call(list_seller_orders, query=query, caller=MEERA).body
    second = call(
        list_seller_orders, query={**query, "cursor": first["nextCursor"]}, caller=MEERA
    ).body
    ids = [order["id"] for page in (first, second) for order in page["orders"]]
    assert (ids, second["nextCursor"]) == (["order-5", "order-3"], None)
    for wrong in ({"status": "LOST"}, {"from": "2026-11-02", "to": "2026-11-01"}):
        assert call(list_seller_orders, query=wrong, caller=MEERA).status == 400


def test_a_payment_has_the_sellers_own_share() -> None:
    deliver(sample("OrderPlaced"), sample("PaymentInitiated"), sample("PaymentCompleted"))
    refund = {"amount": sample("OrderPlaced")["detail"]["data"]["total"], "fully": True}
    deliver(an_event("PaymentRefunded", **refund))
    payment = sample("PaymentRefunded")["detail"]["data"]
    body = call(list_seller_payments, caller=MEERA).body
    assert body == {
        "payments": [
            {
                "id": payment["paymentId"],
                "order": payment["orderId"],
                "status": "REFUNDED",
                "amount": {"amount": 1298.0, "currency": "INR"},
                "refunded": {"amount": 1298.0, "currency": "INR"},
                "placedAt": "2026-11-22T09:30:00.000Z",
                "updatedAt": payment["refundedAt"],
            }
        ],
        "nextCursor": None,
    }


def test_a_customer_has_a_first_name_and_no_mail_address() -> None:
    customer = sample("OrderPlaced")["detail"]["data"]["customer"]
    deliver(sample("OrderConfirmed"), an_event("OrderPlaced", orderId="o2"))
    body = call(list_seller_customers, caller=MEERA).body
    assert body == {
        "customers": [
            {
                "id": customer["userId"],
                "firstName": "Asha",
                "orders": 1,
                "spent": [{"amount": 1298.0, "currency": "INR"}],
                "lastOrderAt": "2026-11-22T09:30:00.000Z",
            }
        ],
        "nextCursor": None,
    }


NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}


def exported(name: str, caller: Caller = MEERA) -> list[dict[str, str]]:
    reply = call(export_seller_list, path={"sheet": name}, query=NOVEMBER, caller=caller)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"].startswith("text/csv")
    attached = f'attachment; filename="{name}-2026-11-01-2026-11-30.csv"'
    assert reply.headers["content-disposition"] == attached
    text = reply.body.removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_every_list_is_exported_as_csv() -> None:
    deliver(sample("OrderPlaced"), sample("OrderConfirmed"), sample("PaymentCompleted"))
    deliver(sample("ProductCreated"))
    [order] = exported("orders")
    assert (order["title"], order["quantity"], order["lineTotal"]) == (
        "Basmati rice, 5 kg",
        "2",
        "1298.00",
    )
    to = sample("OrderPlaced")["detail"]["data"]["shippingAddress"]
    assert (order["recipient"], order["street"]) == (to["name"], to["street"])
    assert (order["phone"].lstrip("'"), order["city"]) == (to["phone"], to["city"])
    [payment] = exported("payments")
    assert (payment["status"], payment["amount"], payment["refunded"]) == (
        "COMPLETED",
        "1298.00",
        "0.00",
    )
    [product] = exported("products")
    assert (product["onSale"], product["price"]) == ("yes", "649.00")
    assert product["revenue"] == "1298.00"
    [customer] = exported("customers")
    assert (customer["firstName"], customer["orders"], customer["spent"]) == (
        "Asha",
        "1",
        "1298.00",
    )
    [day] = exported("metrics")
    assert (day["date"], day["orders"], day["revenue"]) == ("2026-11-22", "1", "1298.00")


def test_a_name_that_is_a_formula_is_exported_as_text() -> None:
    event = sample("OrderConfirmed")
    event["detail"]["data"]["customer"]["firstName"] = '=HYPERLINK("http://evil.example")'
    event["detail"]["data"]["lines"][0]["title"] = 'Tea, "fine"\nand loose'
    deliver(event)
    [order] = exported("orders")
    assert order["customer"] == '\'=HYPERLINK("http://evil.example")'
    assert order["title"] == 'Tea, "fine"\nand loose'


def test_a_seller_exports_the_own_orders_only() -> None:
    deliver(sample("OrderConfirmed"))
    assert exported("orders", a_caller(Role.SELLER)) == []
    assert LINES[0]["productId"] not in str(exported("orders", OTHER))


def test_an_export_of_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_exports, "MAX_ROWS", 1)
    deliver(sample("OrderConfirmed"), an_event("OrderConfirmed", orderId="o2"))
    reply = call(export_seller_list, path={"sheet": "orders"}, query=NOVEMBER, caller=MEERA)
    assert reply.status == 400
    assert "shorter period" in reply.body["message"]


def test_the_link_of_a_long_export_leads_to_its_next_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_exports, "MAX_ROWS", 2)
    for number in range(5):
        event = an_event("OrderConfirmed", orderId=f"o{number}")
        event["detail"]["data"]["customer"]["userId"] = f"customer-{number}"
        deliver(event)
    query, seen, names = NOVEMBER, list[str](), list[str]()
    while True:
        reply = call(export_seller_list, path={"sheet": "customers"}, query=query, caller=MEERA)
        text = reply.body.removeprefix("\ufeff")
        seen += [row["customer"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        names.append(reply.headers["content-disposition"])
        if "link" not in reply.headers:
            break
        address, _, following = reply.headers["link"].partition("?")
        assert address == "</api/seller/dashboard/customers/export"
        query = dict(parse_qsl(following.removesuffix('>; rel="next"')))
        assert query.items() >= NOVEMBER.items(), "all parts have the same period"
    assert seen == [f"customer-{number}" for number in reversed(range(5))]
    assert len(names) == 3
    assert all("-part.csv" in name for name in names)
    stranger, path = a_caller(Role.SELLER), {"sheet": "customers"}
    assert call(export_seller_list, path=path, query=query, caller=stranger).status == 400


def test_an_unknown_list_is_not_found() -> None:
    assert call(export_seller_list, path={"sheet": "secrets"}, caller=MEERA).status == 404


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_dashboard_is_for_sellers_only(endpoint: Endpoint) -> None:
    path = {"sheet": "orders"} if endpoint is export_seller_list else None
    assert call(endpoint, path=path).status == 401
    assert call(endpoint, path=path, caller=a_caller(Role.USER)).status == 403
    assert call(endpoint, path=path, caller=a_caller(Role.ADMIN)).status == 403
    assert call(endpoint, path=path, caller=MEERA).status == 200
