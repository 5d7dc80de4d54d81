"""Composition root of the cart."""

from functools import cache

from cart.service import CartService
from supermarket.clock import utc_now


@cache
def cart_service() -> CartService:
    from cart.repository import DynamoCarts
    from product.wiring import product_service

    return CartService(DynamoCarts(utc_now), product_service(), utc_now)
