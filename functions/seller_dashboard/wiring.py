"""Composition root of the seller dashboard."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from seller_dashboard.reports import WeeklyReports
from seller_dashboard.repository import (
    DynamoCatalogue,
    DynamoLease,
    DynamoOrders,
    DynamoProgress,
    DynamoProjections,
    DynamoRebuilds,
    DynamoReports,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.rollup import RollUp
from seller_dashboard.service import Bookkeeping, Dashboard, Exports
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.transaction import DynamoTransaction

if TYPE_CHECKING:
    from seller_dashboard.rebuilding import Rebuilding


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


def rebuilding(stage: str, calm_seconds: float, pause: Callable[[float], None]) -> "Rebuilding":
    """Only for the command: it looks around in the account."""
    from operations import wiring as operations
    from seller_dashboard.gateways import ArchivedHistory, DeployedListener
    from seller_dashboard.rebuilding import Rebuilding

    history = ArchivedHistory(operations.replays(calm_seconds))
    lease = DynamoLease(utc_now, new_id())
    return Rebuilding(DynamoProjections(), DeployedListener(stage), history, lease, pause)
