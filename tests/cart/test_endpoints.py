"""The cart's Lambdas, driven through API events over DynamoDB."""

from typing import Any

import pytest

from cart import endpoints, wiring
from cart.repository import DynamoCarts
from cart.service import CartService
from supermarket.caller import Caller, Role
from supermarket.clock import new_id, utc_now
from supermarket.http import Endpoint
from supermarket.wiring import idempotency_keys
from support.api import Reply, a_caller, call
from support.cart import InMemoryCatalogue, rupees

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> InMemoryCatalogue:
    catalogue = InMemoryCatalogue()
    service = CartService(DynamoCarts(utc_now), catalogue, utc_now, idempotency_keys())
    monkeypatch.setattr(wiring, "cart_service", lambda: service)
    return catalogue


def add(caller: Caller, product_id: str, quantity: int = 1) -> Reply:
    return call(
        endpoints.add_cart_item,
        body={"productId": product_id, "quantity": quantity},
        caller=caller,
    )


def test_a_cart_can_be_changed_through_all_its_routes(catalogue: InMemoryCatalogue) -> None:
    tea, caller = catalogue.sell(price=rupees(120)), a_caller()
    added = add(caller, tea.id, 2)
    assert added.status == 200
    assert added.body["cart"]["items"] == [
        {
            "productId": tea.id,
            "title": "Darjeeling tea",
            "image": None,
            "unitPrice": {"amount": 120.0, "currency": "INR"},
            "quantity": 2,
            "lineTotal": {"amount": 240.0, "currency": "INR"},
            "available": True,
            "notice": None,
        }
    ]
    assert added.body["totals"] == {
        "itemCount": 1,
        "totalQuantity": 2,
        "price": {"amount": 240.0, "currency": "INR"},
    }
    path = {"productId": tea.id}
    changed = call(endpoints.change_cart_item, path=path, body={"quantity": 3}, caller=caller)
    assert changed.body["totals"]["totalQuantity"] == 3
    shown = call(endpoints.get_cart, caller=caller)
    assert (shown.body["cart"], shown.body["totals"]) == (
        changed.body["cart"],
        changed.body["totals"],
    )
    removed = call(endpoints.remove_cart_item, path=path, caller=caller)
    assert removed.body["cart"]["items"] == []
    add(caller, tea.id)
    assert call(endpoints.clear_cart, caller=caller).body["totals"]["itemCount"] == 0
    assert call(endpoints.get_cart, caller=caller).body["cart"]["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"quantity": 1},
        {"productId": "P"},
        {"productId": "P", "quantity": 0},
        {"productId": "P", "quantity": -1},
        {"productId": "P", "quantity": 1.5},
        {"productId": "P", "quantity": "1"},
        {"productId": "P", "quantity": True},
        {"productId": "P", "quantity": None},
        {"productId": None, "quantity": 1},
        {"productId": {"$ne": ""}, "quantity": 1},
        {"productId": "P" * 65, "quantity": 1},
        {"productId": "P", "quantity": 1, "price": 1},
        [],
    ],
)
def test_malformed_items_are_400(catalogue: InMemoryCatalogue, body: Any) -> None:
    assert call(endpoints.add_cart_item, body=body, caller=a_caller()).status == 400


@pytest.mark.parametrize("quantity", [100, 10**30])
def test_a_quantity_above_the_limit_is_409(catalogue: InMemoryCatalogue, quantity: int) -> None:
    tea = catalogue.sell(stock=1000)
    reply = add(a_caller(), tea.id, quantity)
    assert (reply.status, reply.body["message"]) == (409, "A cart has at most 99 of a product")


def test_an_unknown_product_is_404(catalogue: InMemoryCatalogue) -> None:
    assert add(a_caller(), new_id()).status == 404


def test_more_than_is_in_stock_is_409(catalogue: InMemoryCatalogue) -> None:
    reply = add(a_caller(), catalogue.sell(stock=3).id, 4)
    assert (reply.status, reply.body["code"]) == (409, "OUT_OF_STOCK")
    assert reply.body["message"] == "Only 3 left in stock"


@pytest.mark.parametrize("product_id", ["nonsense", "a.b[0]", "#quantities", "%00", "p" * 9000])
def test_malformed_ids_in_the_path_are_404(catalogue: InMemoryCatalogue, product_id: str) -> None:
    caller = a_caller()
    add(caller, catalogue.sell().id)
    path = {"productId": product_id}
    changed = call(endpoints.change_cart_item, path=path, body={"quantity": 1}, caller=caller)
    removed = call(endpoints.remove_cart_item, path=path, caller=caller)
    assert (changed.status, removed.status) == (404, 404)
    assert len(call(endpoints.get_cart, caller=caller).body["cart"]["items"]) == 1


EVERY_ROUTE: list[tuple[Endpoint, Any]] = [
    (endpoints.get_cart, None),
    (endpoints.add_cart_item, {"productId": "P", "quantity": 1}),
    (endpoints.change_cart_item, {"quantity": 1}),
    (endpoints.remove_cart_item, None),
    (endpoints.clear_cart, None),
]


@pytest.mark.parametrize(("endpoint", "body"), EVERY_ROUTE)
@pytest.mark.parametrize("role", [Role.SELLER, Role.ADMIN])
def test_carts_are_for_customers_only(
    catalogue: InMemoryCatalogue, endpoint: Endpoint, body: Any, role: Role
) -> None:
    path = {"productId": "P"}
    assert call(endpoint, body=body, path=path, caller=a_caller(role)).status == 403
    assert call(endpoint, body=body, path=path).status == 401
