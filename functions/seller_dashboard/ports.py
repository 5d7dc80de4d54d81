"""What the seller dashboard needs from outside: the stored projections and the state of its jobs.

Lists are read lazily. `save` raises StaleWrite when another version is stored than was read.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol

from seller_dashboard.projections.model import (
    CustomerSales,
    LowStock,
    OrderFacts,
    Period,
    ProductFacts,
    ProductSales,
    Sale,
    SaleStatus,
    Slice,
)
from seller_dashboard.projections.totals import Counted, DailyTotals
from seller_dashboard.reports.model import BatchCheckpoint
from supermarket.people import Recipient
from supermarket.transaction import Transaction


class Orders(Protocol):
    """The merged facts of whole orders."""

    def find(self, order_id: str) -> OrderFacts | None: ...

    def save(self, order: OrderFacts) -> OrderFacts:
        """Write the facts and return them with the next version."""


class Sales(Protocol):
    """Sales, and their totals by day, product and customer."""

    def find(self, sale: Sale) -> tuple[Sale | None, Counted]:
        """Return the stored version of the same sale, and what the totals contain of it."""

    def save(self, sale: Sale, known: Sale | None) -> None:
        """Write the sale if `known` is still stored."""

    def list_counted(self, sales: Sequence[Sale]) -> Mapping[str, Counted]:
        """Return what the totals contain of sales of one seller, by order id."""

    def count(
        self, sale: Sale, counted: Counted, change: DailyTotals, transaction: Transaction
    ) -> Counted:
        """Add to `transaction`: add `change` to the totals of the day, products and customer, and
        to `counted`, whose version must be stored; else StaleWrite. Writes the payment as well.

        Returns what is counted then.
        """

    def record_last_order(self, sale: Sale) -> None:
        """Write the sale as its customer's last order unless a later one is stored."""

    def list_sales(
        self, seller_id: str, period: Period, status: SaleStatus | None, part: Slice
    ) -> Iterable[Sale]:
        """Return a seller's sales, newest first, of one status or of all."""

    def list_oldest_sales(self, seller_id: str, status: SaleStatus, limit: int) -> Iterable[Sale]:
        """Return a seller's oldest sales of one status, the oldest first."""

    def list_payments(self, seller_id: str, period: Period, part: Slice) -> Iterable[Sale]:
        """Return a seller's sales that have a payment, newest first."""

    def list_customers(self, seller_id: str, part: Slice) -> Iterable[CustomerSales]:
        """Return a seller's customers by descending id."""

    def list_daily_totals(self, seller_id: str, period: Period) -> Sequence[DailyTotals]:
        """Return the totals of the days that have any, one per day and currency."""

    def list_parts(self, seller_id: str, day: date) -> Iterable[DailyTotals]:
        """Return the stored parts of a day's totals, strongly consistent."""

    def list_sellers_of_day(self, day: date) -> Iterable[str]:
        """Return the ids of the sellers who had orders on a day, in ascending order."""

    def list_sales_of_day(self, seller_id: str, day: date) -> Iterable[Sale]:
        """Return all sales of a day, strongly consistent."""

    def replace_part(self, seller_id: str, part: DailyTotals, transaction: Transaction) -> None:
        """Add to `transaction`: write a part of a day's totals if its version is stored; else
        StaleWrite.
        """


class Catalogue(Protocol):
    """Products with their lifetime sales."""

    def find(self, seller_id: str, product_id: str) -> ProductFacts | None: ...

    def save(self, product: ProductFacts) -> None:
        """Write the facts with the next version."""

    def list_products(self, seller_id: str, part: Slice) -> Iterable[ProductSales]:
        """Return a seller's products by descending id, deleted ones included."""

    def get_titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the titles by product id; unknown products are left out."""

    def list_low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        """Return the products with low stock, lowest stock first."""


class Sellers(Protocol):
    """The sellers and their mail addresses."""

    def upsert(self, seller: Recipient, as_of: str) -> None:
        """Write the seller unless a later state is stored; `as_of` sorts by time."""

    def find(self, seller_id: str) -> Recipient | None: ...

    def list_all(self, after: str) -> Iterable[Recipient]:
        """Return the sellers whose ids are greater than `after`, in ascending order."""


class Jobs(Protocol):
    """The state of the jobs that go through all sellers."""

    def get_checkpoint(self, job: str) -> BatchCheckpoint:
        """Return how far a job has got; the initial checkpoint when nothing is stored."""

    def save_checkpoint(self, job: str, checkpoint: BatchCheckpoint) -> None:
        """Write how far a job has got; kept for some days."""

    def is_rebuilding(self) -> bool:
        """Whether the projections may be incomplete, because a rebuild runs or was aborted."""

    def require_no_rebuild(self, transaction: Transaction) -> None:
        """Add to `transaction`: the condition that no rebuild runs; else RebuildInProgress."""

    def list_reported(self, week: Period, seller_ids: Sequence[str]) -> Collection[str]:
        """Return those of the sellers who got the report of this week."""

    def claim_report(self, week: Period, seller_id: str, transaction: Transaction) -> None:
        """Add to `transaction`: claim the seller's report; AlreadyReported if it is claimed."""
