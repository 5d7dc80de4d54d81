"""Three tests that check an installation in a few seconds; `make smoke` runs them."""

from importlib import import_module

import pytest

from cart import endpoints as cart
from local.contracts import broken, outdated
from order import endpoints as order
from product import endpoints as product
from supermarket.caller import Role
from support.api import a_caller, call
from support.template import functions

ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}


def test_every_function_of_the_template_can_be_imported() -> None:
    for function in functions().values():
        module, name = function["Handler"].rsplit(".", 1)
        assert callable(getattr(import_module(module), name))


def test_the_published_event_schemas_match_the_event_classes() -> None:
    assert outdated() == []
    assert broken() == []


@pytest.mark.usefixtures("aws")
def test_a_customer_places_an_order() -> None:
    seller, customer = a_caller(Role.SELLER), a_caller()
    rice = {"title": "Basmati rice", "priceAmount": 120.5, "stock": 5, "category": "grains"}
    product_id = call(product.create_product, caller=seller, body=rice).body["product"]["id"]
    item = {"productId": product_id, "quantity": 2}
    assert call(cart.add_cart_item, caller=customer, body=item).status == 200

    placed = call(order.create_order, caller=customer, body={"shippingAddress": ADDRESS})

    assert placed.status == 201
    path = {"orderId": placed.body["order"]["id"]}
    found = call(order.get_order, caller=customer, path=path).body["order"]
    assert (found["status"], found["totalPrice"]["amount"]) == ("PENDING", 241.0)
    left = call(product.get_product, path={"productId": product_id}).body["product"]["stock"]
    assert left == 3
