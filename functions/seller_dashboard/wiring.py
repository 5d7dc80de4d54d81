"""Composition root of the seller dashboard."""

from functools import cache

from seller_dashboard.repository import DynamoCatalogue, DynamoNotes, DynamoSales
from seller_dashboard.service import Bookkeeping, Dashboard
from supermarket.dynamo.transaction import DynamoTransaction


@cache
def bookkeeping() -> Bookkeeping:
    return Bookkeeping(DynamoSales(), DynamoNotes(), DynamoCatalogue(), DynamoTransaction)


@cache
def dashboard() -> Dashboard:
    return Dashboard(DynamoSales(), DynamoNotes(), DynamoCatalogue())
