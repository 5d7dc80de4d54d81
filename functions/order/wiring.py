"""Composition root of orders."""

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from order.model import Charges
from order.service import OrderService, Terms
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.request import Request
from supermarket.wiring import audit_trail, idempotency_keys, plan_key

if TYPE_CHECKING:
    from auth.service import AuthService
    from cart.service import CartService


@cache
def order_service() -> OrderService:
    from inventory.wiring import inventory_service
    from order.gateways import SavedAddresses, ShopCarts, ShopStock
    from order.repository import DynamoOrders
    from supermarket.dynamo.transaction import DynamoTransaction

    return OrderService(
        orders=DynamoOrders(),
        stock=ShopStock(inventory_service()),
        carts=ShopCarts(cart_service),
        address_book=SavedAddresses(_auth_service),
        idempotency_keys=idempotency_keys(),
        audit=audit_trail(),
        begin=DynamoTransaction,
        terms=_terms,
        clock=utc_now,
        new_id=new_id,
    )


def plan_cart_and_key(request: Request, caller: Caller) -> None:
    """Read what placing an order needs together with the session."""
    from cart.wiring import plan_cart

    plan_cart(request, caller)
    plan_key("create_order", request, caller)


def cart_service() -> "CartService":
    from cart import wiring

    return wiring.cart_service()


def _auth_service() -> "AuthService":
    from auth.wiring import auth_service

    return auth_service()


def charges() -> Charges:
    return Charges(settings().tax_percent, settings().shipping_fees)


def _terms() -> Terms:
    return Terms(timedelta(minutes=settings().reservation_minutes), charges())
