"""The projections of the seller dashboard in memory, and sales for them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from seller_dashboard.model import (
    Address,
    CatalogueEntry,
    DayTotals,
    OrderNotes,
    PaymentStatus,
    Period,
    Sale,
    SaleStatus,
    Sold,
    SoldLine,
    SoldProduct,
)
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction
from support.in_memory import in_memory

PLACED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def a_line(product_id: str = "p1", quantity: int = 2, minor: int = 500) -> SoldLine:
    unit, total = Money(minor, Currency.INR), Money(minor * quantity, Currency.INR)
    return SoldLine(product_id, f"Title of {product_id}", quantity, unit, total)


def a_sale(
    status: SaleStatus = SaleStatus.CONFIRMED,
    order_id: str = "o1",
    *,
    seller_id: str = "s1",
    lines: Iterable[SoldLine] | None = None,
    placed_at: datetime = PLACED,
) -> Sale:
    lines = (a_line(),) if lines is None else tuple(lines)
    return Sale(seller_id, order_id, status, "Asha", lines, placed_at, placed_at)


class InMemorySales:
    """`Sales` in dictionaries."""

    def __init__(self, catalogue: "InMemoryCatalogue") -> None:
        self._catalogue = catalogue
        self._sales: dict[tuple[str, str], Sale] = {}
        self._days: dict[tuple[str, date, Currency], DayTotals] = {}

    def find(self, sale: Sale) -> Sale | None:
        return self._sales.get((sale.seller_id, sale.position))

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, refused: DomainError
    ) -> None:
        in_memory(transaction).add(
            lambda: self.find(sale) == known,
            lambda: self._sales.update({(sale.seller_id, sale.position): sale}),
            refused,
        )

    def count(self, sale: Sale, change: int, transaction: Transaction) -> None:
        in_memory(transaction).add(lambda: True, lambda: self._count(sale, change))

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[Sale]:
        positions = sorted(
            (position for owner, position in self._sales if owner == seller_id), reverse=True
        )
        wanted = [p for p in positions if after is None or p < after][:limit]
        return [self._sales[seller_id, position] for position in wanted]

    def days(self, seller_id: str, period: Period) -> Sequence[DayTotals]:
        return [
            self._days[key]
            for key in sorted(self._days)
            if key[0] == seller_id and period.first <= key[1] <= period.last
        ]

    def _count(self, sale: Sale, change: int) -> None:
        key = (sale.seller_id, sale.day, sale.currency)
        zero = Sold(0, Money.zero(sale.currency))
        day = self._days.get(key, DayTotals(sale.day, 0, zero, {}))
        titles = {line.product_id: line.title for line in sale.lines}
        products = dict(day.products)
        for product_id, sold in sale.products.items():
            share = Sold(change * sold.units, sold.revenue * change)
            products[product_id] = products.get(product_id, zero) + share
            self._catalogue.sell(sale.seller_id, product_id, titles[product_id], share)
        sold = day.sold + Sold(change * sale.units, sale.total * change)
        self._days[key] = DayTotals(sale.day, day.orders + change, sold, products)


class InMemoryNotes:
    """`Notes` in dictionaries."""

    def __init__(self) -> None:
        self._payments: dict[str, tuple[str, PaymentStatus]] = {}
        self._addresses: dict[str, tuple[datetime, Address]] = {}

    def payment(self, order_id: str, status: PaymentStatus, standing: str) -> None:
        if order_id not in self._payments or self._payments[order_id][0] < standing:
            self._payments[order_id] = (standing, status)

    def address(self, order_id: str, address: Address, since: datetime) -> None:
        if order_id not in self._addresses or self._addresses[order_id][0] < since:
            self._addresses[order_id] = (since, address)

    def find_many(self, order_ids: Iterable[str]) -> Mapping[str, OrderNotes]:
        return {
            order_id: OrderNotes(
                self._payments[order_id][1] if order_id in self._payments else None,
                self._addresses[order_id][1] if order_id in self._addresses else None,
            )
            for order_id in order_ids
            if order_id in self._payments or order_id in self._addresses
        }


class InMemoryCatalogue:
    """`Catalogue` in dictionaries."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], CatalogueEntry] = {}
        self._deleted: set[tuple[str, str]] = set()
        self._titles: dict[tuple[str, str], str] = {}
        self._sold: dict[tuple[str, str], dict[Currency, Sold]] = {}

    def revise(self, entry: CatalogueEntry) -> None:
        key = (entry.seller_id, entry.product_id)
        if key not in self._entries or self._entries[key].revision < entry.revision:
            self._entries[key] = entry
            self._titles[key] = entry.title

    def take_off_sale(self, seller_id: str, product_id: str) -> None:
        self._deleted.add((seller_id, product_id))

    def sell(self, seller_id: str, product_id: str, title: str, share: Sold) -> None:
        key, currency = (seller_id, product_id), share.revenue.currency
        self._titles.setdefault(key, title)
        sold = self._sold.setdefault(key, {})
        sold[currency] = sold.get(currency, Sold(0, Money.zero(currency))) + share

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[SoldProduct]:
        keys = {*self._titles, *self._deleted}
        ids = sorted((product_id for owner, product_id in keys if owner == seller_id), reverse=True)
        wanted = [product_id for product_id in ids if after is None or product_id < after]
        return [self._product(seller_id, product_id) for product_id in wanted[:limit]]

    def titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(seller_id, product_id) for product_id in product_ids]
        return {key[1]: self._titles[key] for key in keys if key in self._titles}

    def _product(self, seller_id: str, product_id: str) -> SoldProduct:
        key = (seller_id, product_id)
        entry, sold = self._entries.get(key), self._sold.get(key, {})
        return SoldProduct(
            product_id=product_id,
            title=self._titles.get(key, ""),
            price=entry.price if entry else None,
            category=entry.category if entry else None,
            on_sale=entry is not None and key not in self._deleted,
            units=sum(share.units for share in sold.values()),
            revenue=tuple(
                sold[currency].revenue
                for currency in Currency
                if currency in sold and sold[currency].revenue.minor
            ),
        )
