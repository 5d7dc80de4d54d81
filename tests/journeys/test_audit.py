"""Who did what, written down by the deployed Lambdas themselves."""

from typing import Any

import pytest

from support.deployed import rows_of
from support.shop import Person

pytestmark = pytest.mark.e2e


def written(endpoints: dict[str, Any], subject: str) -> list[tuple[str, str]]:
    found = rows_of(endpoints, "audit", subject)
    return [(row["action"]["S"], row["actor"]["S"]) for row in found]


def test_what_an_admin_does_to_a_seller_s_product_is_written_down(
    endpoints: dict[str, Any],
) -> None:
    seller, admin = Person.register(endpoints, "seller"), Person.administer(endpoints)
    product = seller.sells(stock=5)
    path, subject = f"/api/products/{product['id']}", f"product#{product['id']}"
    assert seller.patch(path, {"title": "Brown ink"}).status_code == 200
    assert written(endpoints, subject) == []
    assert admin.patch(path, {"title": "Red ink"}).status_code == 200
    assert admin.patch(f"{path}/stock", {"add": 5}).status_code == 200
    assert admin.delete(path).status_code == 200
    me = admin.get("/api/auth/me").json()["user"]["id"]
    actions = [action for action, _ in written(endpoints, subject)]
    assert actions == ["product changed", "product restocked", "product withdrawn"]
    assert {actor for _, actor in written(endpoints, subject)} == {me}
    assert written(endpoints, f"user#{me}") == [("admin made", "operator")]


def test_who_cancels_a_paid_order_is_written_down(endpoints: dict[str, Any]) -> None:
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    customer.takes(seller.sells(stock=1))
    order = customer.orders().json()["order"]
    assert customer.pays(endpoints, order["id"]).status_code == 200
    customer.waits_for_status(order["id"], "CONFIRMED")
    assert customer.post(f"/api/orders/{order['id']}/cancel").status_code == 200
    assert written(endpoints, f"order#{order['id']}") == [("order cancelled", customer.id)]
