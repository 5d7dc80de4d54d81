"""What sellers read: metrics, lists and CSV exports of their own sales."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seller_dashboard.ports import Catalogue, Sales
from seller_dashboard.projections.model import (
    CustomerSales,
    PaymentShare,
    Period,
    ProductSales,
    Sale,
    SaleStatus,
)
from seller_dashboard.reports import csv_exports
from seller_dashboard.reports.csv_exports import CsvFile
from seller_dashboard.reports.metrics import (
    LOW_STOCK_LIMIT,
    Metrics,
    compute_metrics,
    top_product_ids,
)
from supermarket.errors import NotFound


@dataclass(frozen=True)
class Page[Item]:
    """A page of a list and, when more items follow, the sort key of its last one."""

    items: Sequence[Item]
    next: str | None


class Dashboard:
    """Reads the projections of one seller. `after` is the `next` of the previous page."""

    def __init__(self, sales: Sales, catalogue: Catalogue) -> None:
        self._sales = sales
        self._catalogue = catalogue

    def get_metrics(self, seller_id: str, period: Period) -> Metrics:
        """Return the metrics of a period; reads its days, however many orders they had."""
        days = self._sales.list_daily_totals(seller_id, period)
        titles = self._catalogue.get_titles(seller_id, top_product_ids(days))
        low_stock = self._catalogue.list_low_stock(seller_id, LOW_STOCK_LIMIT)
        return compute_metrics(period, days, titles, low_stock)

    def list_orders(
        self,
        seller_id: str,
        period: Period,
        status: SaleStatus | None,
        limit: int,
        after: str | None,
    ) -> Page[Sale]:
        """List the seller's shares of orders, newest first."""
        found = self._sales.list_sales(seller_id, period, status, limit + 1, after)
        return _page(found, limit, lambda sale: sale.sort_key)

    def list_payments(
        self, seller_id: str, period: Period, limit: int, after: str | None
    ) -> Page[PaymentShare]:
        """List the seller's shares of payments, those of the newest orders first."""
        found = self._sales.list_payments(seller_id, period, limit + 1, after)
        return _page(found, limit, lambda share: share.sort_key)

    def list_products(self, seller_id: str, limit: int, after: str | None) -> Page[ProductSales]:
        """List the seller's products, newest first, deleted ones included."""
        found = self._catalogue.list_products(seller_id, limit + 1, after)
        return _page(found, limit, lambda product: product.product_id)

    def list_customers(self, seller_id: str, limit: int, after: str | None) -> Page[CustomerSales]:
        """List the seller's customers, newest accounts first."""
        found = self._sales.list_customers(seller_id, limit + 1, after)
        return _page(found, limit, lambda one: one.customer.id)


class Exports:
    """Exports the lists of one seller as CSV.

    Lists that grow with time are exported for a period, as a whole; products and customers are
    exported in parts when there are many.
    """

    def __init__(self, sales: Sales, catalogue: Catalogue) -> None:
        self._sales = sales
        self._catalogue = catalogue

    def export(self, name: str, seller_id: str, period: Period, after: str | None) -> CsvFile:
        """Export a list by its name. `after` is the `next` of the previous part.

        Raises NotFound for an unknown list and TooManyRows when the period has too many rows.
        """
        limit = csv_exports.MAX_ROWS + 1
        match name:
            case "orders":
                sales = self._sales.list_sales(seller_id, period, None, limit, None)
                return csv_exports.export_orders(sales)
            case "payments":
                shares = self._sales.list_payments(seller_id, period, limit, None)
                return csv_exports.export_payments(shares)
            case "metrics":
                days = self._sales.list_daily_totals(seller_id, period)
                return csv_exports.export_days(days)
            case "products":
                products = self._catalogue.list_products(seller_id, limit, after)
                return csv_exports.export_products(products)
            case "customers":
                customers = self._sales.list_customers(seller_id, limit, after)
                return csv_exports.export_customers(customers)
        raise NotFound("List not found")


def _page[Item](found: Iterable[Item], limit: int, sort_key: Callable[[Item], str]) -> Page[Item]:
    items = list(found)
    shown = items[:limit]
    return Page(shown, sort_key(shown[-1]) if len(items) > limit else None)
