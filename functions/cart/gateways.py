"""The catalogue and the accounts behind the ports of carts."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cart.model import Image, Product
from supermarket.errors import Unauthenticated
from supermarket.people import Recipient

if TYPE_CHECKING:
    import product.model as products
    from auth.service import AccountService
    from product.service import ProductService


class ShopCatalogue:
    """`Catalogue` of the product domain."""

    def __init__(self, products: "ProductService") -> None:
        self._products = products

    def find_many(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        found = self._products.find_many(product_ids)
        return {product_id: _product(product) for product_id, product in found.items()}


class AccountHolders:
    """`Customers` of the auth domain."""

    def __init__(self, accounts: "AccountService") -> None:
        self._accounts = accounts

    def find(self, user_id: str) -> Recipient | None:
        try:
            user = self._accounts.user(user_id)
        except Unauthenticated:  # auth raises it for a removed account
            return None
        return Recipient(user.id, user.email, user.full_name.first, user.email_verified)


def _product(product: "products.Product") -> Product:
    image = Image(product.images[0].url, product.images[0].thumbnail) if product.images else None
    seller_id = product.seller.user_id
    return Product(product.id, product.title, product.price, product.stock, seller_id, image)
