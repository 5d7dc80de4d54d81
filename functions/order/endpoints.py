"""The HTTP Lambdas of orders."""

from order import wiring
from order.schemas import (
    ChangeAddress,
    Dispatch,
    MyOrders,
    OrderAnswer,
    OrderList,
    OrderView,
    PlaceOrder,
    ShownOrder,
)
from supermarket.caller import Caller, Role
from supermarket.http import get, patch, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.wiring import cursors

CUSTOMERS = {Role.USER}
CANCELLED = "Order cancelled"
CANCELLED_PAID = "Order cancelled. Your money is on its way back to you."
FULFILLERS = {Role.SELLER, Role.ADMIN}


@post("/api/orders", status=201, roles=CUSTOMERS, uses=(wiring.cart_service,))
def create_order(body: PlaceOrder, key: IdempotencyKey | None, caller: Caller) -> OrderAnswer:
    order = wiring.order_service().place(caller, body.destination(), key)
    return OrderAnswer.of(order, "Order placed")


@get("/api/orders/me", roles=CUSTOMERS)
def list_my_orders(page: MyOrders, caller: Caller) -> OrderList:
    purpose = f"GET /api/orders/me {caller.user_id} {page.status}"
    position = cursors().decode(page.cursor, purpose) or {}
    found = wiring.order_service().page_of(
        caller.user_id, page.status, position.get("before"), page.limit
    )
    following = {"before": found.next_before} if found.next_before else None
    return OrderList(
        orders=[OrderView.of(order) for order in found.orders],
        next_cursor=cursors().encode(following, purpose),
    )


@get("/api/orders/{orderId}")
def get_order(orderId: str, caller: Caller) -> ShownOrder:
    return ShownOrder.of(wiring.order_service().look_at(orderId, caller))


@post("/api/orders/{orderId}/cancel", roles=CUSTOMERS)
def cancel_order(orderId: str, caller: Caller) -> OrderAnswer:
    order = wiring.order_service().cancel(orderId, caller.user_id)
    return OrderAnswer.of(order, CANCELLED_PAID if order.is_paid else CANCELLED)


@post("/api/orders/{orderId}/ship", roles=FULFILLERS)
def ship_order(orderId: str, body: Dispatch, caller: Caller) -> OrderAnswer:
    order = wiring.order_service().ship(orderId, body.tracking_number, caller)
    return OrderAnswer.of(order, "Order shipped")


@post("/api/orders/{orderId}/deliver", roles=FULFILLERS)
def deliver_order(orderId: str, body: Dispatch, caller: Caller) -> OrderAnswer:
    order = wiring.order_service().deliver(orderId, body.tracking_number, caller)
    return OrderAnswer.of(order, "Order delivered")


@patch("/api/orders/{orderId}/address", roles=CUSTOMERS)
def change_order_address(orderId: str, body: ChangeAddress, caller: Caller) -> OrderAnswer:
    order = wiring.order_service().redirect(orderId, caller.user_id, body.changes())
    return OrderAnswer.of(order, "Address changed")


prepare(__name__)
