"""Concurrent requests: nothing is sold twice and no change is lost."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from supermarket.clock import new_id
from support.contended import sell_to_many
from support.deployed import function_environment
from support.shop import PASSWORD, Person, at_once, client, eventually

pytestmark = pytest.mark.e2e


def test_forty_customers_at_once_get_exactly_seven_units(
    endpoints: dict[str, Any],
) -> None:
    product = Person.register(endpoints, "seller").sells(stock=7)
    customers = [Person.register(endpoints) for _ in range(40)]
    for customer in customers:
        customer.takes(product)

    answers = at_once([customer.orders for customer in customers])

    assert Counter(answer.status_code for answer in answers) == {201: 7, 409: 33}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["message"]
            assert answer.json()["errors"][0]["field"] == f"items.{product['id']}"
    shown = customers[0].get(f"/api/products/{product['id']}").json()["product"]
    assert shown["stock"] == 0


def test_two_hundred_buyers_of_a_hundred_pieces_get_right_answers_under_contention(
    endpoints: dict[str, Any],
) -> None:
    environment = function_environment(endpoints, "order.endpoints.create_order")
    result = sell_to_many(environment, buyers=200, pieces=100, share=0.3)

    assert result["answers"] == {"201": 100, "409 OUT_OF_STOCK": 100}
    assert result["cancelled"] > 20
    assert (result["onHand"], result["reserved"], result["stock"]) == (100, 100, 0)


def test_two_hundred_concurrent_cart_changes_are_all_kept(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    products = [seller.sells(stock=1000) for _ in range(4)]
    body = [{"productId": product["id"], "quantity": 1} for product in products]

    def change(number: int) -> int:
        return customer.post("/api/cart/items", body[number % 4]).status_code

    with ThreadPoolExecutor(25) as pool:
        statuses = list(pool.map(change, range(200)))

    assert statuses == [200] * 200
    cart = customer.get("/api/cart").json()
    assert sorted(item["quantity"] for item in cart["cart"]["items"]) == [50, 50, 50, 50]
    assert cart["totals"]["totalQuantity"] == 200


def test_only_one_of_many_concurrent_registrations_gets_a_username(
    endpoints: dict[str, Any],
) -> None:
    name = f"race-{new_id()[-10:].lower()}"

    def register(number: int) -> int:
        account = {
            "username": name.upper() if number % 2 else name,
            "email": f"{name}-{number}@example.com",
            "password": PASSWORD,
            "fullName": {"firstName": "Ravi", "lastName": "Kumar"},
        }
        return client(endpoints["api"]).post("/api/auth/register", json=account).status_code

    statuses = at_once(partial(register, number) for number in range(8))
    assert Counter(statuses) == {201: 1, 409: 7}


def test_concurrent_requests_with_one_idempotency_key_create_one_order(
    endpoints: dict[str, Any],
) -> None:
    customer = Person.register(endpoints)
    product = Person.register(endpoints, "seller").sells(stock=10)
    customer.takes(product, 2)

    answers = at_once([lambda: customer.orders(key="the-one-and-only")] * 6)
    again = customer.orders(key="the-one-and-only")

    assert {answer.status_code for answer in [*answers, again]} == {201}
    assert len({answer.json()["order"]["id"] for answer in [*answers, again]}) == 1
    shown = customer.get(f"/api/products/{product['id']}").json()["product"]
    assert shown["stock"] == 8
    other = customer.post(
        "/api/orders", {"addressId": new_id()}, headers={"idempotency-key": "the-one-and-only"}
    )
    assert other.status_code == 422


def test_concurrent_verifications_of_one_payment_have_one_effect(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    order = customer.orders().json()["order"]
    proof = customer.payment_proof(endpoints, order["id"])

    answers = at_once([lambda: customer.post("/api/payments/verify", proof)] * 6)

    assert {answer.status_code for answer in answers} == {200}
    customer.waits_for_status(order["id"], "CONFIRMED")
    timeline = customer.order(order["id"])["timeline"]
    assert [step["status"] for step in timeline] == ["PENDING", "CONFIRMED"]
    eventually(lambda: len(customer.mails(endpoints)) >= 2, "the mails of the purchase")
    subjects = Counter(mail["subject"] for mail in customer.mails(endpoints))
    assert set(subjects.values()) == {1}
