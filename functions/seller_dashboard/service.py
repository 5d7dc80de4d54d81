"""Keeps the books of all sellers from events, and shows each seller the own ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from seller_dashboard import sheets
from seller_dashboard.model import (
    Buyer,
    LowStock,
    Order,
    Overtaken,
    PaymentShare,
    Period,
    Product,
    Sale,
    SaleStatus,
    Seller,
    SoldProduct,
)
from seller_dashboard.numbers import DayTotals, Metrics, metrics, products_to_name
from seller_dashboard.sheets import Sheet
from supermarket.errors import DomainError, NotFound
from supermarket.transaction import BeginTransaction, Transaction

ATTEMPTS = 5
LOW_STOCK_SHOWN = 20
ONE_TOO_MANY = sheets.MOST_ROWS + 1


class Orders(Protocol):
    """What is known of orders as a whole, whosever lines they have."""

    def find(self, order_id: str) -> Order | None: ...

    def save(self, order: Order) -> Order:
        """Write `order` if the books still hold the version it was made of, and raise its version;
        Overtaken otherwise.
        """


class Sales(Protocol):
    """Sales one by one, and their sums by day, by product and by customer."""

    def find(self, sale: Sale) -> Sale | None:
        """The same sale as it is known at this moment."""

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, refused: DomainError
    ) -> None:
        """Write `sale` (and what the lists need of it) if the books still say `known`."""

    def count(self, sale: Sale, change: DayTotals, transaction: Transaction) -> None:
        """Add `change` to the sums of the sale's day, products and customer."""

    def meet(self, sale: Sale) -> None:
        """Note the sale as its customer's last one, unless a later one is known."""

    def newest(
        self,
        seller_id: str,
        period: Period,
        status: SaleStatus | None,
        limit: int,
        after: str | None,
    ) -> Iterable[Sale]:
        """A seller's sales by the time they were placed, backwards; read as they are wanted."""

    def payments(
        self, seller_id: str, period: Period, limit: int, after: str | None
    ) -> Iterable[PaymentShare]:
        """Those of the sales, in the same order."""

    def buyers(self, seller_id: str, limit: int, after: str | None) -> Iterable[Buyer]:
        """A seller's customers, by their ids backwards."""

    def days(self, seller_id: str, period: Period) -> Sequence[DayTotals]:
        """The sums of every day that has some."""

    def sellers_on(self, day: date) -> Iterable[str]:
        """Who had orders on a day: ids."""

    def of_day(self, seller_id: str, day: date) -> Iterable[Sale]:
        """All sales that a day's sums are made of, as they are at this moment."""

    def sums_of_day(self, seller_id: str, day: date) -> Sequence[DayTotals]:
        """A day's sums, one per currency, as they are at this moment."""

    def replace_sums(
        self, seller_id: str, sums: DayTotals, transaction: Transaction, refused: DomainError
    ) -> None:
        """Write a day's sums anew if the books still hold their `version`."""


class Catalogue(Protocol):
    """Products, with what they sold."""

    def find(self, seller_id: str, product_id: str) -> Product | None: ...

    def save(self, product: Product) -> None:
        """Write what the catalogue tells if the books still hold the version it was made of, and
        raise its version; Overtaken otherwise.
        """

    def newest(self, seller_id: str, limit: int, after: str | None) -> Iterable[SoldProduct]: ...

    def titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]: ...

    def low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        """The products that run low, the scarcest first."""


class Sellers(Protocol):
    """Whom a seller's mail goes to."""

    def introduce(self, seller: Seller, told: str) -> None:
        """Note the seller unless somebody told of it later; `told` sorts by time."""

    def find(self, seller_id: str) -> Seller | None: ...


class Bookkeeping:
    """Writes the projections. Facts may come twice and in any order: the books end up the same.

    A fact is joined with what is known of its order, and each seller's sale is then made anew of
    the whole. Sums change by the difference, in the transaction that changes the sale.
    """

    def __init__(
        self,
        orders: Orders,
        sales: Sales,
        catalogue: Catalogue,
        sellers: Sellers,
        begin: BeginTransaction,
    ) -> None:
        self._orders = orders
        self._sales = sales
        self._catalogue = catalogue
        self._sellers = sellers
        self._begin = begin

    def learn(self, news: Order) -> None:
        """Each seller's share is all right by itself should a later one fail: the same news, come
        again, finds the order complete and goes on with the shares.
        """
        for sale in _persistent(self._remember, news).sales:
            _persistent(self._follow, sale)

    def learn_of_product(self, news: Product) -> None:
        _persistent(self._revise, news)

    def introduce(self, seller: Seller, told: str) -> None:
        self._sellers.introduce(seller, told)

    def _remember(self, news: Order) -> Order:
        known = self._orders.find(news.id) or Order(news.id)
        order = known.joined(news)
        return known if order == known else self._orders.save(order)

    def _follow(self, sale: Sale) -> None:
        """The sale and the sums it is part of change together, or nothing does."""
        known = self._sales.find(sale)
        if known is not None and known.version >= sale.version:
            return
        if known is None:
            self._sales.meet(sale)
        transaction = self._begin()
        self._sales.save(sale, known, transaction, Overtaken("The sale has changed"))
        was = DayTotals.of(known) if known else DayTotals.nothing(sale.day, sale.currency)
        if change := DayTotals.of(sale) - was:
            self._sales.count(sale, change, transaction)
        transaction.commit()

    def _revise(self, news: Product) -> None:
        known = self._catalogue.find(news.seller_id, news.id) or Product(news.seller_id, news.id)
        product = known.joined(news)
        if product != known:
            self._catalogue.save(product)


def _persistent[News, Outcome](attempt: Callable[[News], Outcome], news: News) -> Outcome:
    """Read and write again when somebody else was faster; at last it is the queue's turn."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt(news)
        except Overtaken:
            continue
    return attempt(news)


@dataclass(frozen=True)
class Page[Thing]:
    """Some of a list, and the position of the last one where there are more."""

    items: Sequence[Thing]
    next: str | None


class Dashboard:
    """Reads the projections; whoever asks sees only what is under the own seller id."""

    def __init__(self, sales: Sales, catalogue: Catalogue) -> None:
        self._sales = sales
        self._catalogue = catalogue

    def metrics(self, seller_id: str, period: Period) -> Metrics:
        """Costs a read of the period's days, however many orders they had."""
        days = self._sales.days(seller_id, period)
        titles = self._catalogue.titles(seller_id, products_to_name(days))
        low_stock = self._catalogue.low_stock(seller_id, LOW_STOCK_SHOWN)
        return metrics(period, days, titles, low_stock)

    def orders(
        self,
        seller_id: str,
        period: Period,
        status: SaleStatus | None,
        limit: int,
        after: str | None,
    ) -> Page[Sale]:
        """Newest first, from `after` (a `Sale.position`) on."""
        found = self._sales.newest(seller_id, period, status, limit + 1, after)
        return _page(found, limit, lambda sale: sale.position)

    def payments(
        self, seller_id: str, period: Period, limit: int, after: str | None
    ) -> Page[PaymentShare]:
        """Those of the newest orders first, from `after` (a `Sale.position`) on."""
        found = self._sales.payments(seller_id, period, limit + 1, after)
        return _page(found, limit, lambda share: share.position)

    def products(self, seller_id: str, limit: int, after: str | None) -> Page[SoldProduct]:
        """Newest first, from `after` (a product's id) on; what was sold stays, on sale or not."""
        found = self._catalogue.newest(seller_id, limit + 1, after)
        return _page(found, limit, lambda product: product.product_id)

    def customers(self, seller_id: str, limit: int, after: str | None) -> Page[Buyer]:
        """The newest accounts first, from `after` (a customer's id) on."""
        found = self._sales.buyers(seller_id, limit + 1, after)
        return _page(found, limit, lambda buyer: buyer.customer.id)


class Exports:
    """The same lists as CSV. The period bounds those that grow with time, which are had as a whole
    or not at all; the others are had in parts if they are long.
    """

    def __init__(self, sales: Sales, catalogue: Catalogue) -> None:
        self._sales = sales
        self._catalogue = catalogue
        self._of_period = {
            "orders": self._orders,
            "payments": self._payments,
            "metrics": self._metrics,
        }
        self._in_parts = {"products": self._products, "customers": self._customers}

    def sheet(self, name: str, seller_id: str, period: Period, after: str | None) -> Sheet:
        """`after` is what the part before said is `next`; only lists that have parts know it."""
        if name in self._in_parts:
            return self._in_parts[name](seller_id, after)
        if name in self._of_period:
            return self._of_period[name](seller_id, period)
        raise NotFound("There is no such list")

    def _orders(self, seller_id: str, period: Period) -> Sheet:
        found = self._sales.newest(seller_id, period, None, ONE_TOO_MANY, None)
        return sheets.sheet(sheets.ORDERS, sheets.of_orders(found))

    def _payments(self, seller_id: str, period: Period) -> Sheet:
        found = self._sales.payments(seller_id, period, ONE_TOO_MANY, None)
        return sheets.sheet(sheets.PAYMENTS, sheets.of_payments(found))

    def _metrics(self, seller_id: str, period: Period) -> Sheet:
        return sheets.sheet(sheets.DAYS, sheets.of_days(self._sales.days(seller_id, period)))

    def _products(self, seller_id: str, after: str | None) -> Sheet:
        found = self._catalogue.newest(seller_id, ONE_TOO_MANY, after)
        return sheets.part(sheets.PRODUCTS, found, sheets.of_products, lambda one: one.product_id)

    def _customers(self, seller_id: str, after: str | None) -> Sheet:
        found = self._sales.buyers(seller_id, ONE_TOO_MANY, after)
        return sheets.part(
            sheets.CUSTOMERS, found, sheets.of_customers, lambda one: one.customer.id
        )


def _page[Thing](
    read: Iterable[Thing], limit: int, position: Callable[[Thing], str]
) -> Page[Thing]:
    found = list(read)
    shown = found[:limit]
    return Page(shown, position(shown[-1]) if len(found) > limit else None)
