"""What the facts tell of orders, products and sellers: pieces that can be joined in any order and
come to the same, and each seller's share of an order made of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Any, Protocol, Self

from supermarket.clock import iso
from supermarket.errors import Conflict, FieldError, Invalid
from supermarket.money import Currency, Money
from supermarket.people import Address

DEFAULT_DAYS = 30
MAX_DAYS = 366


class Overtaken(Conflict):
    """Somebody else moved the same thing between our reading and our writing: read it again."""

    code = "OVERTAKEN"


class Ranked(Protocol):
    """A piece of news that gives way to one of a higher rank."""

    @property
    def rank(self) -> tuple[Any, ...]: ...


def _higher[News: Ranked](one: News | None, other: News | None) -> News | None:
    known = [news for news in (one, other) if news is not None]
    return max(known, key=lambda news: news.rank, default=None)


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

    @property
    def arrived(self) -> bool:
        """Whether the shop had the money, if only for a time."""
        return self in {PaymentStatus.COMPLETED, PaymentStatus.REFUNDED}


@dataclass(frozen=True)
class Progress:
    """How far an order has got, and since when."""

    status: SaleStatus
    at: datetime

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.status.rank, self.at)


@dataclass(frozen=True)
class Payment:
    """How an order's payment stands, and since when.

    Money that arrived beats everything but its return; else a later payment beats an earlier one
    (ids sort by time), and what became of a payment beats its beginning.
    """

    id: str
    status: PaymentStatus
    at: datetime

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.status.arrived, self.id, list(PaymentStatus).index(self.status), self.at)


@dataclass(frozen=True)
class Destination:
    """The address of an order, and since when it is."""

    address: Address
    since: datetime

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.since,)


@dataclass(frozen=True)
class Customer:
    """Who bought. The mail address is the customer's own affair."""

    id: str
    first_name: str


@dataclass(frozen=True)
class SoldLine:
    """One line of an order, and how much of its money went back to the customer."""

    seller_id: str
    product_id: str
    title: str
    quantity: int
    unit_price: Money
    line_total: Money
    refunded: Money

    @property
    def net(self) -> Money:
        return self.line_total - self.refunded


@dataclass(frozen=True)
class Sold:
    """How many units brought how much."""

    units: int
    revenue: Money

    @classmethod
    def none(cls, currency: Currency) -> Self:
        return cls(0, Money.zero(currency))

    def __add__(self, other: "Sold") -> "Sold":
        return Sold(self.units + other.units, self.revenue + other.revenue)

    def __neg__(self) -> "Sold":
        return Sold(-self.units, self.revenue * -1)

    def __bool__(self) -> bool:
        return bool(self.units or self.revenue.minor)


@dataclass(frozen=True)
class Sale:
    """The lines of one order that belong to one seller, with all that concerns them.

    `version` is the one of the order that the sale was made of.
    """

    seller_id: str
    order_id: str
    status: SaleStatus
    customer: Customer
    lines: tuple[SoldLine, ...]
    placed_at: datetime
    updated_at: datetime
    is_paid: bool = False
    payment: Payment | None = None
    address: Address | None = None
    version: int = field(default=0, compare=False)

    @property
    def day(self) -> date:
        """Sales belong to the day (UTC) on which they were placed."""
        return self.placed_at.date()

    @property
    def position(self) -> str:
        """Its place in the list of the seller's sales; sorts by the time it was placed."""
        return position_of(self.placed_at, self.order_id)

    @property
    def currency(self) -> Currency:
        return self.lines[0].line_total.currency

    @property
    def total(self) -> Money:
        """What was ordered, whatever went back."""
        return Money.total((line.line_total for line in self.lines), self.currency)

    @property
    def refunded(self) -> Money:
        return Money.total((line.refunded for line in self.lines), self.currency)

    @property
    def products(self) -> Mapping[str, Sold]:
        """Units and net revenue of each."""
        sold: dict[str, Sold] = {}
        for line in self.lines:
            known = sold.get(line.product_id, Sold.none(self.currency))
            sold[line.product_id] = known + Sold(line.quantity, line.net)
        return sold

    @property
    def payment_share(self) -> "PaymentShare | None":
        if self.payment is None:
            return None
        return PaymentShare(self.order_id, self.payment, self.total, self.refunded, self.placed_at)


@dataclass(frozen=True)
class PaymentShare:
    """A seller's share of a payment, and of what went back of it."""

    order_id: str
    payment: Payment
    total: Money
    refunded: Money
    placed_at: datetime

    @property
    def position(self) -> str:
        """As that of the sale."""
        return position_of(self.placed_at, self.order_id)


def position_of(placed_at: datetime, order_id: str) -> str:
    return f"{iso(placed_at)}#{order_id}"


@dataclass(frozen=True)
class Purchase:
    """Who bought what, and when: the same in every fact of an order."""

    customer: Customer
    lines: tuple[SoldLine, ...]
    placed_at: datetime


@dataclass(frozen=True)
class Order:
    """What is known of an order, whosever lines it has. Each fact is an order of which little is
    known; joined in whatever order, and however often, they come to the same one.
    """

    id: str
    purchase: Purchase | None = None
    total: Money | None = None
    progress: Progress | None = None
    is_paid: bool = False
    payment: Payment | None = None
    refunds: Mapping[str, Money] = field(default_factory=dict)
    destination: Destination | None = None
    version: int = field(default=0, compare=False)

    def joined(self, news: "Order") -> "Order":
        return replace(
            self,
            purchase=self.purchase or news.purchase,
            total=self.total or news.total,
            progress=_higher(self.progress, news.progress),
            is_paid=self.is_paid or news.is_paid,
            payment=_higher(self.payment, news.payment),
            refunds=dict(sorted({**self.refunds, **news.refunds}.items())),
            destination=_higher(self.destination, news.destination),
        )

    @property
    def sales(self) -> tuple[Sale, ...]:
        """One per seller; the lines of one never reach another."""
        if self.purchase is None or self.progress is None:
            return ()
        lines = self._lines_with_refunds(self.purchase.lines)
        return tuple(
            Sale(
                seller_id=seller_id,
                order_id=self.id,
                status=self.progress.status,
                customer=self.purchase.customer,
                lines=tuple(line for line in lines if line.seller_id == seller_id),
                placed_at=self.purchase.placed_at,
                updated_at=self.progress.at,
                is_paid=self.is_paid,
                payment=self.payment,
                address=self.destination.address if self.destination else None,
                version=self.version,
            )
            for seller_id in sorted({line.seller_id for line in lines})
        )

    def _lines_with_refunds(self, lines: Sequence[SoldLine]) -> list[SoldLine]:
        ordered = sorted(lines, key=lambda line: line.seller_id)
        whole = self.total.minor if self.total else 0
        back = min(whole, sum(refund.minor for refund in self.refunds.values()))
        shares = proportional(back, [line.line_total.minor for line in ordered], whole)
        return [
            replace(line, refunded=Money(share, line.line_total.currency))
            for line, share in zip(ordered, shares, strict=True)
        ]


def proportional(amount: int, parts: Sequence[int], whole: int) -> Iterator[int]:
    """What each part bears of an amount that is borne by the whole.

    It is the difference of what the parts up to it bear and what those before it do, so that no
    rounding adds up: parts that make the whole bear exactly the amount, neighbours together what
    they would bear as one (within a minor unit), and none more than itself.
    """
    borne = (
        (2 * amount * reached + whole) // (2 * whole) if whole else 0
        for reached in accumulate(parts, initial=0)
    )
    return (up_to_it - before_it for before_it, up_to_it in pairwise(borne))


@dataclass(frozen=True)
class Details:
    """What a product's seller says of it; the highest revision is the present."""

    revision: int
    title: str
    price: Money
    category: str | None
    low_stock_threshold: int | None

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.revision,)


@dataclass(frozen=True)
class Stock:
    """How much there is of a product. Facts from before stock had revisions rank by the product's
    own.
    """

    units: int
    stock_revision: int
    revision: int = 0

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.stock_revision, self.revision)


@dataclass(frozen=True)
class Product:
    """What the product domain told of a product; joined like orders. Deleted is deleted for
    good.
    """

    seller_id: str
    id: str
    details: Details | None = None
    stock: Stock | None = None
    is_deleted: bool = False
    version: int = field(default=0, compare=False)

    def joined(self, news: "Product") -> "Product":
        return replace(
            self,
            details=_higher(self.details, news.details),
            stock=_higher(self.stock, news.stock),
            is_deleted=self.is_deleted or news.is_deleted,
        )

    @property
    def low_stock(self) -> "LowStock | None":
        """Told while the product is on sale and at its seller's threshold, or below it."""
        if self.is_deleted or not self.details or not self.stock:
            return None
        threshold, units = self.details.low_stock_threshold, self.stock.units
        if threshold is None or units > threshold:
            return None
        return LowStock(self.id, self.details.title, units, threshold)


@dataclass(frozen=True)
class LowStock:
    """A product that will soon be sold out."""

    product_id: str
    title: str
    stock: int
    threshold: int


@dataclass(frozen=True)
class Seller:
    """Whom a report goes to."""

    id: str
    email: str
    first_name: str


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
class Buyer:
    """A customer of a seller: how many orders that count, and what they brought, net of refunds."""

    customer: Customer
    orders: int
    spent: tuple[Money, ...]
    last_order_at: datetime


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

    @classmethod
    def between(cls, first: date | None, last: date | None) -> "Period":
        """For lists, which may have open ends: their pages bound them."""
        period = cls(first or date.min, last or date.max)
        if period.first > period.last:
            raise _invalid("from", "lies after the end of the period")
        return period

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def _invalid(name: str, message: str) -> Invalid:
    return Invalid("The request is not valid", (FieldError(name, message),))
