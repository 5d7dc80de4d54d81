"""The facts in events about orders and products, which merge to the same state in any order and
however often each arrives, and the sales that are derived from them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Any

from supermarket.clock import iso
from supermarket.errors import FieldError, Invalid
from supermarket.money import Currency, Money
from supermarket.people import Address

DEFAULT_DAYS = 30
MAX_DAYS = 366


def latest[Fact](one: Fact | None, other: Fact | None, rank: Callable[[Fact], Any]) -> Fact | None:
    """Return the fact of the higher rank; the known one if the other is None."""
    return max(filter(None, (one, other)), key=rank, default=None)


class SaleStatus(StrEnum):
    """In the order in which a sale reaches them: a later status replaces an earlier one."""

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
        """Whether a sale in this status is part of the seller's revenue and units."""
        return self in {SaleStatus.CONFIRMED, SaleStatus.SHIPPED, SaleStatus.DELIVERED}


class PaymentStatus(StrEnum):
    """The state of an order's payment."""

    PENDING = "PENDING"
    FAILED = "FAILED"
    COMPLETED = "COMPLETED"
    REFUNDED = "REFUNDED"

    @property
    def is_captured(self) -> bool:
        """Whether the money arrived, refunded later or not."""
        return self in {PaymentStatus.COMPLETED, PaymentStatus.REFUNDED}


@dataclass(frozen=True)
class StatusChange:
    """The status of an order and when it was reached."""

    status: SaleStatus
    at: datetime


@dataclass(frozen=True)
class Payment:
    """The state of an order's payment, when it was reached, and the revision of the payment then.

    A captured payment outranks every other; else the later payment (ids sort by time) outranks the
    earlier one. Of the states of one payment the latest counts: one that was declined can be opened
    again. The status decides only between states of one revision, or of one time without revisions.
    """

    id: str
    status: PaymentStatus
    at: datetime
    revision: int = 0

    @property
    def rank(self) -> tuple[Any, ...]:
        order = list(PaymentStatus).index(self.status)
        return (self.status.is_captured, self.id, self.revision, self.at, order)


@dataclass(frozen=True)
class ShippingAddress:
    """The shipping address of an order and when it was set."""

    address: Address
    since: datetime


@dataclass(frozen=True)
class Customer:
    """The customer of an order, without the mail address: sellers must not see it."""

    id: str
    first_name: str


@dataclass(frozen=True)
class SaleLine:
    """One line of an order and the part of it that was refunded."""

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
class Sale:
    """One seller's share of an order: the seller's lines, and what concerns them.

    `day` is the shop's day on which the order was placed; all of its totals belong to it. `version`
    is the version of the order facts that the sale was derived from.
    """

    seller_id: str
    order_id: str
    status: SaleStatus
    customer: Customer
    lines: tuple[SaleLine, ...]
    placed_at: datetime
    day: date
    updated_at: datetime
    is_paid: bool = False
    payment: Payment | None = None
    address: Address | None = None
    version: int = field(default=0, compare=False)

    @property
    def sort_key(self) -> str:
        """The position in the seller's list of sales, which is sorted by time of placing."""
        return f"{iso(self.placed_at)}#{self.order_id}"

    @property
    def currency(self) -> Currency:
        return self.lines[0].line_total.currency

    @property
    def total(self) -> Money:
        """The sum of the line totals, before refunds."""
        return Money.total((line.line_total for line in self.lines), self.currency)

    @property
    def refunded(self) -> Money:
        return Money.total((line.refunded for line in self.lines), self.currency)


@dataclass(frozen=True)
class Purchase:
    """Customer, lines, time and day of an order: the same in every event of it."""

    customer: Customer
    lines: tuple[SaleLine, ...]
    placed_at: datetime
    day: date


@dataclass(frozen=True)
class OrderFacts:
    """What is known of an order, with the lines of all of its sellers.

    An event is turned into facts with few fields set; the stored facts are the merge of all events
    so far. `merge` is commutative, associative and idempotent. `version` counts the stored changes.
    """

    id: str
    purchase: Purchase | None = None
    total: Money | None = None
    status: StatusChange | None = None
    is_paid: bool = False
    payment: Payment | None = None
    refunds: Mapping[str, Money] = field(default_factory=dict)
    shipping_address: ShippingAddress | None = None
    version: int = field(default=0, compare=False)

    def merge(self, facts: "OrderFacts") -> "OrderFacts":
        """Return what is known when both are; keeps this version."""
        return replace(
            self,
            purchase=self.purchase or facts.purchase,
            total=self.total or facts.total,
            status=latest(self.status, facts.status, lambda one: (one.status.rank, one.at)),
            is_paid=self.is_paid or facts.is_paid,
            payment=latest(self.payment, facts.payment, lambda one: one.rank),
            refunds=dict(sorted({**self.refunds, **facts.refunds}.items())),
            shipping_address=latest(
                self.shipping_address, facts.shipping_address, lambda one: one.since
            ),
        )

    @property
    def sales(self) -> tuple[Sale, ...]:
        """One sale per seller; none before the lines and the status of the order are known."""
        if self.purchase is None or self.status is None:
            return ()
        lines = self._lines_with_refunds(self.purchase.lines)
        return tuple(
            Sale(
                seller_id=seller_id,
                order_id=self.id,
                status=self.status.status,
                customer=self.purchase.customer,
                lines=tuple(line for line in lines if line.seller_id == seller_id),
                placed_at=self.purchase.placed_at,
                day=self.purchase.day,
                updated_at=self.status.at,
                is_paid=self.is_paid,
                payment=self.payment,
                address=self._address(self.status.status),
                version=self.version,
            )
            for seller_id in sorted({line.seller_id for line in lines})
        )

    def _address(self, status: SaleStatus) -> Address | None:
        """Return what a seller may know: street and recipient only of goods to be sent, or sent."""
        if self.shipping_address is None:
            return None
        address = self.shipping_address.address
        return address if status.counts else address.without_recipient()

    def _lines_with_refunds(self, lines: Sequence[SaleLine]) -> list[SaleLine]:
        ordered = sorted(lines, key=lambda line: line.seller_id)
        whole = self.total.minor if self.total else 0
        refunded = min(whole, sum(refund.minor for refund in self.refunds.values()))
        shares = apportion(refunded, [line.line_total.minor for line in ordered], whole)
        return [
            replace(line, refunded=Money(share, line.line_total.currency))
            for line, share in zip(ordered, shares, strict=True)
        ]


def apportion(amount: int, parts: Sequence[int], whole: int) -> Iterator[int]:
    """Yield each part's share of an amount that belongs to the whole, in minor units.

    A share is the difference of two rounded running totals, so that rounding errors do not add up:
    the shares of parts that make up the whole sum up to exactly the amount, neighbours together
    get what they would get as one part (within a minor unit), and no share exceeds its part.

        list(apportion(100, [1, 1, 1], 3)) == [33, 34, 33]
    """
    running_totals = (
        (2 * amount * reached + whole) // (2 * whole) if whole else 0
        for reached in accumulate(parts, initial=0)
    )
    return (after - before for before, after in pairwise(running_totals))


@dataclass(frozen=True)
class ProductDetails:
    """Title, price and the like; the highest revision is the current one."""

    revision: int
    title: str
    price: Money
    category: str | None
    low_stock_threshold: int | None


@dataclass(frozen=True)
class StockLevel:
    """Units in stock. Events without a stock revision rank by the revision of the product."""

    units: int
    stock_revision: int
    revision: int = 0


@dataclass(frozen=True)
class ProductFacts:
    """What is known of a product; merges as `OrderFacts` does. A deletion is final."""

    seller_id: str
    id: str
    details: ProductDetails | None = None
    stock: StockLevel | None = None
    is_deleted: bool = False
    version: int = field(default=0, compare=False)

    def merge(self, facts: "ProductFacts") -> "ProductFacts":
        """Return what is known when both are; keeps this version."""
        return replace(
            self,
            details=latest(self.details, facts.details, lambda one: one.revision),
            stock=latest(self.stock, facts.stock, lambda one: (one.stock_revision, one.revision)),
            is_deleted=self.is_deleted or facts.is_deleted,
        )

    @property
    def low_stock(self) -> "LowStock | None":
        """Set while the product is on sale and its stock at or below the seller's threshold."""
        if self.is_deleted or not self.details or not self.stock:
            return None
        threshold, units = self.details.low_stock_threshold, self.stock.units
        if threshold is None or units > threshold:
            return None
        return LowStock(self.id, self.details.title, units, threshold)


@dataclass(frozen=True)
class LowStock:
    """A product whose stock is at or below its seller's threshold."""

    product_id: str
    title: str
    stock: int
    threshold: int


@dataclass(frozen=True)
class ProductSales:
    """A product with its lifetime sales; price and category are None until its details arrive."""

    product_id: str
    title: str
    price: Money | None
    category: str | None
    on_sale: bool
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class CustomerSales:
    """A customer of a seller: the orders that count, and their revenue, net of refunds."""

    customer: Customer
    orders: int
    spent: tuple[Money, ...]
    last_order_at: datetime


@dataclass(frozen=True)
class Slice:
    """At most `limit` items of a list, after the one with the sort key `after`."""

    limit: int
    after: str | None = None


@dataclass(frozen=True)
class Period:
    """Whole days of the shop, both ends included."""

    first: date
    last: date

    @classmethod
    def of(cls, first: date | None, last: date | None, today: date) -> "Period":
        """Return the requested period; by default the thirty days up to `last` or today.

        Raises Invalid when it ends before it begins or has more than 366 days.
        """
        last = last or today
        first = first or last - timedelta(days=DEFAULT_DAYS - 1)
        if (last - first).days >= MAX_DAYS:
            raise _invalid(f"A period has at most {MAX_DAYS} days")
        return cls.between(first, last)

    @classmethod
    def between(cls, first: date | None, last: date | None) -> "Period":
        """Return a period for lists, which may have open ends because their pages bound them.

        Raises Invalid when it ends before it begins.
        """
        period = cls(first or date.min, last or date.max)
        if period.first > period.last:
            raise _invalid("The period must not end before it begins")
        return period

    @classmethod
    def week_before(cls, day: date) -> "Period":
        """Return the last week (Monday to Sunday) that was over when the week of `day` began."""
        monday = day - timedelta(days=day.weekday() + 7)
        return cls(monday, monday + timedelta(days=6))

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def _invalid(message: str) -> Invalid:
    return Invalid("The request is not valid", (FieldError("from", message),))
