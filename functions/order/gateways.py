"""The stock, the cart and the address book behind the ports of orders.

Carts and accounts are made on first use, since only placing an order needs them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from inventory.model import StockRequest
from inventory.service import InventoryService, LinesUnavailable
from order.model import ItemsUnavailable, Order, OrderLine
from order.ports import Cart
from supermarket.errors import DomainError
from supermarket.people import Address
from supermarket.transaction import Transaction

if TYPE_CHECKING:
    from auth.service import AuthService
    from cart.model import CartLine, Product
    from cart.service import CartService


class ShopStock:
    """`Stock` of the inventory domain."""

    def __init__(self, inventory: InventoryService) -> None:
        self._inventory = inventory

    def reserve(self, order: Order, prepare: Callable[[], Transaction]) -> None:
        requests = [
            StockRequest(line.product_id, line.unit_price, line.quantity) for line in order.lines
        ]
        try:
            self._inventory.commit_reserving(order.id, requests, prepare)
        except LinesUnavailable as refusal:
            raise ItemsUnavailable(refusal.errors) from refusal

    def release(self, order: Order, transaction: Transaction) -> None:
        self._inventory.release(order.id, transaction)

    def ship(self, order: Order, transaction: Transaction) -> None:
        self._inventory.ship(order.id, transaction)


class ShopCarts:
    """`Carts` of the cart domain."""

    def __init__(self, carts: "Callable[[], CartService]") -> None:
        self._carts = carts

    def get_cart(self, user_id: str) -> Cart:
        cart = self._carts().get_cart(user_id)
        lines = tuple(_line(each.line, each.product) for each in cart.lines if each.product)
        problems = tuple(each.problem for each in cart.lines if each.problem)
        return Cart(user_id, cart.cart.version, lines, problems)

    def empty(self, cart: Cart, transaction: Transaction, on_conflict: DomainError) -> None:
        self._carts().empty(cart.user_id, cart.version, transaction, on_conflict)


class SavedAddresses:
    """`AddressBook` of the auth domain."""

    def __init__(self, accounts: "Callable[[], AuthService]") -> None:
        self._accounts = accounts

    def find(self, user_id: str, address_id: str) -> Address:
        saved = self._accounts().address_of(user_id, address_id)
        return Address(saved.street, saved.city, saved.state, saved.zip, saved.country)


def _line(line: "CartLine", product: "Product") -> OrderLine:
    return OrderLine(product.id, product.title, product.seller_id, line.quantity, product.price)
