"""Keeps the books of all sellers from events, and shows each seller the own ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from seller_dashboard.model import (
    Address,
    CatalogueEntry,
    DayTotals,
    Metrics,
    OrderNotes,
    Overtaken,
    PaymentStatus,
    Period,
    Sale,
    SoldProduct,
    best_sellers,
    change_in_count,
    metrics,
    overtakes,
    payment_standing,
)
from supermarket.errors import DomainError
from supermarket.transaction import BeginTransaction, Transaction

ATTEMPTS = 5


class Sales(Protocol):
    """Sales one by one, and their sums by day and by product."""

    def find(self, sale: Sale) -> Sale | None:
        """The same sale as it is known at this moment."""

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, refused: DomainError
    ) -> None:
        """Write `sale` if the books still say `known`."""

    def count(self, sale: Sale, change: int, transaction: Transaction) -> None:
        """Add the sale to the sums of its day and products (1), or take it out of them (-1)."""

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[Sale]:
        """A seller's sales by the time they were placed, backwards."""

    def days(self, seller_id: str, period: Period) -> Sequence[DayTotals]:
        """The sums of every day that has some."""


class Notes(Protocol):
    """What is known of orders as a whole. A note gives way to a newer one only."""

    def payment(self, order_id: str, status: PaymentStatus, standing: str) -> None: ...

    def address(self, order_id: str, address: Address, since: datetime) -> None: ...

    def find_many(self, order_ids: Iterable[str]) -> Mapping[str, OrderNotes]: ...


class Catalogue(Protocol):
    """Products with what they sold; a change gives way to one of a higher revision only."""

    def revise(self, entry: CatalogueEntry) -> None: ...

    def take_off_sale(self, seller_id: str, product_id: str) -> None: ...

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[SoldProduct]: ...

    def titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]: ...


class Bookkeeping:
    """Writes the projections. Facts may come twice and in any order: the books end up the same."""

    def __init__(
        self, sales: Sales, notes: Notes, catalogue: Catalogue, begin: BeginTransaction
    ) -> None:
        self._sales = sales
        self._notes = notes
        self._catalogue = catalogue
        self._begin = begin

    def record(self, sales: Iterable[Sale]) -> None:
        """The shares of one order; each is all right by itself should a later one fail."""
        for sale in sales:
            self._record(sale)

    def _record(self, sale: Sale) -> None:
        for _ in range(ATTEMPTS):
            known = self._sales.find(sale)
            if not overtakes(sale, known):
                return
            try:
                self._move(sale, known)
            except Overtaken:
                continue
            return
        raise Overtaken("The sale keeps changing")  # its queue will bring the event again

    def _move(self, sale: Sale, known: Sale | None) -> None:
        """The sale and the sums it is part of change together, or nothing does."""
        transaction = self._begin()
        refused = Overtaken("The sale has changed")
        self._sales.save(sale, known, transaction, refused)
        if change := change_in_count(sale, known):
            self._sales.count(sale, change, transaction)
        transaction.commit()

    def note_payment(self, order_id: str, payment_id: str, status: PaymentStatus) -> None:
        self._notes.payment(order_id, status, payment_standing(payment_id, status))

    def note_address(self, order_id: str, address: Address, since: datetime) -> None:
        self._notes.address(order_id, address, since)

    def revise_product(self, entry: CatalogueEntry) -> None:
        self._catalogue.revise(entry)

    def take_off_sale(self, seller_id: str, product_id: str) -> None:
        self._catalogue.take_off_sale(seller_id, product_id)


@dataclass(frozen=True)
class Page[Thing]:
    """Some of a list, and the position of the last one where there are more."""

    items: Sequence[Thing]
    next: str | None


@dataclass(frozen=True)
class NotedSale:
    """A seller's sale with what is known of its order."""

    sale: Sale
    notes: OrderNotes


class Dashboard:
    """Reads the projections; whoever asks sees only what is under the own seller id."""

    def __init__(self, sales: Sales, notes: Notes, catalogue: Catalogue) -> None:
        self._sales = sales
        self._notes = notes
        self._catalogue = catalogue

    def metrics(self, seller_id: str, period: Period) -> Metrics:
        """Costs a read of the period's days, however many orders they had."""
        days = self._sales.days(seller_id, period)
        titles = self._catalogue.titles(seller_id, best_sellers(days))
        return metrics(period, days, titles)

    def orders(self, seller_id: str, limit: int, after: str | None) -> Page[NotedSale]:
        """Newest first, from `after` (a `Sale.position`) on."""
        sales = self._sales.newest(seller_id, limit + 1, after)
        shown = sales[:limit]
        notes = self._notes.find_many(sale.order_id for sale in shown)
        noted = [NotedSale(sale, notes.get(sale.order_id, OrderNotes())) for sale in shown]
        return Page(noted, shown[-1].position if len(sales) > limit else None)

    def products(self, seller_id: str, limit: int, after: str | None) -> Page[SoldProduct]:
        """Newest first, from `after` (a product's id) on; what was sold stays, on sale or not."""
        products = self._catalogue.newest(seller_id, limit + 1, after)
        shown = products[:limit]
        return Page(shown, shown[-1].product_id if len(products) > limit else None)
