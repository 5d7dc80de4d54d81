"""Composition root of the seller dashboard."""

from functools import cache

from seller_dashboard.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.service import Bookkeeping, Dashboard, Exports
from supermarket.dynamo.transaction import DynamoTransaction


@cache
def bookkeeping() -> Bookkeeping:
    return Bookkeeping(
        DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoSellers(), DynamoTransaction
    )


@cache
def dashboard() -> Dashboard:
    return Dashboard(DynamoSales(), DynamoCatalogue())


@cache
def exports() -> Exports:
    return Exports(DynamoSales(), DynamoCatalogue())
