"""The HTTP Lambdas of the cart."""

from cart import wiring
from cart.schemas import AddItem, CartAnswer, ChangeItem
from supermarket.caller import Caller, Role
from supermarket.http import delete, get, patch, post
from supermarket.init_phase import prepare

CUSTOMERS = {Role.USER}


@get("/api/cart", roles=CUSTOMERS)
def get_cart(caller: Caller) -> CartAnswer:
    return CartAnswer.of(wiring.cart_service().look(caller.user_id))


@post("/api/cart/items", roles=CUSTOMERS)
def add_cart_item(body: AddItem, caller: Caller) -> CartAnswer:
    cart = wiring.cart_service().add(caller.user_id, body.product_id, body.quantity)
    return CartAnswer.of(cart, "Added to your cart")


@patch("/api/cart/items/{productId}", roles=CUSTOMERS)
def change_cart_item(productId: str, body: ChangeItem, caller: Caller) -> CartAnswer:
    cart = wiring.cart_service().change(caller.user_id, productId, body.quantity)
    return CartAnswer.of(cart, "Quantity changed")


@delete("/api/cart/items/{productId}", roles=CUSTOMERS)
def remove_cart_item(productId: str, caller: Caller) -> CartAnswer:
    cart = wiring.cart_service().remove(caller.user_id, productId)
    return CartAnswer.of(cart, "Removed from your cart")


@delete("/api/cart", roles=CUSTOMERS)
def clear_cart(caller: Caller) -> CartAnswer:
    return CartAnswer.of(wiring.cart_service().clear(caller.user_id), "Your cart is empty now")


prepare(__name__)
