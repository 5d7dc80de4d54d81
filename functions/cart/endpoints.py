"""The HTTP Lambdas of the cart."""

from cart import wiring
from cart.model import CartLimitReached, ItemNotFound, OtherCurrency, OutOfStock
from cart.schemas import AddItemRequest, CartResponse, ChangeItemRequest
from supermarket.caller import Caller, Role
from supermarket.errors import NotFound
from supermarket.http import delete, get, patch, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare

CUSTOMERS = {Role.USER}
QUANTITY_ERRORS = (CartLimitReached, OutOfStock, OtherCurrency)


@get("/api/cart", roles=CUSTOMERS, reads_ahead=(wiring.plan_cart,))
def get_cart(caller: Caller) -> CartResponse:
    return CartResponse.of(wiring.cart_service().get_cart(caller.user_id))


@post("/api/cart/items", roles=CUSTOMERS, errors=(NotFound, *QUANTITY_ERRORS))
def add_cart_item(body: AddItemRequest, key: IdempotencyKey | None, caller: Caller) -> CartResponse:
    cart = wiring.cart_service().add(caller.user_id, body.product_id, body.quantity, key)
    return CartResponse.of(cart, "Added to your cart")


@patch("/api/cart/items/{productId}", roles=CUSTOMERS, errors=(ItemNotFound, *QUANTITY_ERRORS))
def change_cart_item(productId: str, body: ChangeItemRequest, caller: Caller) -> CartResponse:
    cart = wiring.cart_service().change(caller.user_id, productId, body.quantity)
    return CartResponse.of(cart, "Quantity changed")


@delete("/api/cart/items/{productId}", roles=CUSTOMERS, errors=(ItemNotFound,))
def remove_cart_item(productId: str, caller: Caller) -> CartResponse:
    cart = wiring.cart_service().remove(caller.user_id, productId)
    return CartResponse.of(cart, "Removed from your cart")


@delete("/api/cart", roles=CUSTOMERS)
def clear_cart(caller: Caller) -> CartResponse:
    return CartResponse.of(wiring.cart_service().clear(caller.user_id), "Your cart is empty now")


prepare(__name__)
