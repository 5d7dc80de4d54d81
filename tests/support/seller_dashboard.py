"""The projections of the seller dashboard in memory, and sales for tests."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice

from ops.rebuild.repository import DynamoLease
from ops.rebuild.service import Lease, LeaseLost
from seller_dashboard.ports import Catalogue, Jobs, Orders, Sales, Sellers
from seller_dashboard.projections.model import (
    Customer,
    CustomerSales,
    LowStock,
    OrderFacts,
    Payment,
    Period,
    ProductFacts,
    ProductSales,
    Sale,
    SaleLine,
    SaleStatus,
    Slice,
)
from seller_dashboard.projections.projector import Projector
from seller_dashboard.projections.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.projections.totals import (
    MINOR,
    UNITS,
    Counted,
    DailyTotals,
    nonzero,
    sum_by_day,
)
from seller_dashboard.reports.model import AlreadyReported, BatchCheckpoint, RebuildInProgress
from seller_dashboard.reports.repository import DynamoJobs
from seller_dashboard.service import Dashboard
from supermarket.clock import Clock
from supermarket.days import day_of
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Conflict
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from supermarket.retry import StaleWrite
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
) -> SaleLine:
    unit, total = Money(minor, currency), Money(minor * quantity, currency)
    title, back = f"Title of {product_id}", Money(refunded, currency)
    return SaleLine(seller_id, product_id, title, quantity, unit, total, back)


def a_sale(
    status: SaleStatus = SaleStatus.CONFIRMED,
    order_id: str = "o1",
    *,
    seller_id: str = "s1",
    lines: Iterable[SaleLine] | None = None,
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
        day=day_of(placed_at),
        updated_at=placed_at,
        is_paid=is_paid,
        payment=payment,
        version=version,
    )


class InMemoryOrders:
    """`Orders` in a dictionary."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderFacts] = {}

    def find(self, order_id: str) -> OrderFacts | None:
        return self._orders.get(order_id)

    def save(self, order: OrderFacts) -> OrderFacts:
        known = self._orders.get(order.id)
        if (known.version if known else 0) != order.version:
            raise StaleWrite
        self._orders[order.id] = replace(order, version=order.version + 1)
        return self._orders[order.id]


class InMemorySales:
    """`Sales` in dictionaries."""

    def __init__(self, catalogue: "InMemoryCatalogue") -> None:
        self._catalogue = catalogue
        self._sales: dict[tuple[str, str], Sale] = {}
        self._paid: dict[tuple[str, str], Sale] = {}
        self._counted: dict[tuple[str, str], Counted] = {}
        self._parts: dict[tuple[str, date, Currency, str], DailyTotals] = {}
        self._last: dict[tuple[str, str], Sale] = {}
        self._customers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def find(self, sale: Sale) -> tuple[Sale | None, Counted]:
        nothing = Counted(DailyTotals(sale.day, sale.currency))
        counted = self._counted.get((sale.seller_id, sale.order_id), nothing)
        return self._sales.get((sale.seller_id, sale.sort_key)), counted

    def save(self, sale: Sale, known: Sale | None) -> None:
        if _version(self.find(sale)[0]) != _version(known):
            raise StaleWrite
        self._sales[sale.seller_id, sale.sort_key] = sale

    def list_counted(self, sales: Sequence[Sale]) -> Mapping[str, Counted]:
        return {sale.order_id: self.find(sale)[1] for sale in sales}

    def count(
        self, sale: Sale, counted: Counted, change: DailyTotals, transaction: Transaction
    ) -> Counted:
        version = counted.totals.version
        totals = replace(counted.totals + change, version=version + 1)
        after = replace(counted, totals=totals)

        def write() -> None:
            self._counted[sale.seller_id, sale.order_id] = after
            if sale.payment:
                self._paid[sale.seller_id, sale.sort_key] = sale
            self._add(sale, change)

        in_memory(transaction).add(
            lambda: self.find(sale)[1].totals.version == version, write, StaleWrite()
        )
        return after

    def record_last_order(self, sale: Sale) -> None:
        key = (sale.seller_id, sale.customer.id)
        if key not in self._last or self._last[key].sort_key < sale.sort_key:
            self._last[key] = sale

    def list_sales(
        self, seller_id: str, period: Period, status: SaleStatus | None, part: Slice
    ) -> Iterable[Sale]:
        wanted = (
            sale
            for sale in self._backwards(self._sales, seller_id, period, part.after)
            if status is None or sale.status is status
        )
        return list(islice(wanted, part.limit))

    def list_oldest_sales(self, seller_id: str, status: SaleStatus, limit: int) -> Iterable[Sale]:
        always = Period.between(None, None)
        newest_first = self._backwards(self._sales, seller_id, always, None)
        return [sale for sale in reversed(newest_first) if sale.status is status][:limit]

    def list_payments(self, seller_id: str, period: Period, part: Slice) -> Sequence[Sale]:
        return self._backwards(self._paid, seller_id, period, part.after)[: part.limit]

    def list_customers(self, seller_id: str, part: Slice) -> Sequence[CustomerSales]:
        ids = (customer for owner, customer in self._last if owner == seller_id)
        return [self._customer_sales((seller_id, one)) for one in _descending(ids, part)]

    def list_daily_totals(self, seller_id: str, period: Period) -> Sequence[DailyTotals]:
        parts = (part for day in period.days for part in self.list_parts(seller_id, day))
        return sum_by_day(parts)

    def list_parts(self, seller_id: str, day: date) -> Sequence[DailyTotals]:
        keys = sorted(key for key in self._parts if key[:2] == (seller_id, day))
        return [self._parts[key] for key in keys]

    def list_sellers_of_day(self, day: date) -> Iterable[str]:
        counted = self._counted.items()
        return sorted({seller_id for (seller_id, _), one in counted if one.totals.day == day})

    def list_sales_of_day(self, seller_id: str, day: date) -> Iterable[Sale]:
        return reversed(self._backwards(self._sales, seller_id, Period(day, day), None))

    def replace_part(self, seller_id: str, part: DailyTotals, transaction: Transaction) -> None:
        key = (seller_id, part.day, part.currency, part.part)

        def is_unchanged() -> bool:
            known = self._parts.get(key)
            return (0 if known is None else known.version) == part.version

        written = {key: replace(part, version=part.version + 1)}
        in_memory(transaction).add(is_unchanged, lambda: self._parts.update(written), StaleWrite())

    def _backwards(
        self,
        sales: Mapping[tuple[str, str], Sale],
        seller_id: str,
        period: Period,
        after: str | None,
    ) -> list[Sale]:
        own = [sale for (owner, _), sale in sales.items() if owner == seller_id]
        return sorted(
            (
                sale
                for sale in own
                if period.first <= sale.day <= period.last
                and (after is None or sale.sort_key < after)
            ),
            key=lambda sale: sale.sort_key,
            reverse=True,
        )

    def _customer_sales(self, key: tuple[str, str]) -> CustomerSales:
        last, numbers = self._last[key], self._customers[key]
        return CustomerSales(last.customer, numbers["orders"], _amounts(numbers), last.placed_at)

    def _add(self, sale: Sale, change: DailyTotals) -> None:
        for part in change.parts(sale.order_id):
            key = (sale.seller_id, part.day, part.currency, part.part)
            known = self._parts.get(key, replace(part, numbers=Counter()))
            self._parts[key] = replace(known + part, version=known.version + 1)
        titles = {line.product_id: line.title for line in sale.lines}
        units, minor = change.by_product(UNITS), change.by_product(MINOR)
        for product_id in {**units, **minor}:
            sold = {"units": units[product_id], change.currency: minor[product_id]}
            self._catalogue.sell(sale.seller_id, product_id, titles[product_id], sold)
        numbers = {"orders": change.numbers["orders"], change.currency: change.revenue.minor}
        self._customers[sale.seller_id, sale.customer.id].update(numbers)


def _version(sale: Sale | None) -> int:
    return sale.version if sale else 0


def _descending(ids: Iterable[str], part: Slice) -> list[str]:
    wanted = (one for one in ids if part.after is None or one < part.after)
    return sorted(wanted, reverse=True)[: part.limit]


def _amounts(numbers: Counter[str]) -> tuple[Money, ...]:
    return nonzero(Money(numbers[currency], currency) for currency in Currency)


class InMemoryCatalogue:
    """`Catalogue` in dictionaries."""

    def __init__(self) -> None:
        self._products: dict[tuple[str, str], ProductFacts] = {}
        self._sold_as: dict[tuple[str, str], str] = {}
        self._sold: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def find(self, seller_id: str, product_id: str) -> ProductFacts | None:
        return self._products.get((seller_id, product_id))

    def save(self, product: ProductFacts) -> None:
        known = self._products.get((product.seller_id, product.id))
        if (known.version if known else 0) != product.version:
            raise StaleWrite
        self._products[product.seller_id, product.id] = replace(
            product, version=product.version + 1
        )

    def sell(self, seller_id: str, product_id: str, title: str, sold: Mapping[str, int]) -> None:
        self._sold_as[seller_id, product_id] = title
        self._sold[seller_id, product_id].update(sold)

    def list_products(self, seller_id: str, part: Slice) -> Sequence[ProductSales]:
        keys = {*self._sold_as, *self._products}
        ids = (product_id for owner, product_id in keys if owner == seller_id)
        return [self._product_sales((seller_id, one)) for one in _descending(ids, part)]

    def get_titles(self, seller_id: str, product_ids: Iterable[str]) -> Mapping[str, str]:
        keys = [(seller_id, product_id) for product_id in product_ids]
        known = {*self._sold_as, *self._products}
        return {key[1]: self._title(key) for key in keys if key in known}

    def list_low_stock(self, seller_id: str, limit: int) -> Sequence[LowStock]:
        own = (product for product in self._products.values() if product.seller_id == seller_id)
        low = [low for product in own if (low := product.low_stock)]
        return sorted(low, key=lambda one: (one.stock, one.product_id))[:limit]

    def _title(self, key: tuple[str, str]) -> str:
        product = self._products.get(key)
        details = product.details if product else None
        return details.title if details else self._sold_as.get(key, "")

    def _product_sales(self, key: tuple[str, str]) -> ProductSales:
        product, numbers = self._products.get(key, ProductFacts(*key)), self._sold[key]
        details = product.details
        return ProductSales(
            product_id=key[1],
            title=self._title(key),
            price=details.price if details else None,
            category=details.category if details else None,
            on_sale=details is not None and not product.is_deleted,
            units=numbers["units"],
            revenue=_amounts(numbers),
        )


class InMemorySellers:
    """`Sellers` in a dictionary."""

    def __init__(self) -> None:
        self._sellers: dict[str, tuple[str, Recipient]] = {}

    def upsert(self, seller: Recipient, as_of: str) -> None:
        if seller.user_id not in self._sellers or self._sellers[seller.user_id][0] < as_of:
            self._sellers[seller.user_id] = (as_of, seller)

    def find(self, seller_id: str) -> Recipient | None:
        return self._sellers[seller_id][1] if seller_id in self._sellers else None

    def list_all(self, after: str) -> Iterator[Recipient]:
        rest = sorted(seller_id for seller_id in self._sellers if seller_id > after)
        return (self._sellers[seller_id][1] for seller_id in rest)


class InMemoryJobs:
    """`Jobs` and the `Lease` of a rebuild in attributes."""

    def __init__(self) -> None:
        self._checkpoints: dict[str, BatchCheckpoint] = {}
        self._claimed: set[tuple[Period, str]] = set()
        self.is_running = False
        self.is_incomplete = False

    def get_checkpoint(self, job: str) -> BatchCheckpoint:
        return self._checkpoints.get(job, BatchCheckpoint())

    def save_checkpoint(self, job: str, checkpoint: BatchCheckpoint) -> None:
        self._checkpoints[job] = checkpoint

    def is_rebuilding(self) -> bool:
        return self.is_running or self.is_incomplete

    def require_no_rebuild(self, transaction: Transaction) -> None:
        conflict = RebuildInProgress("The projections are being rebuilt")
        in_memory(transaction).add(lambda: not self.is_rebuilding(), lambda: None, conflict)

    def list_reported(self, week: Period, seller_ids: Sequence[str]) -> list[str]:
        return [seller_id for seller_id in seller_ids if (week, seller_id) in self._claimed]

    def claim_report(self, week: Period, seller_id: str, transaction: Transaction) -> None:
        claim = (week, seller_id)
        in_memory(transaction).add(
            lambda: claim not in self._claimed,
            lambda: self._claimed.add(claim),
            AlreadyReported("This week was reported already"),
        )

    def acquire(self) -> None:
        if self.is_running:
            raise Conflict("Another rebuild is at work")
        self.is_running = True

    def renew(self) -> None:
        if not self.is_running:
            raise LeaseLost("Another rebuild has begun")

    def mark_incomplete(self) -> None:
        self.is_incomplete = True

    def mark_complete(self) -> None:
        self.is_incomplete = False

    def release(self) -> None:
        self.is_running = False


class Projections:
    """The projections with the projector that writes and the dashboard that reads them; in memory
    unless adapters are given.
    """

    def __init__(
        self,
        orders: Orders | None = None,
        sales: Sales | None = None,
        catalogue: Catalogue | None = None,
        sellers: Sellers | None = None,
        begin: BeginTransaction | None = None,
    ) -> None:
        in_memory_catalogue, jobs = InMemoryCatalogue(), InMemoryJobs()
        self.orders = orders or InMemoryOrders()
        self.sales = sales or InMemorySales(in_memory_catalogue)
        self.catalogue = catalogue or in_memory_catalogue
        self.sellers = sellers or InMemorySellers()
        self.jobs: Jobs = jobs
        self.lease: Lease = jobs
        self.begin = begin or InMemoryOutbox().begin
        self.projector = Projector(self.orders, self.sales, self.catalogue, self.begin)
        self.dashboard = Dashboard(self.sales, self.catalogue)

    def record(self, *sales: Sale) -> None:
        """Write and count sales, as they are derived from the facts of their orders."""
        for sale in sales:
            self.projector.save(sale)
            self.projector.count(sale)

    def replace_part(self, seller_id: str, part: DailyTotals) -> None:
        """Write a part of a day; raises StaleWrite for another version than the stored one."""
        transaction = self.begin()
        self.sales.replace_part(seller_id, part, transaction)
        transaction.commit()


def in_dynamodb(clock: Clock) -> Projections:
    """Return projections with the deployed adapters."""
    projections = Projections(
        DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoSellers(), DynamoTransaction
    )
    projections.jobs = DynamoJobs(clock)
    projections.lease = DynamoLease(clock, "a rebuild")
    return projections
