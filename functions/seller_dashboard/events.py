"""The events that the seller dashboard emits."""

from collections.abc import Iterable

from seller_dashboard.projections.model import Period
from seller_dashboard.reports.metrics import Metrics
from supermarket.contracts import (
    Amount,
    ContractModel,
    LowStock,
    SalesOfDay,
    SalesOfProduct,
    SalesReportReady,
)
from supermarket.money import Money
from supermarket.people import Recipient


def to_sales_report_ready(
    week: Period, seller: Recipient, metrics: Metrics, revenue_before: Iterable[Money]
) -> SalesReportReady:
    """Return the event with a week's metrics and the revenue of the week before."""
    return SalesReportReady(
        seller_id=seller.user_id,
        seller=seller,
        first=week.first,
        last=week.last,
        orders=metrics.orders,
        units=metrics.units,
        revenue=_copies(Amount, metrics.revenue),
        revenue_before=_copies(Amount, revenue_before),
        refunds=_copies(Amount, metrics.refunds),
        days=_copies(SalesOfDay, metrics.series),
        top_products=_copies(SalesOfProduct, metrics.top_products),
        low_stock=_copies(LowStock, metrics.low_stock),
    )


def _copies[Part: ContractModel](kind: type[Part], items: Iterable[object]) -> list[Part]:
    return [kind.model_validate(item, from_attributes=True) for item in items]
