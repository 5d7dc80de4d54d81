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
from seller_dashboard.reports.repository import DynamoJobs
from seller_dashboard.reports.weekly import WeeklyReports
from seller_dashboard.service import Dashboard
from supermarket.clock import utc_now
from supermarket.dynamo.transaction import DynamoTransaction


@cache
def projector() -> Projector:
    return Projector(DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoTransaction)


@cache
def sellers() -> DynamoSellers:
    return DynamoSellers()


@cache
def dashboard() -> Dashboard:
    return Dashboard(DynamoSales(), DynamoCatalogue())


@cache
def daily_totals_check() -> DailyTotalsCheck:
    return DailyTotalsCheck(DynamoSales(), projector(), DynamoJobs(utc_now), DynamoTransaction)


@cache
def weekly_reports() -> WeeklyReports:
    return WeeklyReports(
        DynamoSales(), DynamoCatalogue(), sellers(), DynamoJobs(utc_now), DynamoTransaction
    )
