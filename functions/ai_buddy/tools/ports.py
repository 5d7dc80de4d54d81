"""The shop as the assistant sees it: read models without persons, and the ports to them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Protocol

from supermarket.caller import Caller
from supermarket.money import Money
from supermarket.people import Address


@dataclass(frozen=True)
class Product:
    """A product on sale. Its seller wrote title, description and category."""

    id: str
    title: str
    description: str
    price: Money
    stock: int
    category: str | None
    low_stock_threshold: int | None
    thumbnail: str | None


@dataclass(frozen=True)
class ProductQuery:
    """A search for products; prices are minor units, both ends included."""

    text: str
    category: str | None
    min_price: int | None
    max_price: int | None
    in_stock: bool
    cheapest_first: bool


@dataclass(frozen=True)
class OrderLine:
    """A product of an order, as it was when it was ordered."""

    product_id: str
    title: str
    quantity: int
    unit_price: Money
    line_total: Money


@dataclass(frozen=True)
class CartLine(OrderLine):
    """An item of the cart at today's price."""

    available: bool
    notice: str | None


@dataclass(frozen=True)
class Cart:
    """The caller's cart; `total` is the sum of the available items."""

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
class Step:
    """A status of an order and when it began."""

    status: str
    at: datetime


@dataclass(frozen=True)
class Order:
    """The part of an order that its customer or seller may see."""

    id: str
    status: str
    lines: tuple[OrderLine, ...]
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
    """The sales of a product; revenue has an amount per currency."""

    product_id: str
    title: str
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class SalesMetrics:
    """A seller's figures of a period, both days included. Amounts are per currency; revenue does
    not contain refunds. `placed` counts unpaid orders, too.
    """

    first: date
    last: date
    units: int
    orders: int
    placed: int
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]
    average_order_value: tuple[Money, ...]
    top_products: tuple[ProductSales, ...]


@dataclass(frozen=True)
class OrderToShip:
    """A paid order that waits for its seller."""

    order_id: str
    lines: tuple[OrderLine, ...]
    total: Money
    placed_at: datetime


class Catalogue(Protocol):
    """The products that are on sale."""

    def search(self, query: ProductQuery, limit: int) -> Sequence[Product]:
        """Return the best matches."""

    def find_many(self, product_ids: Sequence[str]) -> Mapping[str, Product]:
        """Return those of the products that are on sale, by id."""


class Carts(Protocol):
    """The caller's own cart; each change returns the cart after it. Raises DomainError."""

    def get_cart(self, caller: Caller) -> Cart: ...

    def add_item(self, caller: Caller, product_id: str, quantity: int) -> Cart: ...

    def change_quantity(self, caller: Caller, product_id: str, quantity: int) -> Cart: ...

    def remove_item(self, caller: Caller, product_id: str) -> Cart: ...


class Orders(Protocol):
    """The caller's own orders, and for a seller those that contain own products."""

    def list_orders(self, caller: Caller, status: str | None, limit: int) -> Sequence[Order]:
        """Return the customer's orders, newest first."""

    def get_order(self, caller: Caller, order_id: str) -> Order:
        """Return an order; raises NotFound, also for an order the caller may not see."""


class AddressBook(Protocol):
    """The caller's saved addresses."""

    def list_addresses(self, caller: Caller) -> Sequence[SavedAddress]: ...


class Metrics(Protocol):
    """A seller's own figures, products and orders."""

    def get_metrics(self, caller: Caller, first: date | None, last: date | None) -> SalesMetrics:
        """Return the figures of a period, by default the last thirty days.

        Raises Invalid for an impossible period.
        """

    def list_product_sales(self, caller: Caller, limit: int) -> Sequence[ProductSales]:
        """Return the sales of each product on sale since its start, newest product first."""

    def list_products(self, caller: Caller, limit: int) -> Sequence[Product]:
        """Return the seller's products, newest first."""

    def get_product(self, caller: Caller, product_id: str) -> Product:
        """Return one of the seller's products; raises NotFound for any other."""

    def list_orders_to_ship(self, caller: Caller, limit: int) -> Sequence[OrderToShip]:
        """Return paid orders that are not shipped, the oldest first."""


class Actions(Protocol):
    """The writes that a person confirms, with all checks of the shop's own pages."""

    def place_order(self, caller: Caller, address_id: str, key: str, fingerprint: str) -> Order:
        """Order the cart if it still has this fingerprint. The same key returns the same order.

        Raises Conflict for a changed cart, RuleViolated for a key used with another fingerprint.
        """

    def cancel_order(self, caller: Caller, order_id: str) -> Order: ...

    def change_address(
        self, caller: Caller, order_id: str, changes: Mapping[str, str]
    ) -> Order: ...

    def ship_order(self, caller: Caller, order_id: str, tracking_number: str | None) -> Order: ...

    def set_stock(self, caller: Caller, product_id: str, stock: int, key: str) -> Product:
        """Set the counted stock; the same key sets it once, whatever was sold since."""


@dataclass(frozen=True)
class Shop:
    """All that the tools read from. `charge` adds taxes and delivery to the price of goods."""

    catalogue: Catalogue
    carts: Carts
    orders: Orders
    addresses: AddressBook
    metrics: Metrics
    charge: Callable[[Money], Money]


def fingerprint(lines: Iterable[OrderLine]) -> str:
    """Return a text that is equal for equal products, quantities and prices."""
    parts = sorted(
        (line.product_id, line.quantity, line.unit_price.minor, line.unit_price.currency.value)
        for line in lines
    )
    return sha256(repr(parts).encode()).hexdigest()
