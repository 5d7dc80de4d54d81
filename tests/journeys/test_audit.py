"""The audit records that the deployed Lambdas write."""

from typing import Any

import pytest

from support.deployed import rows_of
from support.shop import Person, eventually

pytestmark = pytest.mark.e2e


def audit_records(endpoints: dict[str, Any], subject: str) -> list[tuple[str, str]]:
    found = rows_of(endpoints, "audit", subject)
    return [(row["action"]["S"], row["actor"]["S"]) for row in found]


def test_changes_of_an_admin_to_a_sellers_product_are_audited(
    endpoints: dict[str, Any],
) -> None:
    seller, admin = Person.register(endpoints, "seller"), Person.administer(endpoints)
    product = seller.sells(stock=5)
    path, subject = f"/api/products/{product['id']}", f"product#{product['id']}"
    assert seller.patch(path, {"title": "Brown ink"}).status_code == 200
    assert audit_records(endpoints, subject) == []
    assert admin.patch(path, {"title": "Red ink"}).status_code == 200
    assert admin.patch(f"{path}/stock", {"add": 5}).status_code == 200
    assert admin.delete(path).status_code == 200
    me = admin.get("/api/auth/me").json()["user"]["id"]
    actions = [action for action, _ in audit_records(endpoints, subject)]
    assert actions == ["product changed", "product restocked", "product withdrawn"]
    assert {actor for _, actor in audit_records(endpoints, subject)} == {me}
    assert audit_records(endpoints, f"user#{me}") == [("admin created", "operator")]


def test_what_an_admin_decides_about_an_account_is_felt_at_once_and_audited(
    endpoints: dict[str, Any],
) -> None:
    seller, admin = Person.register(endpoints, "seller"), Person.administer(endpoints)
    customer, product = Person.register(endpoints), seller.sells(stock=5)
    customer.takes(product)
    order_id = customer.orders().json()["order"]["id"]
    user = f"/api/admin/users/{seller.id}"

    def decide(decision: str, body: Any = None) -> int:
        answer = admin.post(f"{user}/{decision}", body)
        assert answer.status_code == 200, answer.text
        return seller.get("/api/products/seller").status_code

    def is_sold() -> bool:
        return customer.get(f"/api/products/{product['id']}").status_code == 200

    assert admin.get(user).json()["user"]["email"] == seller.email
    assert decide("suspend", {"reason": "Sold fakes"}) == 401
    eventually(lambda: not is_sold(), "the product vanishes")
    assert customer.order(order_id)["status"] == "PENDING"
    assert decide("reinstate") == 200
    eventually(is_sold, "the product is back")
    assert decide("role", {"role": "user"}) == 403
    assert decide("role", {"role": "seller"}) == 200
    assert decide("approve") == 200
    assert decide("revoke-sessions") == 401
    actions = [action for action, _ in audit_records(endpoints, f"user#{seller.id}")]
    assert actions == [*["role or status changed"] * 4, "sessions revoked"]
    eventually(is_sold, "the product is back again")


def test_an_admin_finds_accounts_orders_actions_and_drift(endpoints: dict[str, Any]) -> None:
    seller, admin = Person.register(endpoints, "seller"), Person.administer(endpoints)
    customer = Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    order_id = customer.orders().json()["order"]["id"]
    for query in ({"q": order_id}, {"q": customer.id}, {"seller": seller.id, "limit": 100}):
        orders = admin.get("/api/admin/orders", params=query).json()["orders"]
        assert [each["id"] for each in orders] == [order_id]
    me = f"user#{admin.get('/api/auth/me').json()['user']['id']}"
    for query in ({"subject": me}, {"limit": 100}):
        entries = admin.get("/api/admin/audit", params=query).json()["entries"]
        assert me in {each["subject"] for each in entries}
    users = "/api/admin/users"
    for query in ({"q": seller.email}, {"role": "seller", "status": "active", "limit": 100}):
        listed = admin.get(users, params=query).json()["users"]
        assert seller.id in {each["id"] for each in listed}
    assert admin.get("/api/admin/payments/drift").status_code == 200


def test_the_cancellation_of_a_paid_order_is_audited_with_its_actor(
    endpoints: dict[str, Any],
) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    order = customer.orders().json()["order"]
    assert customer.pays(endpoints, order["id"]).status_code == 200
    customer.waits_for_status(order["id"], "CONFIRMED")
    assert customer.post(f"/api/orders/{order['id']}/cancel").status_code == 200
    assert audit_records(endpoints, f"order#{order['id']}") == [("order cancelled", customer.id)]
