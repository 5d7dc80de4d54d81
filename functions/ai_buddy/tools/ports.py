"""What the assistant may know of the shop, and through which ports: nothing here names a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Protocol

from supermarket.caller import Caller
from supermarket.money import Money
from supermarket.people import Address


@dataclass(frozen=True)
class Product:
    """A product on sale. Title and description are its seller's words."""

    id: str
    title: str
    description: str
    price: Money
    stock: int
    category: str | None
    low_stock_threshold: int | None = None
    thumbnail: str | None = None


@dataclass(frozen=True)
class Wish:
    """Products that somebody looks for; prices are minor units, both ends included."""

    text: str = ""
    category: str | None = None
    lowest: int | None = None
    highest: int | None = None
    in_stock: bool = False
    cheapest_first: bool = False


@dataclass(frozen=True)
class CartLine:
    """An item of the cart at today's price."""

    product_id: str
    title: str
    quantity: int
    unit_price: Money
    line_total: Money
    available: bool
    notice: str | None


@dataclass(frozen=True)
class Cart:
    """The caller's cart; `total` is of the lines that can be had."""

    lines: tuple[CartLine, ...]
    total: Money

    def line(self, product_id: str) -> CartLine | None:
        return next((line for line in self.lines if line.product_id == product_id), None)


@dataclass(frozen=True)
class SavedAddress:
    """An entry of the caller's address book."""

    id: str
    address: Address
    is_default: bool


@dataclass(frozen=True)
class OrderLine:
    """A product of an order, as it was when it was ordered."""

    product_id: str
    title: str
    quantity: int
    unit_price: Money
    line_total: Money


@dataclass(frozen=True)
class Step:
    """A state of an order, and when it began."""

    status: str
    at: datetime


@dataclass(frozen=True)
class Order:
    """As much of an order as is the caller's to see."""

    id: str
    status: str
    lines: tuple[OrderLine, ...]
    subtotal: Money
    tax: Money
    shipping: Money
    total: Money
    address: Address
    payment_status: str
    timeline: tuple[Step, ...]
    tracking_number: str | None
    created_at: datetime
    can_be_cancelled: bool
    address_is_open: bool


@dataclass(frozen=True)
class ProductSales:
    """What a product sold."""

    product_id: str
    title: str
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class SalesFigures:
    """A seller's numbers of one period, both days included; money is told per currency, revenue
    without what was refunded. `placed` counts orders that were never paid, too.
    """

    first: date
    last: date
    units: int
    orders: int
    placed: int
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]
    average_order: tuple[Money, ...]
    top: tuple[ProductSales, ...]


@dataclass(frozen=True)
class OrderToShip:
    """A paid order that waits for its seller."""

    order_id: str
    lines: tuple[OrderLine, ...]
    total: Money
    placed_at: datetime


class Catalogue(Protocol):
    """The products that are on sale."""

    def search(self, wish: Wish, limit: int) -> Sequence[Product]:
        """The best matches."""

    def find_many(self, product_ids: Sequence[str]) -> Mapping[str, Product]:
        """Those of the ids that are on sale."""


class Carts(Protocol):
    """The caller's own cart; each change answers with the cart after it."""

    def look(self, caller: Caller) -> Cart: ...

    def add(self, caller: Caller, product_id: str, quantity: int) -> Cart: ...

    def change(self, caller: Caller, product_id: str, quantity: int) -> Cart: ...

    def remove(self, caller: Caller, product_id: str) -> Cart: ...


class Orders(Protocol):
    """The caller's own orders."""

    def newest(self, caller: Caller, status: str | None, limit: int) -> Sequence[Order]: ...

    def one(self, caller: Caller, order_id: str) -> Order:
        """NotFound when there is no such order, or it is not the caller's to see."""


class AddressBook(Protocol):
    """The caller's saved addresses."""

    def of(self, caller: Caller) -> Sequence[SavedAddress]: ...


class Books(Protocol):
    """A seller's own numbers, products and orders."""

    def figures(self, caller: Caller, first: date | None, last: date | None) -> SalesFigures:
        """By default of the last thirty days; Invalid for a period that cannot be."""

    def sold(self, caller: Caller, limit: int) -> Sequence[ProductSales]:
        """What each product on sale has ever sold, newest product first."""

    def stock(self, caller: Caller, limit: int) -> Sequence[Product]:
        """The seller's products, newest first."""

    def product(self, caller: Caller, product_id: str) -> Product:
        """One of the seller's products; NotFound when it is another's, or none."""

    def to_ship(self, caller: Caller, limit: int) -> Sequence[OrderToShip]:
        """Paid orders that have not left, the longest waiting first."""


class Desk(Protocol):
    """Where what a person has confirmed is done, with all the checks that the shop has."""

    def place(self, caller: Caller, address_id: str, key: str, fingerprint: str) -> Order:
        """Order all that is in the cart, if it still has this fingerprint: Conflict. The same key
        gets the same order; RuleViolated when it was used with another fingerprint.
        """

    def look_at(self, caller: Caller, order_id: str) -> Order:
        """NotFound when it is not the caller's to see."""

    def cancel(self, caller: Caller, order_id: str) -> Order: ...

    def redirect(self, caller: Caller, order_id: str, changes: Mapping[str, str]) -> Order: ...

    def ship(self, caller: Caller, order_id: str, tracking_number: str | None) -> Order: ...

    def set_stock(self, caller: Caller, product_id: str, stock: int, key: str) -> Product:
        """What was counted; the same key sets it once, whatever was sold since."""


def fingerprint(lines: Iterable[CartLine | OrderLine]) -> str:
    """The same for the same items, quantities and prices."""
    said = sorted(
        (line.product_id, line.quantity, line.unit_price.minor, line.unit_price.currency.value)
        for line in lines
    )
    return sha256(repr(said).encode()).hexdigest()
