"""A seller's share of orders, the order-independent rules by which it moves forward, and the
numbers made of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from supermarket.clock import iso
from supermarket.errors import Conflict, FieldError, Invalid
from supermarket.money import Currency, Money

DEFAULT_DAYS = 30
MAX_DAYS = 366
TOP_PRODUCTS = 5


class Overtaken(Conflict):
    """Somebody else moved the same sale between our reading and our writing: read it again."""


class SaleStatus(StrEnum):
    """In the order in which a sale goes through them; events arrive in any order, and only a
    later status counts.
    """

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"

    @property
    def rank(self) -> int:
        return list(SaleStatus).index(self)

    @property
    def counts(self) -> bool:
        """Whether a sale in this status is part of the seller's numbers."""
        return self in {SaleStatus.CONFIRMED, SaleStatus.SHIPPED, SaleStatus.DELIVERED}


class PaymentStatus(StrEnum):
    """What became of a payment."""

    PENDING = "PENDING"
    FAILED = "FAILED"
    COMPLETED = "COMPLETED"
    REFUNDED = "REFUNDED"


@dataclass(frozen=True)
class SoldLine:
    """One line of an order."""

    product_id: str
    title: str
    quantity: int
    unit_price: Money
    line_total: Money


@dataclass(frozen=True)
class Sold:
    """How many units brought how much."""

    units: int
    revenue: Money

    def __add__(self, other: "Sold") -> "Sold":
        return Sold(self.units + other.units, self.revenue + other.revenue)


@dataclass(frozen=True)
class Sale:
    """The lines of one order that belong to one seller."""

    seller_id: str
    order_id: str
    status: SaleStatus
    customer_first_name: str
    lines: tuple[SoldLine, ...]
    placed_at: datetime
    updated_at: datetime

    @property
    def day(self) -> date:
        """Sales belong to the day (UTC) on which they were placed."""
        return self.placed_at.date()

    @property
    def position(self) -> str:
        """Its place in the list of the seller's sales; sorts by the time it was placed."""
        return f"{iso(self.placed_at)}#{self.order_id}"

    @property
    def currency(self) -> Currency:
        return self.lines[0].line_total.currency

    @property
    def total(self) -> Money:
        return Money.total((line.line_total for line in self.lines), self.currency)

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def products(self) -> Mapping[str, Sold]:
        sold: dict[str, Sold] = {}
        for line in self.lines:
            share = Sold(line.quantity, line.line_total)
            sold[line.product_id] = (
                sold[line.product_id] + share if line.product_id in sold else share
            )
        return sold


def overtakes(sale: Sale, known: Sale | None) -> bool:
    """Whether `sale` is news; duplicates and late facts are not."""
    return known is None or sale.status.rank > known.status.rank


def change_in_count(sale: Sale, known: Sale | None) -> int:
    """1 when a sale enters the seller's numbers, -1 when it leaves them."""
    return int(sale.status.counts) - int(known is not None and known.status.counts)


@dataclass(frozen=True)
class Address:
    """Where to ship to."""

    street: str
    city: str
    state: str
    zip: str
    country: str


@dataclass(frozen=True)
class OrderNotes:
    """What is known of an order as a whole, whosever lines it has."""

    payment: PaymentStatus | None = None
    shipping_address: Address | None = None


def payment_standing(payment_id: str, status: PaymentStatus) -> str:
    """Of several facts about an order's payments, the one with the highest standing is shown.

    Money that arrived beats everything but its return; else a later payment beats an earlier one
    (ids sort by time), and what became of a payment beats its beginning.
    """
    arrived = int(status in {PaymentStatus.COMPLETED, PaymentStatus.REFUNDED})
    return f"{arrived}#{payment_id}#{list(PaymentStatus).index(status)}"


@dataclass(frozen=True)
class CatalogueEntry:
    """What the product domain said of a product last."""

    seller_id: str
    product_id: str
    title: str
    price: Money
    category: str | None
    revision: int


@dataclass(frozen=True)
class SoldProduct:
    """A product and all it ever sold; facts of the catalogue are None until they have arrived."""

    product_id: str
    title: str
    price: Money | None
    category: str | None
    on_sale: bool
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class DayTotals:
    """What a seller sold on one day in one currency."""

    day: date
    orders: int
    sold: Sold
    products: Mapping[str, Sold]


@dataclass(frozen=True)
class Period:
    """Whole days (UTC), both ends included."""

    first: date
    last: date

    @classmethod
    def of(cls, first: date | None, last: date | None, today: date) -> "Period":
        """What was asked for; by default the thirty days up to `last` or today."""
        last = last or today
        first = first or last - timedelta(days=DEFAULT_DAYS - 1)
        if first > last:
            raise _invalid("from", "lies after the end of the period")
        if (last - first).days >= MAX_DAYS:
            raise _invalid("from", f"a period has at most {MAX_DAYS} days")
        return cls(first, last)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def _invalid(field: str, message: str) -> Invalid:
    return Invalid("The request is not valid", (FieldError(field, message),))


@dataclass(frozen=True)
class TopProduct:
    """One of the products that sold most in a period."""

    product_id: str
    title: str
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class DaySales:
    """One day of a series; days without sales are there as well."""

    day: date
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class Metrics:
    """A seller's numbers of one period; money is told per currency and never added across them."""

    units: int
    orders: int
    revenue: tuple[Money, ...]
    average_order: tuple[Money, ...]
    top: tuple[TopProduct, ...]
    series: tuple[DaySales, ...]


def best_sellers(days: Iterable[DayTotals]) -> list[str]:
    """The products that sold the most units, most first."""
    units: Counter[str] = Counter()
    for day in days:
        units.update({product_id: sold.units for product_id, sold in day.products.items()})
    ranked = sorted(units, key=lambda product_id: (-units[product_id], product_id))
    return [product_id for product_id in ranked if units[product_id] > 0][:TOP_PRODUCTS]


def metrics(period: Period, days: Sequence[DayTotals], titles: Mapping[str, str]) -> Metrics:
    """The numbers of `period` from its days."""
    by_day = {day: [totals for totals in days if totals.day == day] for day in period.days}
    return Metrics(
        units=sum(day.sold.units for day in days),
        orders=sum(day.orders for day in days),
        revenue=_per_currency(day.sold for day in days),
        average_order=_averages(days),
        top=tuple(_top(product_id, days, titles) for product_id in best_sellers(days)),
        series=tuple(_day_sales(day, totals) for day, totals in by_day.items()),
    )


def _day_sales(day: date, totals: Sequence[DayTotals]) -> DaySales:
    sold = [one.sold for one in totals]
    return DaySales(day, sum(one.units for one in sold), _per_currency(sold))


def _top(product_id: str, days: Iterable[DayTotals], titles: Mapping[str, str]) -> TopProduct:
    sold = [day.products[product_id] for day in days if product_id in day.products]
    units = sum(one.units for one in sold)
    return TopProduct(product_id, titles.get(product_id, ""), units, _per_currency(sold))


def _per_currency(sold: Iterable[Sold]) -> tuple[Money, ...]:
    """Sums in the currencies that have one, in a fixed order."""
    sums: Counter[Currency] = Counter()
    for one in sold:
        sums[one.revenue.currency] += one.revenue.minor
    return tuple(Money(sums[currency], currency) for currency in Currency if sums[currency])


def _averages(days: Iterable[DayTotals]) -> tuple[Money, ...]:
    """Revenue by orders, rounded half up to a minor unit."""
    minor: Counter[Currency] = Counter()
    orders: Counter[Currency] = Counter()
    for day in days:
        minor[day.sold.revenue.currency] += day.sold.revenue.minor
        orders[day.sold.revenue.currency] += day.orders
    return tuple(
        Money((2 * minor[currency] + orders[currency]) // (2 * orders[currency]), currency)
        for currency in Currency
        if orders[currency]
    )
