"""What an order is, what it costs, and the table of states that it goes through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from supermarket.caller import Caller
from supermarket.errors import Conflict, FieldError, TooMany
from supermarket.money import Currency, Money
from supermarket.people import Address, Recipient


class OrderStatus(StrEnum):
    """The states of an order."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.CONFIRMED, OrderStatus.CANCELLED}),
    OrderStatus.CONFIRMED: frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.DELIVERED}),
    OrderStatus.DELIVERED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
}

ADDRESS_CHANGEABLE = frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED})
# street and recipient, which others than the customer and admins need to send the goods
SELLER_SEES_ADDRESS = frozenset({OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED})


class Actor(StrEnum):
    """Who or what changed the state of an order."""

    CUSTOMER = "customer"
    SELLER = "seller"
    ADMIN = "admin"
    PAYMENT = "payment"
    EXPIRY = "expiry"


class PaymentStatus(StrEnum):
    """The state of an order's payment, as far as the order knows it."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"


class Outcome(StrEnum):
    """What became of a reservation that has ended."""

    RELEASED = "released"
    CONFIRMED = "confirmed"
    SKIPPED = "skipped"
    POSTPONED = "postponed"
    FAILED = "failed"


class WrongStatus(Conflict):
    """The order's state does not permit the change."""

    code = "ORDER_STATUS_CONFLICT"


class ItemsUnavailable(Conflict):
    """Some lines of the cart cannot be ordered as they are; there is a field error for each."""

    code = "ITEMS_UNAVAILABLE"

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("Some items are not available as shown. Nothing was ordered.", errors)


class TooManyReservations(TooMany):
    """The customer, or the customers of one client address, reserve as much as is allowed."""

    code = "TOO_MANY_RESERVATIONS"

    @classmethod
    def over(cls, limits: "ReservationLimits", reservation: timedelta) -> Self:
        """Return the error for a customer over these limits, whose reservations take so long."""
        return cls(
            f"You can have {limits.orders} unpaid orders with {limits.pieces} pieces in all. "
            "Pay or cancel one of them first.",
            int(reservation.total_seconds()),
        )


class TotalNotPayable(Conflict):
    """The payment provider does not take an amount as small or as large as the order's total."""

    code = "TOTAL_NOT_PAYABLE"


@dataclass(frozen=True)
class WantedOrders:
    """Orders to find: by the id of an order or a customer, by status, by one of their sellers."""

    id: str = ""
    status: OrderStatus | None = None
    seller_id: str | None = None

    def has(self, order: "Order") -> bool:
        is_sold_by = self.seller_id in {None, *order.seller_ids}
        return is_sold_by and self.status in {None, order.status}


@dataclass(frozen=True)
class ReservationLimits:
    """How many unpaid orders, with how many pieces together, one customer may have."""

    orders: int
    pieces: int


@dataclass(frozen=True)
class PayableRange:
    """The smallest and the largest amounts that can be paid at once, in minor units."""

    smallest: int
    largest: Mapping[Currency, int]

    def require(self, total: Money) -> None:
        """Raise TotalNotPayable, with the missing or the surplus amount."""
        smallest = Money(self.smallest, total.currency)
        largest = Money(self.largest[total.currency], total.currency)
        if total.minor < smallest.minor:
            raise TotalNotPayable(
                f"The smallest possible payment is {smallest}: {smallest - total} is missing"
            )
        if total.minor > largest.minor:
            raise TotalNotPayable(
                f"The largest possible payment is {largest}: {total - largest} is too much"
            )


@dataclass(frozen=True)
class OrderLine:
    """One product of an order, as it was when it was ordered."""

    product_id: str
    title: str
    seller_id: str
    quantity: int
    unit_price: Money

    @property
    def line_total(self) -> Money:
        return self.unit_price * self.quantity


@dataclass(frozen=True)
class Pricing:
    """What an order costs, by its parts."""

    subtotal: Money
    tax: Money
    shipping: Money

    @property
    def total(self) -> Money:
        return self.subtotal + self.tax + self.shipping


@dataclass(frozen=True)
class Charges:
    """What is added to the price of the goods: a tax in percent, and a shipping fee per order in
    minor units of its currency.
    """

    tax_percent: Decimal
    shipping_fees: Mapping[Currency, int]

    def price_lines(self, lines: Iterable[OrderLine], currency: Currency) -> Pricing:
        return self.price(Money.total((line.line_total for line in lines), currency))

    def price(self, subtotal: Money) -> Pricing:
        shipping = Money(self.shipping_fees[subtotal.currency], subtotal.currency)
        return Pricing(subtotal, subtotal.percent(self.tax_percent), shipping)


NO_CHARGES = Charges(Decimal(0), dict.fromkeys(Currency, 0))


@dataclass(frozen=True)
class TimelineEntry:
    """The start of a state: when, and caused by whom."""

    status: OrderStatus
    at: datetime
    by: Actor


@dataclass(frozen=True)
class OrderPayment:
    """The state of an order's payment, and until when it can be paid once its payment is open."""

    status: PaymentStatus
    pay_until: datetime | None


@dataclass(frozen=True)
class RefundSummary:
    """How much of an order's money was refunded and how much is being refunded. The highest
    `revision` is the latest.
    """

    refunded: Money
    pending: Money
    revision: int


@dataclass(frozen=True)
class Order:
    """An order. `reserved_until` is None once it is paid or cancelled. `pay_until` is until when it
    can be paid, since its payment was opened for the first time.

    `paid_at` and `refunded_at` are when payment and full refund were recorded, possibly after a
    cancellation. `is_partial` marks the part of an order that one of its sellers sees.
    """

    id: str
    customer: Recipient
    status: OrderStatus
    lines: tuple[OrderLine, ...]
    pricing: Pricing
    shipping_address: Address
    timeline: tuple[TimelineEntry, ...]
    created_at: datetime
    updated_at: datetime
    reserved_until: datetime | None = None
    pay_until: datetime | None = None
    paid_at: datetime | None = None
    refunded_at: datetime | None = None
    tracking_number: str | None = None
    refund_summary: RefundSummary | None = None
    is_partial: bool = False

    def with_status(
        self, status: OrderStatus, at: datetime, by: Actor, tracking_number: str | None = None
    ) -> Self:
        """Return the order in its next state. Raises WrongStatus when the table has no such
        transition. A carrier's number replaces the present one.
        """
        if status not in TRANSITIONS[self.status]:
            raise WrongStatus(f"An order that is {self.status} cannot become {status}")
        return replace(
            self,
            status=status,
            timeline=(*self.timeline, TimelineEntry(status, at, by)),
            reserved_until=None,
            tracking_number=tracking_number or self.tracking_number,
            updated_at=at,
        )

    def with_open_payment(self, pay_until: datetime, at: datetime) -> Self:
        """Return the order with its stock reserved until `pay_until`, unless a payment was opened
        before: the reservation is extended once.
        """
        if self.pay_until is not None:
            return self
        return replace(self, pay_until=pay_until, reserved_until=pay_until, updated_at=at)

    def with_payment(self, at: datetime) -> Self:
        """Return the order as paid; a payment may arrive after the order was cancelled."""
        return replace(self, paid_at=at, updated_at=at)

    def with_full_refund(self, at: datetime) -> Self:
        """Return the order as fully refunded, which implies that it was paid."""
        return replace(self, paid_at=self.paid_at or at, refunded_at=at, updated_at=at)

    def with_refund_summary(self, summary: RefundSummary, at: datetime) -> Self:
        """Return the order with this summary, or unchanged when it has a later one."""
        if self.refund_summary and self.refund_summary.revision >= summary.revision:
            return self
        return replace(self, refund_summary=summary, updated_at=at)

    def with_address_changes(self, changes: Mapping[str, str], at: datetime) -> Self:
        """Return the order with some fields of its address replaced. Raises WrongStatus when it is
        shipped or cancelled, Invalid for a postal code that does not fit the country.
        """
        if self.status not in ADDRESS_CHANGEABLE:
            raise WrongStatus(f"The address of an order that is {self.status} cannot be changed")
        address = self.shipping_address.with_changes(changes)
        return replace(self, shipping_address=address, updated_at=at)

    def is_expired(self, now: datetime) -> bool:
        """Return whether the reservation of its stock has ended."""
        return self.reserved_until is not None and self.reserved_until <= now

    @property
    def is_paid(self) -> bool:
        return self.paid_at is not None

    @property
    def is_fully_refunding(self) -> bool:
        """Whether all of its money was refunded or is being refunded."""
        if self.refund_summary is None:
            return False
        returned = self.refund_summary.refunded + self.refund_summary.pending
        return returned.minor >= self.pricing.total.minor

    @property
    def customer_refunds(self) -> RefundSummary | None:
        """The refund summary, unless a seller sees the order: its amounts are of all lines."""
        return None if self.is_partial else self.refund_summary

    @property
    def can_be_cancelled(self) -> bool:
        return OrderStatus.CANCELLED in TRANSITIONS[self.status]

    @property
    def payment_status(self) -> PaymentStatus:
        if self.refunded_at:
            return PaymentStatus.REFUNDED
        is_cancelled = self.status is OrderStatus.CANCELLED
        if self.is_paid:
            is_refunding = is_cancelled or self.is_fully_refunding
            return PaymentStatus.REFUND_PENDING if is_refunding else PaymentStatus.COMPLETED
        return PaymentStatus.FAILED if is_cancelled else PaymentStatus.PENDING

    @property
    def payment(self) -> OrderPayment:
        is_payable = self.status is OrderStatus.PENDING
        return OrderPayment(self.payment_status, self.pay_until if is_payable else None)

    @property
    def pieces(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def seller_ids(self) -> tuple[str, ...]:
        return tuple(sorted({line.seller_id for line in self.lines}))

    def can_be_fulfilled_by(self, caller: Caller) -> bool:
        """Return whether the caller may ship all of it: its only seller, or an admin."""
        return caller.is_admin or self.seller_ids == (caller.user_id,)

    def visible_to(self, caller: Caller) -> Self | None:
        """Return what the caller may see: everything for the customer and for admins, a seller's
        own lines, with the street only while it is needed, None for everyone else.
        """
        if caller.is_admin or caller.user_id == self.customer.user_id:
            return self
        own = tuple(line for line in self.lines if line.seller_id == caller.user_id)
        if not own:
            return None
        needs_address = self.status in SELLER_SEES_ADDRESS
        address = self.shipping_address
        # tax, shipping and refunds concern the customer and the shop only; a full refund is
        # visible, since it is the reason why the seller must not ship
        pricing = NO_CHARGES.price_lines(own, self.pricing.subtotal.currency)
        summary = self.refund_summary if self.is_fully_refunding else None
        return replace(
            self,
            lines=own,
            pricing=pricing,
            refund_summary=summary,
            shipping_address=address if needs_address else address.without_recipient(),
            is_partial=True,
        )
