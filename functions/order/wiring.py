"""Composition root of orders."""

from collections.abc import Callable, Iterable
from contextvars import copy_context
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from order.model import Charges, PayableRange, ReservationLimits
from order.service import OrderService, Terms
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.config import order_queue_name, settings
from supermarket.money import SMALLEST_PAYMENT_MINOR
from supermarket.request import Request
from supermarket.wiring import audit_trail, idempotency_keys, plan_key

if TYPE_CHECKING:
    from auth.service import AccountService
    from cart.service import CartService
    from order.expiry import Expiry
    from payment.checks.service import PaymentChecks


@cache
def order_service() -> OrderService:
    from inventory.wiring import inventory_service
    from order.gateways import ShopAccounts, ShopCarts, ShopPayments, ShopStock
    from order.repository import DynamoOrders
    from supermarket.dynamo.transaction import DynamoTransaction

    accounts = ShopAccounts(account_service)
    return OrderService(
        orders=DynamoOrders(),
        stock=ShopStock(inventory_service()),
        carts=ShopCarts(cart_service),
        address_book=accounts,
        customers=accounts,
        payments=ShopPayments(payment_checks),
        idempotency_keys=idempotency_keys(),
        audit=audit_trail(),
        begin=DynamoTransaction,
        terms=_terms,
        clock=utc_now,
        new_id=new_id,
    )


@cache
def expiry() -> "Expiry":
    from order.expiry import Expiry
    from order.gateways import EventLag
    from order.repository import DynamoOrders
    from outbox.wiring import outbox_monitor
    from supermarket.aws import client

    return Expiry(
        reservations=DynamoOrders(),
        expire=order_service().expire,
        lag=EventLag(outbox_monitor(), client("cloudwatch"), order_queue_name(), utc_now),
        longest_lag=lambda: timedelta(seconds=settings().expiry_longest_lag_seconds),
        run_all=run_at_once,
        clock=utc_now,
    )


def run_at_once[Part, Result](
    function: Callable[[Part], Result], parts: Iterable[Part]
) -> list[Result]:
    """Call a function with each part at the same time, each call with a copy of the context."""
    from concurrent.futures import ThreadPoolExecutor

    parts = list(parts)
    with ThreadPoolExecutor(len(parts)) as pool:
        calls = [pool.submit(copy_context().run, function, part) for part in parts]
        return [call.result() for call in calls]


def plan_cart_account_and_key(request: Request, caller: Caller) -> None:
    """Read what placing an order needs together with the session."""
    from auth.wiring import plan_user
    from cart.wiring import plan_cart

    plan_cart(request, caller)
    plan_user(caller)
    plan_key("create_order", request, caller)


def cart_service() -> "CartService":
    from cart import wiring

    return wiring.cart_service()


def account_service() -> "AccountService":
    from auth import wiring

    return wiring.account_service()


def payment_checks() -> "PaymentChecks":
    from payment.checks import wiring

    return wiring.payment_checks()


def charges() -> Charges:
    return Charges(settings().tax_percent, settings().shipping_fees)


def _terms() -> Terms:
    known = settings()
    return Terms(
        timedelta(minutes=known.reservation_minutes),
        charges(),
        PayableRange(SMALLEST_PAYMENT_MINOR, known.largest_payments),
        ReservationLimits(known.open_orders_per_person, known.reserved_pieces_per_person),
        ReservationLimits(known.open_orders_unverified, known.reserved_pieces_unverified),
    )
