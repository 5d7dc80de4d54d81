"""What an order is, what it costs, and the one table of states that it may go through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from supermarket.caller import Caller
from supermarket.errors import Conflict
from supermarket.money import Currency, Money
from supermarket.people import Address, Recipient


class OrderStatus(StrEnum):
    """Where an order stands."""

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

ADDRESS_IS_OPEN = frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED})


class Actor(StrEnum):
    """Who or what moved an order."""

    CUSTOMER = "customer"
    SELLER = "seller"
    ADMIN = "admin"
    PAYMENT = "payment"
    EXPIRY = "expiry"


class PaymentStatus(StrEnum):
    """What an order knows of its payment; the payment itself knows more."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"


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
    """What an order costs, and why."""

    subtotal: Money
    tax: Money
    shipping: Money

    @property
    def total(self) -> Money:
        return self.subtotal + self.tax + self.shipping


@dataclass(frozen=True)
class Charges:
    """What comes on top of the goods: a tax, and a fee for each order in minor units of its
    currency.
    """

    tax_percent: Decimal
    shipping_fees: Mapping[Currency, int]

    def price(self, lines: Iterable[OrderLine], currency: Currency) -> Pricing:
        return self.on(Money.total((line.line_total for line in lines), currency))

    def on(self, subtotal: Money) -> Pricing:
        shipping = Money(self.shipping_fees[subtotal.currency], subtotal.currency)
        return Pricing(subtotal, subtotal.percent(self.tax_percent), shipping)


NO_CHARGES = Charges(Decimal(0), dict.fromkeys(Currency, 0))


@dataclass(frozen=True)
class Step:
    """An entry of the timeline: the state that began, when, and through whom."""

    status: OrderStatus
    at: datetime
    by: Actor


@dataclass(frozen=True)
class Returns:
    """How much of an order's money is back, and how much on its way; of several the one with the
    highest revision is the newest.
    """

    refunded: Money
    returning: Money
    revision: int


@dataclass(frozen=True)
class Order:
    """An order. `reserved_until` is set while its stock is only reserved, that is, unpaid;
    `paid_at` and `refunded_at` are when the shop heard of the money, however late that was, and
    `returns` is what it has heard of its way back. A seller's part of it is not `is_whole`.
    """

    id: str
    customer: Recipient
    status: OrderStatus
    lines: tuple[OrderLine, ...]
    pricing: Pricing
    shipping_address: Address
    timeline: tuple[Step, ...]
    reserved_until: datetime | None
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None = None
    refunded_at: datetime | None = None
    tracking_number: str | None = None
    returns: Returns | None = None
    is_whole: bool = True

    def moved(self, status: OrderStatus, at: datetime, by: Actor) -> Self:
        """The order one step further; Conflict where the table of states has no such step."""
        if status not in TRANSITIONS[self.status]:
            raise Conflict(f"An order that is {self.status} cannot become {status}")
        return replace(
            self,
            status=status,
            timeline=(*self.timeline, Step(status, at, by)),
            reserved_until=None,
            updated_at=at,
        )

    def paid(self, at: datetime) -> Self:
        """The order with its money, which may have come too late for it."""
        return replace(self, paid_at=at, updated_at=at)

    def refunded(self, at: datetime) -> Self:
        """The order with all of its money given back, and so paid for before."""
        return replace(self, paid_at=self.paid_at or at, refunded_at=at, updated_at=at)

    def returning(self, returns: Returns, at: datetime) -> Self:
        """The order with news of its money's way back; itself when they are old."""
        if self.returns and self.returns.revision >= returns.revision:
            return self
        return replace(self, returns=returns, updated_at=at)

    def tracked(self, tracking_number: str | None) -> Self:
        """The order under the carrier's number, if there is a new one."""
        return replace(self, tracking_number=tracking_number or self.tracking_number)

    def redirected(self, changes: Mapping[str, str], at: datetime) -> Self:
        """The order with some fields of its address replaced."""
        if self.status not in ADDRESS_IS_OPEN:
            raise Conflict(f"The address of an order that is {self.status} cannot be changed")
        address = self.shipping_address.with_changes(changes)
        return replace(self, shipping_address=address, updated_at=at)

    def is_expired(self, now: datetime) -> bool:
        """Whether the stock was reserved only until now, or until earlier."""
        return self.reserved_until is not None and self.reserved_until <= now

    @property
    def is_paid(self) -> bool:
        return self.paid_at is not None

    @property
    def is_going_back(self) -> bool:
        """Whether all of its money is with its customer again, or on its way."""
        if self.returns is None:
            return False
        gone = self.returns.refunded + self.returns.returning
        return gone.minor >= self.pricing.total.minor

    @property
    def can_be_cancelled(self) -> bool:
        return OrderStatus.CANCELLED in TRANSITIONS[self.status]

    @property
    def payment_status(self) -> PaymentStatus:
        if self.refunded_at:
            return PaymentStatus.REFUNDED
        is_off = self.status is OrderStatus.CANCELLED
        if self.is_paid:
            is_owed = is_off or self.is_going_back
            return PaymentStatus.REFUND_PENDING if is_owed else PaymentStatus.COMPLETED
        return PaymentStatus.FAILED if is_off else PaymentStatus.PENDING

    @property
    def seller_ids(self) -> tuple[str, ...]:
        return tuple(sorted({line.seller_id for line in self.lines}))

    def is_fulfilled_by(self, caller: Caller) -> bool:
        """Whether it is the caller's to send all of it: its only seller, or an admin."""
        return caller.is_admin or self.seller_ids == (caller.user_id,)

    def as_seen_by(self, caller: Caller) -> Self | None:
        """All of it for its customer and for admins, a seller's own lines, nothing for others."""
        if caller.is_admin or caller.user_id == self.customer.user_id:
            return self
        own = tuple(line for line in self.lines if line.seller_id == caller.user_id)
        if not own:
            return None
        # tax, shipping and what went back of all lines are the customer's and the shop's affair;
        # that all of it goes back tells the seller why there is nothing to be sent
        pricing = NO_CHARGES.price(own, self.pricing.subtotal.currency)
        returns = self.returns if self.is_going_back else None
        return replace(self, lines=own, pricing=pricing, returns=returns, is_whole=False)
