"""The shop's other domains behind the assistant's ports."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import date
from functools import partial
from itertools import islice
from typing import Any

import cart.model as carts
import order.model as orders
import product.model as products
from ai_buddy.tools import ports
from auth.service import AuthService
from cart.service import CartService
from order.service import OrderService
from product.service import ProductService
from seller_dashboard.projections.model import Period, Sale, SaleStatus, Slice
from seller_dashboard.service import Dashboard
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.errors import Conflict, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.money import Currency, Money
from supermarket.people import Address

PAGE = 100
MAX_PAGES = 3

CART_CHANGED = "Your cart is not what it was when you were asked. Have a look, and ask again."


class ShopCatalogue:
    """`Catalogue` over the product domain."""

    def __init__(self, service: ProductService) -> None:
        self._service = service

    def search(self, query: ports.ProductQuery, limit: int) -> Sequence[ports.Product]:
        return _list_products(self._service, _selection(query), page_size=limit, limit=limit)

    def find_many(self, product_ids: Sequence[str]) -> Mapping[str, ports.Product]:
        found = self._service.find_many(product_ids)
        return {product_id: _product(product) for product_id, product in found.items()}


class ShopCarts:
    """`Carts` over the cart domain."""

    def __init__(self, service: CartService) -> None:
        self._service = service

    def get_cart(self, caller: Caller) -> ports.Cart:
        return _cart(self._service.get_cart(caller.user_id))

    def add_item(self, caller: Caller, product_id: str, quantity: int) -> ports.Cart:
        return _cart(self._service.add(caller.user_id, product_id, quantity))

    def change_quantity(self, caller: Caller, product_id: str, quantity: int) -> ports.Cart:
        return _cart(self._service.change(caller.user_id, product_id, quantity))

    def remove_item(self, caller: Caller, product_id: str) -> ports.Cart:
        return _cart(self._service.remove(caller.user_id, product_id))


class ShopOrders:
    """`Orders` over the order domain."""

    def __init__(self, service: OrderService) -> None:
        self._service = service

    def list_orders(self, caller: Caller, status: str | None, limit: int) -> Sequence[ports.Order]:
        wanted = orders.OrderStatus(status) if status else None
        page = self._service.list_orders(caller.user_id, wanted, None, limit)
        return [_order(order) for order in page.orders]

    def get_order(self, caller: Caller, order_id: str) -> ports.Order:
        return _order(self._service.get_order(order_id, caller))


class SavedAddresses:
    """`AddressBook` over the auth domain."""

    def __init__(self, accounts: AuthService) -> None:
        self._accounts = accounts

    def list_addresses(self, caller: Caller) -> Sequence[ports.SavedAddress]:
        book = self._accounts.address_book(caller.user_id)
        return [
            ports.SavedAddress(saved.id, _copy(Address, saved), saved.id == book.default_id)
            for saved in book.addresses
        ]


class SellerMetrics:
    """`Metrics` over the seller dashboard and the product domain."""

    def __init__(self, dashboard: Dashboard, service: ProductService, clock: Clock) -> None:
        self._dashboard = dashboard
        self._products = service
        self._clock = clock

    def get_metrics(
        self, caller: Caller, first: date | None, last: date | None
    ) -> ports.SalesMetrics:
        period = Period.of(first, last, today=self._clock().date())
        found = self._dashboard.get_metrics(caller.user_id, period)
        top = tuple(_copy(ports.ProductSales, product) for product in found.top_products)
        return _copy(
            ports.SalesMetrics, found, first=period.first, last=period.last, top_products=top
        )

    def list_product_sales(self, caller: Caller, limit: int) -> Sequence[ports.ProductSales]:
        def read_page(after: str | None) -> tuple[Sequence[ports.ProductSales], str | None]:
            page = self._dashboard.list_products(caller.user_id, Slice(PAGE, after))
            return [
                _copy(ports.ProductSales, each) for each in page.items if each.on_sale
            ], page.next

        return list(islice(_read_pages(read_page), limit))

    def list_products(self, caller: Caller, limit: int) -> Sequence[ports.Product]:
        own = products.Selection(products.Filters(seller_id=caller.user_id))
        return _list_products(self._products, own, page_size=PAGE, limit=limit)

    def get_product(self, caller: Caller, product_id: str) -> ports.Product:
        found = self._products.find_many([product_id]).get(product_id)
        if found is None or found.seller.user_id != caller.user_id:
            raise NotFound("There is no such product of yours")
        return _product(found)

    def list_orders_to_ship(self, caller: Caller, limit: int) -> Sequence[ports.OrderToShip]:
        def read_page(after: str | None) -> tuple[Sequence[Sale], str | None]:
            page = self._dashboard.list_orders(
                caller.user_id,
                Period.between(None, None),
                SaleStatus.CONFIRMED,
                Slice(PAGE, after),
            )
            return page.items, page.next

        sales = sorted(_read_pages(read_page), key=lambda sale: sale.sort_key)
        return [
            _copy(ports.OrderToShip, sale, lines=_order_lines(sale.lines)) for sale in sales[:limit]
        ]


class ShopActions:
    """`Actions`: the use cases of the shop's own pages, with their checks."""

    def __init__(
        self, order_service: OrderService, product_service: ProductService, keys: IdempotencyKeys
    ) -> None:
        self._orders = order_service
        self._products = product_service
        self._keys = keys

    def place_order(
        self, caller: Caller, address_id: str, key: str, fingerprint: str
    ) -> ports.Order:
        def require_same_cart(order: orders.Order) -> None:
            if ports.fingerprint(_order_lines(order.lines)) != fingerprint:
                raise Conflict(CART_CHANGED)

        own = _idempotency_key("confirm_order", caller, key, {"cart": fingerprint})
        return _order(self._orders.place(caller, address_id, own, require_same_cart))

    def cancel_order(self, caller: Caller, order_id: str) -> ports.Order:
        return _order(self._orders.cancel(order_id, caller.user_id))

    def change_address(
        self, caller: Caller, order_id: str, changes: Mapping[str, str]
    ) -> ports.Order:
        return _order(self._orders.change_address(order_id, caller.user_id, changes))

    def ship_order(self, caller: Caller, order_id: str, tracking_number: str | None) -> ports.Order:
        return _order(self._orders.ship(order_id, tracking_number, caller))

    def set_stock(self, caller: Caller, product_id: str, stock: int, key: str) -> ports.Product:
        body = {"product": product_id, "stock": stock}
        own = _idempotency_key("confirm_stock", caller, key, body)
        if self._keys.find_result(own) is None:
            change = products.StockChange(counted=stock)
            also = partial(self._keys.save_result, own, product_id)
            # in use: the same decision is being executed at this moment
            with suppress(KeyInUse):
                return _product(self._products.change_stock(product_id, change, caller, also))
        return _product(self._products.get_product(product_id))


def charge(charges: orders.Charges) -> Callable[[Money], Money]:
    """Return what computes the total of goods with taxes and delivery, as an order does."""
    return lambda goods: charges.price(goods).total


def _idempotency_key(
    use_case: str, caller: Caller, key: str, body: Mapping[str, object]
) -> IdempotencyKey:
    return IdempotencyKey.of(use_case, caller.user_id, key, json.dumps(body).encode())


def _selection(query: ports.ProductQuery) -> products.Selection:
    prices = (query.min_price, query.max_price)
    compares_prices = query.cheapest_first or prices != (None, None)
    filters = products.Filters(
        category=products.category_key(query.category),
        currency=Currency.INR if compares_prices else None,
        lowest=query.min_price,
        highest=query.max_price,
        in_stock=query.in_stock,
    )
    if query.cheapest_first:
        sort = products.Sort.CHEAPEST
    else:
        sort = products.Sort.RELEVANCE if query.text else products.Sort.NEWEST
    return products.Selection(filters, sort, query.text)


def _list_products(
    service: ProductService, selection: products.Selection, page_size: int, limit: int
) -> Sequence[ports.Product]:
    def read_page(
        after: products.Position | None,
    ) -> tuple[Sequence[products.Product], products.Position | None]:
        page = service.list_products(selection, after, page_size)
        return page.products, page.next

    return [_product(product) for product in islice(_read_pages(read_page), limit)]


def _read_pages[Item, Position](
    read_page: Callable[[Position | None], tuple[Iterable[Item], Position | None]],
) -> Iterator[Item]:
    """Yield the items of at most MAX_PAGES pages, each read when it is needed."""
    position: Position | None = None
    for _ in range(MAX_PAGES):
        items, position = read_page(position)
        yield from items
        if position is None:
            return


def _copy[Kind](kind: type[Kind], source: object, **others: Any) -> Kind:
    """Make a dataclass from the attributes of the same names and from `others`."""
    names = {field.name for field in fields(kind)} - others.keys()  # type: ignore[arg-type] # a dataclass
    return kind(**{name: getattr(source, name) for name in names}, **others)


def _product(product: products.Product) -> ports.Product:
    thumbnail = product.images[0].thumbnail if product.images else None
    return _copy(ports.Product, product, thumbnail=thumbnail)


def _cart(priced: carts.PricedCart) -> ports.Cart:
    lines = tuple(
        _copy(ports.CartLine, each, product_id=each.line.product_id, quantity=each.line.quantity)
        for each in priced.lines
    )
    return ports.Cart(lines, priced.price)


def _order(order: orders.Order) -> ports.Order:
    return _copy(
        ports.Order,
        order,
        lines=_order_lines(order.lines),
        total=order.pricing.total,
        address=order.shipping_address,
        timeline=tuple(_copy(ports.Step, step) for step in order.timeline),
        address_is_open=order.status in orders.ADDRESS_CHANGEABLE,
    )


def _order_lines(lines: Iterable[object]) -> tuple[ports.OrderLine, ...]:
    return tuple(_copy(ports.OrderLine, line) for line in lines)
