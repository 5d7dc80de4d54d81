"""The projections of the seller dashboard in memory, and sales for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from ops.rebuild.repository import DynamoLease
from ops.rebuild.service import Lease, LeaseLost
from seller_dashboard.model import (
    Buyer,
    Customer,
    LowStock,
    Order,
    Overtaken,
    Payment,
    PaymentShare,
    Period,
    Product,
    Sale,
    SaleStatus,
    Seller,
    Sold,
    SoldLine,
    SoldProduct,
)
from seller_dashboard.numbers import DayTotals
from seller_dashboard.reports import Week
from seller_dashboard.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoRebuilds,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.service import Bookkeeping, Catalogue, Dashboard, Orders, Sales, Sellers
from seller_dashboard.upkeep import Reached, Rebuilds
from supermarket.clock import Clock
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict, DomainError
from supermarket.money import Currency, Money
from supermarket.transaction import BeginTransaction, Transaction
from support.in_memory import InMemoryOutbox, in_memory

PLACED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ASHA = Customer("c1", "Asha")


def inr(minor: int) -> Money:
    return Money(minor, Currency.INR)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


def a_line(
    product_id: str = "p1",
    quantity: int = 2,
    minor: int = 500,
    *,
    seller_id: str = "s1",
    refunded: int = 0,
    currency: Currency = Currency.INR,
) -> SoldLine:
    unit, total = Money(minor, currency), Money(minor * quantity, currency)
    title, back = f"Title of {product_id}", Money(refunded, currency)
    return SoldLine(seller_id, product_id, title, quantity, unit, total, back)


def a_sale(
    status: SaleStatus = SaleStatus.CONFIRMED,
    order_id: str = "o1",
    *,
    seller_id: str = "s1",
    lines: Iterable[SoldLine] | None = None,
    placed_at: datetime = PLACED,
    customer: Customer = ASHA,
    payment: Payment | None = None,
    is_paid: bool = False,
    version: int = 1,
) -> Sale:
    lines = (a_line(),) if lines is None else tuple(lines)
    own = tuple(replace(line, seller_id=seller_id) for line in lines)
    return Sale(
        seller_id=seller_id,
        order_id=order_id,
        status=status,
        customer=customer,
        lines=own,
        placed_at=placed_at,
        updated_at=placed_at,
        is_paid=is_paid,
        payment=payment,
        version=version,
    )


class InMemoryOrders:
    """`Orders` in a dictionary."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}

    def find(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def save(self, order: Order) -> Order:
        known = self._orders.get(order.id)
        if (known.version if known else 0) != order.version:
            raise Overtaken("changed")
        self._orders[order.id] = replace(order, version=order.version + 1)
        return self._orders[order.id]


class InMemorySales:
    """`Sales` in dictionaries."""

    def __init__(self, catalogue: "InMemoryCatalogue") -> None:
        self._catalogue = catalogue
        self._sales: dict[tuple[str, str], Sale] = {}
        self._days: dict[tuple[str, date, Currency], DayTotals] = {}
        self._last: dict[tuple[str, str], Sale] = {}
        self._accounts: dict[tuple[str, str], dict[Currency, Sold]] = {}

    def find(self, sale: Sale) -> Sale | None:
        return self._sales.get((sale.seller_id, sale.position))

    def save(
        self, sale: Sale, known: Sale | None, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        in_memory(transaction).add(
            lambda: _version(self.find(sale)) == _version(known),
            lambda: self._sales.update({(sale.seller_id, sale.position): sale}),
            on_conflict,
        )

    def count(self, sale: Sale, change: DayTotals, transaction: Transaction) -> None:
        in_memory(transaction).add(lambda: True, lambda: self._count(sale, change))

    def meet(self, sale: Sale) -> None:
        key = (sale.seller_id, sale.customer.id)
        if key not in self._last or self._last[key].position < sale.position:
            self._last[key] = sale

    def newest(
        self,
        seller_id: str,
        period: Period,
        status: SaleStatus | None,
        limit: int,
        after: str | None,
    ) -> Sequence[Sale]:
        wanted = (
            sale
            for sale in self._backwards(seller_id, period, after)
            if status is None or sale.status is status
        )
        return [sale for _, sale in zip(range(limit), wanted, strict=False)]

    def payments(
        self, seller_id: str, period: Period, limit: int, after: str | None
    ) -> Sequence[PaymentShare]:
        sales = self._backwards(seller_id, period, after)
        return [share for sale in sales if (share := sale.payment_share)][:limit]

    def buyers(self, seller_id: str, limit: int, after: str | None) -> Sequence[Buyer]:
        ids = sorted((customer for owner, customer in self._last if owner == seller_id))
        wanted = [customer for customer in reversed(ids) if after is None or customer < after]
        return [self._buyer((seller_id, customer)) for customer in wanted[:limit]]

    def days(self, seller_id: str, period: Period) -> Sequence[DayTotals]:
        return [
            self._days[key]
            for key in sorted(self._days)
            if key[0] == seller_id and period.first <= key[1] <= period.last
        ]

    def sellers_on(self, day: date) -> Iterable[str]:
        return sorted({sale.seller_id for sale in self._sales.values() if sale.day == day})

    def of_day(self, seller_id: str, day: date) -> Iterable[Sale]:
        of_day = self._backwards(seller_id, Period(day, day), None)
        return reversed(of_day)

    def sums_of_day(self, seller_id: str, day: date) -> Sequence[DayTotals]:
        return self.days(seller_id, Period(day, day))

    def replace_sums(
        self, seller_id: str, sums: DayTotals, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        key = (seller_id, sums.day, sums.currency)

        def is_as_read() -> bool:
            known = self._days.get(key)
            return (known.version if known else 0) == sums.version

        written = {key: replace(sums, version=sums.version + 1)}
        in_memory(transaction).add(is_as_read, lambda: self._days.update(written), on_conflict)

    def _backwards(self, seller_id: str, period: Period, after: str | None) -> list[Sale]:
        own = [sale for (owner, _), sale in self._sales.items() if owner == seller_id]
        return sorted(
            (
                sale
                for sale in own
                if period.first <= sale.day <= period.last
                and (after is None or sale.position < after)
            ),
            key=lambda sale: sale.position,
            reverse=True,
        )

    def _buyer(self, key: tuple[str, str]) -> Buyer:
        last, sold = self._last[key], self._accounts.get(key, {})
        return Buyer(
            last.customer,
            orders=sum(share.units for share in sold.values()),
            spent=tuple(sold[c].revenue for c in Currency if c in sold and sold[c].revenue.minor),
            last_order_at=last.placed_at,
        )

    def _count(self, sale: Sale, change: DayTotals) -> None:
        key = (sale.seller_id, change.day, change.currency)
        known = self._days.get(key, DayTotals.nothing(change.day, change.currency))
        self._days[key] = replace(known + change, version=known.version + 1)
        titles = {line.product_id: line.title for line in sale.lines}
        for product_id, sold in change.products.items():
            self._catalogue.sell(sale.seller_id, product_id, titles[product_id], sold)
        account = self._accounts.setdefault((sale.seller_id, sale.customer.id), {})
        before = account.get(change.currency, Sold.none(change.currency))
        account[change.currency] = before + Sold(change.orders, change.sold.revenue)


def _version(sale: Sale | None) -> int:
    return sale.version if sale else 0


class InMemoryCatalogue:
    """`Catalogue` in dictionaries."""

    def __init__(self) -> None:
        self._products: dict[tuple[str, str], Product] = {}
        self._sold_as: dict[tuple[str, str], str] = {}
        self._sold: dict[tuple[str, str], dict[Currency, Sold]] = {}

    def find(self, seller_id: str, product_id: str) -> Product | None:
        return self._products.get((seller_id, product_id))

    def save(self, product: Product) -> None:
        known = self._products.get((product.seller_id, product.id))
        if (known.version if known else 0) != product.version:
            raise Overtaken("changed")
        self._products[product.seller_id, product.id] = replace(
            product, version=product.version + 1
        )

    def sell(self, seller_id: str, product_id: str, title: str, share: Sold) -> None:
        key, currency = (seller_id, product_id), share.revenue.currency
        self._sold_as[key] = title
        sold = self._sold.setdefault(key, {})
        sold[currency] = sold.get(currency, Sold.none(currency)) + share

    def newest(self, seller_id: str, limit: int, after: str | None) -> Sequence[SoldProduct]:
        keys = {*self._sold_as, *self._products}
        ids = sorted((product_id for owner, product_id in keys if owner == seller_id), reverse=True)
        wanted = [product_id for product_id in ids if after is None or product_id < after]
        return [self._sold_product((seller_id, product_id)) for product_id in wanted[:limit]]

    def titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(seller_id, product_id) for product_id in product_ids]
        known = {*self._sold_as, *self._products}
        return {key[1]: self._title(key) for key in keys if key in known}

    def low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        own = (product for product in self._products.values() if product.seller_id == seller_id)
        low = [low for product in own if (low := product.low_stock)]
        return sorted(low, key=lambda one: (one.stock, one.product_id))[:limit]

    def _title(self, key: tuple[str, str]) -> str:
        product = self._products.get(key)
        details = product.details if product else None
        return details.title if details else self._sold_as.get(key, "")

    def _sold_product(self, key: tuple[str, str]) -> SoldProduct:
        product, sold = self._products.get(key, Product(*key)), self._sold.get(key, {})
        details = product.details
        return SoldProduct(
            product_id=key[1],
            title=self._title(key),
            price=details.price if details else None,
            category=details.category if details else None,
            on_sale=details is not None and not product.is_deleted,
            units=sum(share.units for share in sold.values()),
            revenue=tuple(sold[c].revenue for c in Currency if c in sold and sold[c].revenue.minor),
        )


class InMemorySellers:
    """`Sellers` in a dictionary."""

    def __init__(self) -> None:
        self._sellers: dict[str, tuple[str, Seller]] = {}

    def introduce(self, seller: Seller, told: str) -> None:
        if seller.id not in self._sellers or self._sellers[seller.id][0] < told:
            self._sellers[seller.id] = (told, seller)

    def find(self, seller_id: str) -> Seller | None:
        return self._sellers[seller_id][1] if seller_id in self._sellers else None

    def all(self, after: str) -> Iterator[Seller]:
        rest = sorted(seller_id for seller_id in self._sellers if seller_id > after)
        return (self._sellers[seller_id][1] for seller_id in rest)


class InMemoryProgress:
    """`Progress` in a dictionary."""

    def __init__(self) -> None:
        self._reached: dict[str, Reached] = {}

    def of(self, work: str) -> Reached:
        return self._reached.get(work, Reached())

    def note(self, work: str, reached: Reached) -> None:
        self._reached[work] = reached


class InMemoryRebuilds:
    """`Rebuilds` and `Lease` in attributes."""

    def __init__(self) -> None:
        self.is_at_work = False
        self.is_incomplete = False

    def are_under_way(self) -> bool:
        return self.is_at_work or self.is_incomplete

    def forbid(self, transaction: Transaction, on_conflict: DomainError) -> None:
        in_memory(transaction).add(lambda: not self.are_under_way(), lambda: None, on_conflict)

    def take(self) -> None:
        if self.is_at_work:
            raise Conflict("Another rebuild is at work")
        self.is_at_work = True

    def renew(self) -> None:
        if not self.is_at_work:
            raise LeaseLost("Another rebuild has begun")

    def mark_incomplete(self) -> None:
        self.is_incomplete = True

    def mark_complete(self) -> None:
        self.is_incomplete = False

    def release(self) -> None:
        self.is_at_work = False


class InMemoryReports:
    """`Reports` in a set."""

    def __init__(self) -> None:
        self._told: set[tuple[Week, str]] = set()

    def told(self, week: Week, seller_ids: Sequence[str]) -> list[str]:
        return [seller_id for seller_id in seller_ids if (week, seller_id) in self._told]

    def claim(
        self, week: Week, seller_id: str, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        claimed = (week, seller_id)
        in_memory(transaction).add(
            lambda: claimed not in self._told, lambda: self._told.add(claimed), on_conflict
        )


class Books:
    """Bookkeeping and dashboard over the same projections; in memory unless told otherwise."""

    def __init__(
        self,
        orders: Orders | None = None,
        sales: Sales | None = None,
        catalogue: Catalogue | None = None,
        sellers: Sellers | None = None,
        begin: BeginTransaction | None = None,
    ) -> None:
        known = InMemoryCatalogue()
        self.orders = orders or InMemoryOrders()
        self.sales = sales or InMemorySales(known)
        self.catalogue = catalogue or known
        self.sellers = sellers or InMemorySellers()
        own = InMemoryRebuilds()
        self.rebuilds: Rebuilds = own
        self.lease: Lease = own
        self.begin = begin or InMemoryOutbox().begin
        self.keeping = Bookkeeping(
            self.orders, self.sales, self.catalogue, self.sellers, self.begin
        )
        self.dashboard = Dashboard(self.sales, self.catalogue)

    def replace_sums(self, seller_id: str, sums: DayTotals) -> None:
        """As they are, unless the version is another one."""
        transaction = self.begin()
        self.sales.replace_sums(seller_id, sums, transaction, Overtaken("changed"))
        transaction.commit()


def in_dynamodb(clock: Clock) -> Books:
    """Books with every adapter as it is deployed."""
    books = Books(
        DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoSellers(), DynamoTransaction
    )
    books.rebuilds = DynamoRebuilds(clock)
    books.lease = DynamoLease(clock, "a rebuild")
    return books
