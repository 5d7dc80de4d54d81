"""The shop's other domains behind the assistant's own ports."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from itertools import islice

import cart.model as carts
import order.model as orders
import product.model as products
from ai_buddy.tools import ports
from auth.service import AuthService
from cart.service import CartService
from order.service import OrderService
from product.service import ProductService
from seller_dashboard.projections.model import Period, Sale, SaleLine, SaleStatus, Slice
from seller_dashboard.service import Dashboard
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.errors import Conflict, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, KeyInUse
from supermarket.money import Currency, Money
from supermarket.people import Address

PAGE = 100
MOST_PAGES = 3

CART_MOVED = "Your cart is not what it was when you were asked. Have a look, and ask again."


class ShopCatalogue:
    """`Catalogue` as the product domain keeps it."""

    def __init__(self, service: ProductService) -> None:
        self._service = service

    def search(self, wish: ports.Wish, limit: int) -> Sequence[ports.Product]:
        found = _pages_of(self._service, _selection(wish), limit)
        return [_product(product) for product in islice(found, limit)]

    def find_many(self, product_ids: Sequence[str]) -> Mapping[str, ports.Product]:
        found = self._service.find_many(product_ids)
        return {product_id: _product(product) for product_id, product in found.items()}


class ShopCarts:
    """`Carts` as the cart domain keeps them."""

    def __init__(self, service: CartService) -> None:
        self._service = service

    def look(self, caller: Caller) -> ports.Cart:
        return _cart(self._service.get_cart(caller.user_id))

    def add(self, caller: Caller, product_id: str, quantity: int) -> ports.Cart:
        return _cart(self._service.add(caller.user_id, product_id, quantity))

    def change(self, caller: Caller, product_id: str, quantity: int) -> ports.Cart:
        return _cart(self._service.change(caller.user_id, product_id, quantity))

    def remove(self, caller: Caller, product_id: str) -> ports.Cart:
        return _cart(self._service.remove(caller.user_id, product_id))


class ShopOrders:
    """`Orders` as the order domain keeps them."""

    def __init__(self, service: OrderService) -> None:
        self._service = service

    def newest(self, caller: Caller, status: str | None, limit: int) -> Sequence[ports.Order]:
        wanted = orders.OrderStatus(status) if status else None
        page = self._service.list_orders(caller.user_id, wanted, None, limit)
        return [_order(order) for order in page.orders]

    def one(self, caller: Caller, order_id: str) -> ports.Order:
        return _order(self._service.get_order(order_id, caller))


class SavedAddresses:
    """`AddressBook` as the auth domain keeps it."""

    def __init__(self, accounts: AuthService) -> None:
        self._accounts = accounts

    def of(self, caller: Caller) -> Sequence[ports.SavedAddress]:
        book = self._accounts.address_book(caller.user_id)
        return [
            ports.SavedAddress(
                saved.id,
                Address(saved.street, saved.city, saved.state, saved.zip, saved.country),
                is_default=saved.id == book.default_id,
            )
            for saved in book.addresses
        ]


class SellerBooks:
    """`Books` as the seller dashboard and the product domain keep them."""

    def __init__(self, dashboard: Dashboard, service: ProductService, clock: Clock) -> None:
        self._dashboard = dashboard
        self._products = service
        self._clock = clock

    def figures(self, caller: Caller, first: date | None, last: date | None) -> ports.SalesFigures:
        period = Period.of(first, last, today=self._clock().date())
        found = self._dashboard.get_metrics(caller.user_id, period)
        return ports.SalesFigures(
            first=period.first,
            last=period.last,
            units=found.units,
            orders=found.orders,
            placed=found.placed,
            revenue=found.revenue,
            refunds=found.refunds,
            average_order=found.average_order_value,
            top=tuple(
                ports.ProductSales(top.product_id, top.title, top.units, top.revenue)
                for top in found.top_products
            ),
        )

    def sold(self, caller: Caller, limit: int) -> Sequence[ports.ProductSales]:
        def page(after: str | None) -> tuple[Sequence[ports.ProductSales], str | None]:
            found = self._dashboard.list_products(caller.user_id, Slice(PAGE, after))
            on_sale = [
                ports.ProductSales(one.product_id, one.title, one.units, one.revenue)
                for one in found.items
                if one.on_sale
            ]
            return on_sale, found.next

        return list(islice(_paged(page), limit))

    def stock(self, caller: Caller, limit: int) -> Sequence[ports.Product]:
        own = products.Selection(products.Filters(seller_id=caller.user_id))
        found = _pages_of(self._products, own, PAGE)
        return [_product(product) for product in islice(found, limit)]

    def product(self, caller: Caller, product_id: str) -> ports.Product:
        found = self._products.find_many([product_id]).get(product_id)
        if found is None or found.seller.user_id != caller.user_id:
            raise NotFound("There is no such product of yours")
        return _product(found)

    def to_ship(self, caller: Caller, limit: int) -> Sequence[ports.OrderToShip]:
        def page(after: str | None) -> tuple[Sequence[Sale], str | None]:
            part = Slice(PAGE, after)
            found = self._dashboard.list_orders(caller.user_id, ever, SaleStatus.CONFIRMED, part)
            return found.items, found.next

        ever = Period.between(None, None)
        return [
            ports.OrderToShip(
                sale.order_id, tuple(map(_sold_line, sale.lines)), sale.total, sale.placed_at
            )
            for sale in sorted(_paged(page), key=lambda sale: sale.sort_key)[:limit]
        ]


class ShopDesk:
    """`Desk`: the use cases of the shop's own pages, with their own checks."""

    def __init__(
        self, order_service: OrderService, product_service: ProductService, keys: IdempotencyKeys
    ) -> None:
        self._orders = order_service
        self._products = product_service
        self._keys = keys

    def place(self, caller: Caller, address_id: str, key: str, fingerprint: str) -> ports.Order:
        def examine(order: orders.Order) -> None:
            if ports.fingerprint(map(_order_line, order.lines)) != fingerprint:
                raise Conflict(CART_MOVED)

        own = _idempotency_key("confirm_order", caller, key, {"cart": fingerprint})
        return _order(self._orders.place(caller, address_id, own, examine))

    def look_at(self, caller: Caller, order_id: str) -> ports.Order:
        return _order(self._orders.get_order(order_id, caller))

    def cancel(self, caller: Caller, order_id: str) -> ports.Order:
        return _order(self._orders.cancel(order_id, caller.user_id))

    def redirect(self, caller: Caller, order_id: str, changes: Mapping[str, str]) -> ports.Order:
        return _order(self._orders.change_address(order_id, caller.user_id, changes))

    def ship(self, caller: Caller, order_id: str, tracking_number: str | None) -> ports.Order:
        return _order(self._orders.ship(order_id, tracking_number, caller))

    def set_stock(self, caller: Caller, product_id: str, stock: int, key: str) -> ports.Product:
        body = {"product": product_id, "stock": stock}
        own = _idempotency_key("confirm_stock", caller, key, body)
        if self._keys.find_result(own) is None:
            change = products.StockChange(counted=stock)
            also = partial(self._keys.save_result, own, product_id)
            # taken: the same decision, carried out at this very moment
            with suppress(KeyInUse):
                return _product(self._products.change_stock(product_id, change, caller, also))
        return _product(self._products.get_product(product_id))


def _idempotency_key(
    use_case: str, caller: Caller, key: str, body: Mapping[str, object]
) -> IdempotencyKey:
    return IdempotencyKey.of(use_case, caller.user_id, key, json.dumps(body).encode())


def _selection(wish: ports.Wish) -> products.Selection:
    compares = wish.cheapest_first or wish.lowest is not None or wish.highest is not None
    filters = products.Filters(
        category=products.category_key(wish.category),
        currency=Currency.INR if compares else None,
        lowest=wish.lowest,
        highest=wish.highest,
        in_stock=wish.in_stock,
    )
    if wish.cheapest_first:
        sort = products.Sort.CHEAPEST
    else:
        sort = products.Sort.RELEVANCE if wish.text else products.Sort.NEWEST
    return products.Selection(filters, sort, wish.text)


def _pages_of(
    service: ProductService, selection: products.Selection, size: int
) -> Iterator[products.Product]:
    def page(
        after: products.Position | None,
    ) -> tuple[Sequence[products.Product], products.Position | None]:
        found = service.list_products(selection, after, size)
        return found.products, found.next

    return _paged(page)


def _paged[Thing, Position](
    page: Callable[[Position | None], tuple[Iterable[Thing], Position | None]],
) -> Iterator[Thing]:
    """The things of a few pages, each asked for when the ones before it were not enough."""
    position: Position | None = None
    for _ in range(MOST_PAGES):
        things, position = page(position)
        yield from things
        if position is None:
            return


def _product(product: products.Product) -> ports.Product:
    return ports.Product(
        id=product.id,
        title=product.title,
        description=product.description,
        price=product.price,
        stock=product.stock,
        category=product.category,
        low_stock_threshold=product.low_stock_threshold,
        thumbnail=product.images[0].thumbnail if product.images else None,
    )


def _cart(priced: carts.PricedCart) -> ports.Cart:
    lines = tuple(
        ports.CartLine(
            product_id=priced_line.line.product_id,
            title=priced_line.title,
            quantity=priced_line.line.quantity,
            unit_price=priced_line.unit_price,
            line_total=priced_line.line_total,
            available=priced_line.available,
            notice=priced_line.notice,
        )
        for priced_line in priced.lines
    )
    return ports.Cart(lines, priced.price)


def _order(order: orders.Order) -> ports.Order:
    return ports.Order(
        id=order.id,
        status=order.status.value,
        lines=tuple(_order_line(line) for line in order.lines),
        subtotal=order.pricing.subtotal,
        tax=order.pricing.tax,
        shipping=order.pricing.shipping,
        total=order.pricing.total,
        address=order.shipping_address,
        payment_status=order.payment_status.value,
        timeline=tuple(ports.Step(step.status.value, step.at) for step in order.timeline),
        tracking_number=order.tracking_number,
        created_at=order.created_at,
        can_be_cancelled=order.can_be_cancelled,
        address_is_open=order.status in orders.ADDRESS_CHANGEABLE,
    )


def _order_line(line: orders.OrderLine) -> ports.OrderLine:
    return ports.OrderLine(
        line.product_id, line.title, line.quantity, line.unit_price, line.line_total
    )


def _sold_line(line: SaleLine) -> ports.OrderLine:
    return ports.OrderLine(
        line.product_id, line.title, line.quantity, line.unit_price, line.line_total
    )


def charged(charges: orders.Charges) -> Callable[[Money], Money]:
    """What goods cost with all that comes on top, as an order would say."""
    return lambda goods: charges.price(goods).total
