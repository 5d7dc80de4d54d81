"""A purchase, end to end, against the deployed template."""

from typing import Any

import pytest

from support.shop import Person, eventually

pytestmark = pytest.mark.e2e


def stock_of(person: Person, product: dict[str, Any]) -> int:
    stock: int = person.get(f"/api/products/{product['id']}").json()["product"]["stock"]
    return stock


def metrics_of(seller: Person) -> dict[str, Any]:
    metrics: dict[str, Any] = seller.get("/api/seller/dashboard/metrics").json()
    return metrics


def test_a_purchase_is_confirmed_mailed_and_shown_on_the_dashboards(
    endpoints: dict[str, Any],
) -> None:
    first, second, third = (Person.register(endpoints, "seller") for _ in range(3))
    rice, oil = first.sells(stock=5, price=120.5), second.sells(stock=9, price=99.99)
    customer = Person.register(endpoints)

    customer.takes(rice, 2)
    customer.takes(oil, 3)
    cart = customer.get("/api/cart").json()
    assert cart["totals"]["price"] == {"amount": 540.97, "currency": "INR"}

    placed = customer.orders()
    assert placed.status_code == 201, placed.text
    order = placed.json()["order"]
    assert order["status"] == "PENDING"
    assert order["totalPrice"] == {"amount": 540.97, "currency": "INR"}
    assert (stock_of(customer, rice), stock_of(customer, oil)) == (3, 6)
    assert customer.get("/api/cart").json()["cart"]["items"] == []

    paid = customer.pays(endpoints, order["id"])
    assert paid.status_code == 200, paid.text
    assert paid.json()["payment"]["status"] == "COMPLETED"
    customer.waits_for_status(order["id"], "CONFIRMED")

    eventually(lambda: len(customer.mails(endpoints)) >= 2, "two mails for the customer")
    subjects = [mail["subject"] for mail in customer.mails(endpoints)]
    assert len(subjects) == len(set(subjects)) == 2  # the welcome, and the confirmation

    eventually(lambda: metrics_of(first)["sales"] == 2, "the first seller's sale")
    eventually(lambda: metrics_of(second)["sales"] == 3, "the second seller's sale")
    assert metrics_of(first)["revenue"] == [{"currency": "INR", "amount": 241.0}]
    assert metrics_of(second)["revenue"] == [{"currency": "INR", "amount": 299.97}]
    assert metrics_of(third)["sales"] == 0

    seen_by_first = first.order(order["id"])
    assert [line["product"] for line in seen_by_first["items"]] == [rice["id"]]
    assert third.get(f"/api/orders/{order['id']}").status_code == 404


def test_the_mail_of_an_order_contains_the_request_id(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    customer.headers["x-request-id"] = "a-request-to-follow-1"
    placed = customer.orders()
    assert placed.headers["x-request-id"] == "a-request-to-follow-1"
    assert customer.pays(endpoints, placed.json()["order"]["id"]).status_code == 200
    eventually(
        lambda: any("a-request-to-follow-1" in m["text"] for m in customer.mails(endpoints)),
        "a mail that names the request",
    )


def test_a_cancelled_order_releases_its_stock_and_ends_its_payment(
    endpoints: dict[str, Any],
) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    product = seller.sells(stock=4)
    customer.takes(product, 4)
    order = customer.orders().json()["order"]
    payment = customer.post(f"/api/payments/create/{order['id']}").json()["payment"]

    assert customer.post(f"/api/orders/{order['id']}/cancel").status_code == 200
    assert stock_of(customer, product) == 4
    assert customer.post(f"/api/orders/{order['id']}/cancel").status_code == 409
    eventually(
        lambda: (
            customer.get(f"/api/payments/{payment['id']}").json()["payment"]["status"] == "FAILED"
        ),
        "the payment of a cancelled order is closed",
    )
    assert customer.post(f"/api/payments/create/{order['id']}").status_code == 409


def test_a_declined_payment_leaves_the_order_pending_and_can_be_retried(
    endpoints: dict[str, Any],
) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    order = customer.orders().json()["order"]

    declined = customer.payment_proof(endpoints, order["id"], "failure")
    assert customer.post("/api/payments/verify", declined).status_code == 400
    assert customer.order(order["id"])["status"] == "PENDING"

    assert customer.pays(endpoints, order["id"]).status_code == 200
    customer.waits_for_status(order["id"], "CONFIRMED")


def test_a_changed_price_is_reported_and_not_charged(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    product = seller.sells(stock=3, price=10)
    customer.takes(product)
    assert seller.patch(f"/api/products/{product['id']}", {"priceAmount": 12}).status_code == 200

    refused = customer.orders()
    assert refused.status_code == 409
    assert [error["field"] for error in refused.json()["errors"]] == [f"items.{product['id']}"]
    assert stock_of(customer, product) == 3

    customer.patch(f"/api/cart/items/{product['id']}", {"quantity": 1})
    assert customer.orders().json()["order"]["totalPrice"]["amount"] == 12
