"""The cart and the address book behind the ports of orders.

Carts and accounts are made on first use, since only placing an order needs them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from order.model import OrderLine
from order.ports import Cart
from supermarket.errors import DomainError
from supermarket.people import Address
from supermarket.transaction import Transaction

if TYPE_CHECKING:
    from auth.service import AuthService
    from cart.model import CartLine, Product
    from cart.service import CartService


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
