"""Composition root of the cart."""

from functools import cache

from cart.gateways import AccountHolders, ShopCatalogue
from cart.reminders import Reminders
from cart.service import CartService
from supermarket.caller import Caller
from supermarket.clock import utc_now
from supermarket.request import Request


@cache
def cart_service() -> CartService:
    from cart.repository import DynamoCarts
    from product.wiring import product_service
    from supermarket.wiring import idempotency_keys

    return CartService(
        carts=DynamoCarts(utc_now),
        catalogue=ShopCatalogue(product_service()),
        clock=utc_now,
        idempotency_keys=idempotency_keys(),
    )


def plan_cart(_request: Request, caller: Caller) -> None:
    """Read the caller's cart together with the session."""
    from cart.repository import DynamoCarts

    DynamoCarts.plan_read(caller.user_id)


@cache
def reminders() -> Reminders:
    from auth.wiring import account_service
    from supermarket.dynamo.transaction import DynamoTransaction

    service = cart_service()
    return Reminders(
        carts=service.carts,
        catalogue=service.catalogue,
        customers=AccountHolders(account_service()),
        begin=DynamoTransaction,
        clock=utc_now,
    )
