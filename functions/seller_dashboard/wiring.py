"""Composition root of the seller dashboard."""

from functools import cache

from seller_dashboard.projections.projector import Projector
from seller_dashboard.projections.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.reports.daily_totals import DailyTotalsCheck
from seller_dashboard.reports.repository import (
    DynamoBatchCheckpoints,
    DynamoRebuildLock,
    DynamoReportClaims,
)
from seller_dashboard.reports.weekly import WeeklyReports
from seller_dashboard.service import Dashboard
from supermarket.clock import utc_now
from supermarket.dynamo.transaction import DynamoTransaction


@cache
def projector() -> Projector:
    return Projector(
        DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoSellers(), DynamoTransaction
    )


@cache
def dashboard() -> Dashboard:
    return Dashboard(DynamoSales(), DynamoCatalogue())


@cache
def daily_totals_check() -> DailyTotalsCheck:
    return DailyTotalsCheck(
        DynamoSales(),
        DynamoBatchCheckpoints(utc_now),
        DynamoRebuildLock(utc_now),
        DynamoTransaction,
    )


@cache
def weekly_reports() -> WeeklyReports:
    return WeeklyReports(
        DynamoSales(),
        DynamoCatalogue(),
        DynamoSellers(),
        DynamoReportClaims(utc_now),
        DynamoBatchCheckpoints(utc_now),
        DynamoRebuildLock(utc_now),
        DynamoTransaction,
    )
