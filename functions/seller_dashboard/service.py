"""What sellers read: metrics, lists and CSV exports of their own sales."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from seller_dashboard.ports import Catalogue, Sales
from seller_dashboard.projections.model import (
    CustomerSales,
    Period,
    ProductSales,
    Sale,
    SaleStatus,
    Slice,
)
from seller_dashboard.reports import csv_exports
from seller_dashboard.reports.csv_exports import CsvFile
from seller_dashboard.reports.metrics import LOW_STOCK_LIMIT, Metrics, TopProduct, compute_metrics
from supermarket.errors import NotFound

__all__ = ["Dashboard", "Metrics", "Page", "TopProduct"]


@dataclass(frozen=True)
class Page[Item]:
    """A page of a list and, when more items follow, the sort key of its last one."""

    items: Sequence[Item]
    next: str | None


class Dashboard:
    """Reads the projections of one seller: metrics, lists, and exports of these as CSV."""

    def __init__(self, sales: Sales, catalogue: Catalogue) -> None:
        self._sales = sales
        self._catalogue = catalogue

    def get_metrics(self, seller_id: str, period: Period) -> Metrics:
        """Return the metrics of a period; reads its days, however many orders they had."""
        days = self._sales.list_daily_totals(seller_id, period)
        low_stock = self._catalogue.list_low_stock(seller_id, LOW_STOCK_LIMIT)
        get_titles = partial(self._catalogue.get_titles, seller_id)
        return compute_metrics(period, days, get_titles, low_stock)

    def list_orders(
        self, seller_id: str, period: Period, status: SaleStatus | None, part: Slice
    ) -> Page[Sale]:
        """List the seller's shares of orders, newest first."""
        read = partial(self._sales.list_sales, seller_id, period, status)
        return _page(read, part, lambda sale: sale.sort_key)

    def list_oldest_orders(self, seller_id: str, status: SaleStatus, limit: int) -> Sequence[Sale]:
        """List the seller's shares of orders that have this status, the oldest first."""
        return list(self._sales.list_oldest_sales(seller_id, status, limit))

    def list_payments(self, seller_id: str, period: Period, part: Slice) -> Page[Sale]:
        """List the seller's shares of orders that have a payment, newest first."""
        read = partial(self._sales.list_payments, seller_id, period)
        return _page(read, part, lambda sale: sale.sort_key)

    def list_products(self, seller_id: str, part: Slice) -> Page[ProductSales]:
        """List the seller's products, newest first, deleted ones included."""
        read = partial(self._catalogue.list_products, seller_id)
        return _page(read, part, lambda product: product.product_id)

    def list_customers(self, seller_id: str, part: Slice) -> Page[CustomerSales]:
        """List the seller's customers, newest accounts first."""
        read = partial(self._sales.list_customers, seller_id)
        return _page(read, part, lambda one: one.customer.id)

    def export(self, name: str, seller_id: str, period: Period, after: str | None) -> CsvFile:
        """Export a list by its name: products and customers in parts, where `after` is the `next`
        of the previous part; lists that grow with time for a period, as a whole.

        Raises NotFound for an unknown list and TooManyRows when the period has too many rows.
        """
        part, whole = Slice(csv_exports.MAX_ROWS + 1, after), Slice(csv_exports.MAX_ROWS + 1)
        sales, catalogue = self._sales, self._catalogue
        match name:
            case "orders":
                return csv_exports.ORDERS.write(sales.list_sales(seller_id, period, None, whole))
            case "payments":
                return csv_exports.PAYMENTS.write(sales.list_payments(seller_id, period, whole))
            case "metrics":
                return csv_exports.DAYS.write(sales.list_daily_totals(seller_id, period))
            case "products":
                return csv_exports.PRODUCTS.write(catalogue.list_products(seller_id, part))
            case "customers":
                return csv_exports.CUSTOMERS.write(sales.list_customers(seller_id, part))
        raise NotFound("List not found")


def _page[Item](
    read: Callable[[Slice], Iterable[Item]], part: Slice, sort_key: Callable[[Item], str]
) -> Page[Item]:
    items = list(read(Slice(part.limit + 1, part.after)))
    shown = items[: part.limit]
    return Page(shown, sort_key(shown[-1]) if len(items) > part.limit else None)
