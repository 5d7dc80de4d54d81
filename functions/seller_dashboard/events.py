"""The events that the seller dashboard emits."""

from collections.abc import Sequence

from seller_dashboard.reports.metrics import Metrics
from seller_dashboard.reports.model import Week
from supermarket import contracts
from supermarket.contracts import Amount, SalesOfDay, SalesOfProduct, SalesReportReady
from supermarket.money import Money
from supermarket.people import Recipient


def to_sales_report_ready(
    week: Week, seller: Recipient, metrics: Metrics, revenue_before: Sequence[Money]
) -> SalesReportReady:
    """Return the event with a week's metrics and the revenue of the week before."""
    return SalesReportReady(
        seller_id=seller.user_id,
        seller=seller,
        first=week.period.first,
        last=week.period.last,
        orders=metrics.orders,
        units=metrics.units,
        revenue=_amounts(metrics.revenue),
        revenue_before=_amounts(revenue_before),
        refunds=_amounts(metrics.refunds),
        days=[
            SalesOfDay(day=day.day, units=day.units, revenue=_amounts(day.revenue))
            for day in metrics.series
        ],
        top_products=[
            SalesOfProduct(
                product_id=top.product_id,
                title=top.title,
                units=top.units,
                revenue=_amounts(top.revenue),
            )
            for top in metrics.top_products
        ],
        low_stock=[
            contracts.LowStock(product_id=low.product_id, title=low.title, stock=low.stock)
            for low in metrics.low_stock
        ],
    )


def _amounts(sums: Sequence[Money]) -> list[Amount]:
    return [Amount.of(money) for money in sums]
