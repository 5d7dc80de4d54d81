"""The cart, the catalogue and the address book, behind the ports of orders.

Carts and addresses are made on first use: only the placing of an order needs them, and whatever
else is done with orders starts faster without.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from order import service as ports
from supermarket.errors import DomainError
from supermarket.people import Address
from supermarket.transaction import Transaction

if TYPE_CHECKING:
    from auth.service import AuthService
    from cart.model import Cart
    from cart.service import CartService
    from product.model import Product
    from product.service import ProductService


class ShopCatalogue:
    """`Catalogue` as the product domain keeps it."""

    def __init__(self, products: "ProductService") -> None:
        self._products = products

    def find_many(self, product_ids: Iterable[str]) -> Mapping[str, "Product"]:
        return self._products.find_many(product_ids)

    def take_stock(
        self, product: ports.Product, quantity: int, transaction: Transaction, refused: DomainError
    ) -> None:
        # what `find_many` handed out comes back
        self._products.take_stock(cast("Product", product), quantity, transaction, refused)

    def return_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        self._products.return_stock(product_id, quantity, transaction)


class ShopCarts:
    """`Carts` as the cart domain keeps them."""

    def __init__(self, carts: "Callable[[], CartService]") -> None:
        self._carts = carts

    def contents(self, user_id: str) -> "Cart":
        return self._carts().contents(user_id)

    def empty(self, cart: ports.Cart, transaction: Transaction, refused: DomainError) -> None:
        # what `contents` handed out comes back
        self._carts().empty(cast("Cart", cart), transaction, refused)


class SavedAddresses:
    """`AddressBook` as the auth domain keeps it."""

    def __init__(self, accounts: "Callable[[], AuthService]") -> None:
        self._accounts = accounts

    def find(self, user_id: str, address_id: str) -> Address:
        saved = self._accounts().address_of(user_id, address_id)
        return Address(saved.street, saved.city, saved.state, saved.zip, saved.country)
