"""The shop's other domains: what the tools read, and what a confirmed action changes. The tools see
other domains' models under the names below, and use other domains' services only through here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any, Protocol

import cart.model as carts
import order.model as orders
import product.model as products
import seller_dashboard.projections.model as sales
import seller_dashboard.service as reports
from auth.service import AccountService
from cart.service import CartService
from order.service import OrderService
from product.service import ProductService
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.days import day_of
from supermarket.errors import Conflict, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.money import Money
from supermarket.people import Address

PAGE = 100
MAX_PAGES = 3

CART_CHANGED = "Your cart is not what it was when you were asked. Have a look, and ask again."

ADDRESS_CHANGEABLE = orders.ADDRESS_CHANGEABLE
OrderStatus = orders.OrderStatus
Filters = products.Filters
category_key = products.category_key

type Cart = carts.PricedCart
type Order = orders.Order
type OrderLine = orders.OrderLine | sales.SaleLine
type Product = products.Product
type ProductSales = sales.ProductSales | reports.TopProduct


@dataclass(frozen=True)
class Shop:
    """The catalogue, the caller's own cart, and the caller's own orders: for a seller those that
    contain own products. The methods raise the shop's errors.
    """

    catalogue: ProductService
    carts: CartService
    orders: OrderService

    def search(
        self, text: str, filters: Filters, limit: int, *, cheapest_first: bool
    ) -> Sequence[Product]:
        """Return the best matches."""
        sort = products.Sort.RELEVANCE if text else products.Sort.NEWEST
        sort = products.Sort.CHEAPEST if cheapest_first else sort
        selection = products.Selection(filters, sort, text)
        return _list_products(self.catalogue, selection, page_size=limit, limit=limit)

    def find_products(self, product_ids: Sequence[str]) -> Mapping[str, Product]:
        """Return those of the products that are on sale, by id."""
        return self.catalogue.find_many(product_ids)

    def get_cart(self, caller: Caller) -> Cart:
        return self.carts.get_cart(caller.user_id)

    def add_item(self, caller: Caller, product_id: str, quantity: int) -> Cart:
        return self.carts.add(caller.user_id, product_id, quantity)

    def change_quantity(self, caller: Caller, product_id: str, quantity: int) -> Cart:
        return self.carts.change(caller.user_id, product_id, quantity)

    def remove_item(self, caller: Caller, product_id: str) -> Cart:
        return self.carts.remove(caller.user_id, product_id)

    def list_orders(
        self, caller: Caller, status: OrderStatus | None, limit: int
    ) -> Sequence[Order]:
        """Return the customer's orders, newest first."""
        return self.orders.list_orders(caller.user_id, status, None, limit).orders

    def get_order(self, caller: Caller, order_id: str) -> Order:
        """Return an order; raises NotFound, also for an order the caller may not see."""
        return self.orders.get_order(order_id, caller)


@dataclass(frozen=True)
class WritableShop(Shop):
    """Adds the writes that a person confirms, with all checks of the shop's own pages."""

    keys: IdempotencyKeys

    def place_order(self, caller: Caller, address_id: str, key: str, cart: str) -> Order:
        """Order the cart if it still has this fingerprint. The same key returns the same order.

        Raises Conflict for a changed cart, RuleViolated for a key used with another fingerprint.
        """

        def require_same_cart(order: Order) -> None:
            lines = ((each.product_id, each.quantity, each.unit_price) for each in order.lines)
            if fingerprint(lines) != cart:
                raise Conflict(CART_CHANGED)

        own = IdempotencyKey.of("confirm_order", caller.user_id, key, json.dumps(cart).encode())
        return self.orders.place(caller, address_id, own, require_same_cart)

    def cancel_order(self, caller: Caller, order_id: str) -> Order:
        return self.orders.cancel(order_id, caller.user_id)

    def change_address(self, caller: Caller, order_id: str, changes: Mapping[str, str]) -> Order:
        return self.orders.change_address(order_id, caller.user_id, changes)

    def ship_order(self, caller: Caller, order_id: str, tracking_number: str | None) -> Order:
        return self.orders.ship(order_id, tracking_number, caller)

    def set_stock(self, caller: Caller, product_id: str, stock: int, key: str) -> Product:
        """Set the counted stock on hand; the same key sets it once, whatever was shipped since."""
        body = json.dumps([product_id, stock]).encode()
        own = IdempotencyKey.of("confirm_stock", caller.user_id, key, body)
        if self.keys.find_result(own) is None:
            change = products.StockChange(counted=stock)
            also = partial(self.keys.save_result, own, product_id)
            # in use: the same decision is being executed at this moment
            with suppress(KeyInUse):
                return self.catalogue.change_stock(product_id, change, caller, also=also)
        return self.catalogue.get_product(product_id)


@dataclass(frozen=True)
class Checkout:
    """Where the caller's next order may go, and what it costs."""

    accounts: AccountService
    charges: orders.Charges

    def find_address(self, caller: Caller, number: int | None) -> tuple[str, Address]:
        """Return the id of a saved address and the address: by its number from 1, or the default.

        Raises Conflict when no address is saved, NotFound for a number that is too high.
        """
        book = self.accounts.address_book(caller.user_id)
        saved = book.addresses
        if not saved:
            raise Conflict("There is no saved address; one must be added in the account first")
        if number is None:
            found = next((each for each in saved if each.id == book.default_id), saved[0])
        elif number > len(saved):
            raise NotFound(f"There are only {len(saved)} saved addresses")
        else:
            found = saved[number - 1]
        return found.id, found.address

    def charge(self, goods: Money) -> Money:
        """Add taxes and delivery to the price of goods, as an order does."""
        return self.charges.price(goods).total


@dataclass(frozen=True)
class SellerMetrics:
    """A seller's own figures, products and sales."""

    dashboard: reports.Dashboard
    catalogue: ProductService
    clock: Clock

    def get_metrics(
        self, caller: Caller, first: date | None, last: date | None
    ) -> tuple[str, reports.Metrics]:
        """Return a period as text, by default the last thirty days, and its figures.

        Raises Invalid for an impossible period.
        """
        period = sales.Period.of(first, last, today=day_of(self.clock()))
        found = self.dashboard.get_metrics(caller.user_id, period)
        return f"{period.first.isoformat()} to {period.last.isoformat()}", found

    def list_product_sales(self, caller: Caller, limit: int) -> Sequence[ProductSales]:
        """Return the sales of each product on sale since its start, newest product first."""
        pages = _read_pages(
            lambda after: self.dashboard.list_products(caller.user_id, sales.Slice(PAGE, after))
        )
        on_sale = (each for page in pages for each in page.items if each.on_sale)
        return list(islice(on_sale, limit))

    def list_products(self, caller: Caller, limit: int) -> Sequence[Product]:
        """Return the seller's products, newest first."""
        own = products.Selection(Filters(seller_id=caller.user_id))
        return _list_products(self.catalogue, own, page_size=PAGE, limit=limit)

    def get_product(self, caller: Caller, product_id: str) -> Product:
        """Return one of the seller's products; raises NotFound for any other."""
        found = self.catalogue.find_many([product_id]).get(product_id)
        if found is None or found.seller.user_id != caller.user_id:
            raise NotFound("There is no such product of yours")
        return found

    def list_orders_to_ship(self, caller: Caller, limit: int) -> Sequence[sales.Sale]:
        """Return paid orders that are not shipped, the oldest first."""
        paid = sales.SaleStatus.CONFIRMED
        return self.dashboard.list_oldest_orders(caller.user_id, paid, limit)


def fingerprint(lines: Iterable[tuple[str, int, Money]]) -> str:
    """Return a text that is equal for equal product ids, quantities and unit prices."""
    parts = sorted((product_id, quantity, str(price)) for product_id, quantity, price in lines)
    return sha256(repr(parts).encode()).hexdigest()


def _list_products(
    catalogue: ProductService, selection: products.Selection, page_size: int, limit: int
) -> Sequence[Product]:
    pages = _read_pages(lambda after: catalogue.list_products(selection, after, page_size))
    return list(islice((product for page in pages for product in page.products), limit))


class _Page(Protocol):
    @property
    def next(self) -> Any: ...


def _read_pages[Page: _Page](read_page: Callable[[Any], Page]) -> Iterator[Page]:
    """Yield at most MAX_PAGES pages, each read when it is needed."""
    position = None
    for _ in range(MAX_PAGES):
        page = read_page(position)
        yield page
        position = page.next
        if position is None:
            return
