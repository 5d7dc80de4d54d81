"""Composition root of the seller dashboard."""

from functools import cache

from seller_dashboard.reports import WeeklyReports
from seller_dashboard.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoProgress,
    DynamoRebuilds,
    DynamoReports,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.rollup import RollUp
from seller_dashboard.service import Bookkeeping, Dashboard, Exports
from supermarket.clock import utc_now
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


@cache
def roll_up() -> RollUp:
    return RollUp(
        DynamoSales(), DynamoProgress(utc_now), DynamoRebuilds(utc_now), DynamoTransaction
    )


@cache
def weekly_reports() -> WeeklyReports:
    return WeeklyReports(
        DynamoSales(),
        DynamoCatalogue(),
        DynamoSellers(),
        DynamoReports(utc_now),
        DynamoProgress(utc_now),
        DynamoRebuilds(utc_now),
        DynamoTransaction,
    )
