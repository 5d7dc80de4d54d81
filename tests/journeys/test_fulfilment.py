"""Orders after the payment, end to end: shipping, delivery and refunds."""

import json
from typing import Any

import pytest

from supermarket.clock import new_id
from support.contracts import sample
from support.deployed import aws
from support.shop import Person, eventually

pytestmark = pytest.mark.e2e


def a_paid_order(
    endpoints: dict[str, Any], customer: Person, *products: dict[str, Any]
) -> dict[str, Any]:
    for product in products:
        customer.takes(product)
    order: dict[str, Any] = customer.orders().json()["order"]
    assert customer.pays(endpoints, order["id"]).status_code == 200
    customer.waits_for_status(order["id"], "CONFIRMED")
    return order


def stock_of(person: Person, product: dict[str, Any]) -> int:
    stock: int = person.get(f"/api/products/{product['id']}").json()["product"]["stock"]
    return stock


def waits_for_mail(person: Person, endpoints: dict[str, Any], subject: str) -> None:
    eventually(
        lambda: any(subject in mail["subject"] for mail in person.mails(endpoints)),
        f"a mail about “{subject}”",
    )


def test_a_paid_order_is_shipped_and_delivered_by_its_seller(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    order = a_paid_order(endpoints, customer, seller.sells(stock=1))
    path = f"/api/orders/{order['id']}"

    assert seller.post(f"{path}/deliver").status_code == 409
    shipped = seller.post(f"{path}/ship", {"trackingNumber": "DTDC-4711"})
    assert (shipped.status_code, shipped.json()["order"]["status"]) == (200, "SHIPPED")
    assert customer.post(f"{path}/cancel").status_code == 409
    assert seller.post(f"{path}/deliver").json()["order"]["status"] == "DELIVERED"

    seen = customer.order(order["id"])
    assert seen["trackingNumber"] == "DTDC-4711"
    assert [step["by"] for step in seen["timeline"]] == ["customer", "payment", "seller", "seller"]
    waits_for_mail(customer, endpoints, "on its way")
    waits_for_mail(customer, endpoints, "has arrived")
    listed = "/api/seller/dashboard/orders"
    eventually(
        lambda: seller.get(listed).json()["orders"][0]["status"] == "DELIVERED",
        "the delivery on the seller's dashboard",
    )


def test_a_seller_of_some_lines_cannot_ship(endpoints: dict[str, Any]) -> None:
    first, second, third = (Person.register(endpoints, "seller") for _ in range(3))
    customer = Person.register(endpoints)
    order = a_paid_order(endpoints, customer, first.sells(stock=1), second.sells(stock=1))
    path = f"/api/orders/{order['id']}/ship"
    statuses = [person.post(path).status_code for person in (first, second, third, customer)]
    assert statuses == [403, 403, 404, 403]
    assert customer.order(order["id"])["status"] == "CONFIRMED"


def test_a_cancelled_paid_order_releases_its_stock_and_is_refunded(
    endpoints: dict[str, Any],
) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    product = seller.sells(stock=1)
    order = a_paid_order(endpoints, customer, product)
    cancelled = customer.post(f"/api/orders/{order['id']}/cancel").json()["order"]
    states = (cancelled["status"], cancelled["payment"]["status"])
    assert states == ("CANCELLED", "REFUND_PENDING")
    assert stock_of(customer, product) == 1
    waits_for_mail(customer, endpoints, "is cancelled")
    eventually(lambda: customer.order(order["id"])["payment"]["status"] == "REFUNDED", "the refund")
    waits_for_mail(customer, endpoints, "on the way back to you")


def test_a_refunded_order_that_was_not_shipped_is_cancelled(
    endpoints: dict[str, Any],
) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    product = seller.sells(stock=1)
    order = a_paid_order(endpoints, customer, product)
    event = sample("PaymentRefunded")
    event["detail"]["metadata"]["eventId"] = new_id()
    event["detail"]["data"] |= {"orderId": order["id"], "fully": True}
    client = aws(endpoints, "events")
    client.put_events(
        Entries=[
            {
                "EventBusName": endpoints["outputs"]["BusName"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
            }
        ]
    )
    client.close()
    customer.waits_for_status(order["id"], "CANCELLED")
    assert customer.order(order["id"])["payment"]["status"] == "REFUNDED"
    assert stock_of(customer, product) == 1
