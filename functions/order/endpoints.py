"""The HTTP Lambdas of orders."""

from datetime import timedelta

from order import wiring
from order.model import ItemsUnavailable, TooManyReservations, TotalNotPayable, WrongStatus
from order.schemas import (
    AllOrdersQuery,
    ChangeAddressRequest,
    FulfilmentRequest,
    OrderChangeResponse,
    OrderListQuery,
    OrderListResponse,
    OrderResponse,
    OrderView,
    PlaceOrderRequest,
)
from order.service import CartEmpty
from supermarket.caller import Caller, Role
from supermarket.clock import utc_now
from supermarket.day_lists import Days
from supermarket.errors import NotFound
from supermarket.http import get, patch, post
from supermarket.idempotency import IdempotencyKey
from supermarket.init_phase import prepare
from supermarket.rate_limits import RequestLimit
from supermarket.retry import StaleWrite
from supermarket.wiring import cursors

CUSTOMERS = {Role.USER}
FULFILLERS = {Role.SELLER, Role.ADMIN}
PLACING_ERRORS = (
    CartEmpty,
    ItemsUnavailable,
    NotFound,
    StaleWrite,
    TooManyReservations,
    TotalNotPayable,
)
CHANGE_ERRORS = (WrongStatus, StaleWrite)


@post(
    "/api/orders",
    status=201,
    roles=CUSTOMERS,
    uses=(wiring.cart_service, wiring.account_service),
    reads_ahead=(wiring.plan_cart_account_and_key,),
    errors=PLACING_ERRORS,
    limit=RequestLimit("orders", timedelta(minutes=10)),
)
def create_order(
    body: PlaceOrderRequest, key: IdempotencyKey | None, caller: Caller
) -> OrderChangeResponse:
    order = wiring.order_service().place(caller, body.destination(), key)
    return OrderChangeResponse.of(order, "Order placed")


@get("/api/orders/me", roles=CUSTOMERS)
def list_my_orders(query: OrderListQuery, caller: Caller) -> OrderListResponse:
    purpose = f"GET /api/orders/me {caller.user_id} {query.status}"
    position = cursors().decode(query.cursor, purpose) or {}
    page = wiring.order_service().list_orders(
        caller.user_id, query.status, position.get("before"), query.limit
    )
    next_position = {"before": page.next_before} if page.next_before else None
    return OrderListResponse(
        orders=[OrderView.model_validate(order) for order in page.orders],
        next_cursor=cursors().encode(next_position, purpose),
    )


@get("/api/admin/orders", roles={Role.ADMIN})
def list_all_orders(query: AllOrdersQuery, _caller: Caller) -> OrderListResponse:
    """List the shop's orders, newest first: by default of the last 14 days. `q` finds those with
    the id of an order or a customer.
    """
    purpose = f"GET /api/admin/orders {query.model_dump_json(exclude={'limit', 'cursor'})}"
    position = cursors().decode(query.cursor, purpose)
    days = Days.of(query.first, query.last, utc_now()).continued(position)
    found, left = wiring.order_service().list_all(query.wanted(), days, query.limit)
    return OrderListResponse(
        orders=[OrderView.model_validate(order) for order in found],
        next_cursor=cursors().encode(left.position if left else None, purpose),
    )


@get("/api/orders/{orderId}")
def get_order(orderId: str, caller: Caller) -> OrderResponse:
    order = wiring.order_service().get_order(orderId, caller)
    return OrderResponse(order=OrderView.model_validate(order))


@post("/api/orders/{orderId}/cancel", roles=CUSTOMERS, errors=CHANGE_ERRORS)
def cancel_order(orderId: str, caller: Caller) -> OrderChangeResponse:
    order = wiring.order_service().cancel(orderId, caller.user_id)
    refund = ". Your money is being refunded." if order.is_paid else ""
    return OrderChangeResponse.of(order, f"Order cancelled{refund}")


@post(
    "/api/orders/{orderId}/ship",
    roles=FULFILLERS,
    errors=CHANGE_ERRORS,
    uses=(wiring.payment_checks,),
)
def ship_order(orderId: str, body: FulfilmentRequest, caller: Caller) -> OrderChangeResponse:
    order = wiring.order_service().ship(orderId, body.tracking_number, caller)
    return OrderChangeResponse.of(order, "Order shipped")


@post("/api/orders/{orderId}/deliver", roles=FULFILLERS, errors=CHANGE_ERRORS)
def deliver_order(orderId: str, body: FulfilmentRequest, caller: Caller) -> OrderChangeResponse:
    order = wiring.order_service().deliver(orderId, body.tracking_number, caller)
    return OrderChangeResponse.of(order, "Order delivered")


@patch("/api/orders/{orderId}/address", roles=CUSTOMERS, errors=CHANGE_ERRORS)
def change_order_address(
    orderId: str, body: ChangeAddressRequest, caller: Caller
) -> OrderChangeResponse:
    order = wiring.order_service().change_address(orderId, caller.user_id, body.changes())
    return OrderChangeResponse.of(order, "Address changed")


prepare(__name__)
