"""Use cases of the cart: get, add, change, remove, clear, and empty for an order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cart.model import (
    MAX_QUANTITY,
    Cart,
    CartLine,
    ItemNotFound,
    PricedCart,
    Product,
    check_add,
    check_change,
)
from cart.ports import Carts, Catalogue
from supermarket.clock import Clock, is_id
from supermarket.errors import DomainError, NotFound
from supermarket.idempotency import IdempotencyKey, IdempotencyKeys, run_once
from supermarket.retry import StaleWrite, retry_on_conflict
from supermarket.transaction import Transaction

BUSY = "Your cart is being changed at the same time. Try again."

type Write = Callable[[str, CartLine, int], Cart | None]
type Check = Callable[[Cart, CartLine, int], None]


@dataclass(frozen=True)
class CartService:
    """The use cases of the cart."""

    carts: Carts
    catalogue: Catalogue
    clock: Clock
    idempotency_keys: IdempotencyKeys

    def get_cart(self, user_id: str) -> PricedCart:
        """Return the cart at today's prices."""
        return self._price(self.stored_cart(user_id), {})

    def add(
        self, user_id: str, product_id: str, quantity: int, key: IdempotencyKey | None = None
    ) -> PricedCart:
        """Add to the quantity of a product, with the same key once. What is in the cart keeps the
        price that was shown, so that a notice shows both prices.
        """

        def write(user_id: str, line: CartLine, max_quantity: int) -> Cart | None:
            return self.carts.add(user_id, line, max_quantity, save_key)

        def save_key(transaction: Transaction) -> None:
            if key:
                self.idempotency_keys.save_result(key, product_id, transaction)

        return run_once(
            self.idempotency_keys,
            key,
            lambda: self._change(user_id, product_id, quantity, write, check_add),
            lambda _: self.get_cart(user_id),
        )

    def change(self, user_id: str, product_id: str, quantity: int) -> PricedCart:
        """Set the quantity of a product, and accept its present price."""
        return self._change(user_id, product_id, quantity, self.carts.change, check_change)

    def remove(self, user_id: str, product_id: str) -> PricedCart:
        """Remove a product from the cart. Raises ItemNotFound."""
        cart = self.carts.remove(user_id, product_id) if is_id(product_id) else None
        if cart is None:
            raise ItemNotFound
        return self._price(cart, {})

    def clear(self, user_id: str) -> PricedCart:
        """Remove everything from the cart."""
        self.carts.clear(user_id)
        return PricedCart(Cart.new(user_id, self.clock()), ())

    def stored_cart(self, user_id: str) -> Cart:
        """Return the cart as stored; an empty one when there is none or it has expired."""
        now = self.clock()
        cart = self.carts.find(user_id)
        return cart if cart and not cart.is_expired(now) else Cart.new(user_id, now)

    def empty(
        self, user_id: str, version: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Remove everything in `transaction`. Its commit raises `on_conflict` when the cart has
        another version.
        """
        self.carts.empty(user_id, version, transaction, on_conflict)

    def _change(
        self, user_id: str, product_id: str, quantity: int, write: Write, check: Check
    ) -> PricedCart:
        product = self.catalogue.find_many([product_id]).get(product_id)
        if product is None:
            raise NotFound("Product not found")
        line = CartLine(product.id, quantity, product.price, product.title, self.clock())

        def attempt() -> PricedCart:
            cart = write(user_id, line, min(product.stock, MAX_QUANTITY))
            if cart is None:
                check(self.stored_cart(user_id), line, product.stock)
                # another change forbade this one, and a further one permits it again
                raise StaleWrite(BUSY)
            return self._price(cart, {product.id: product})

        return retry_on_conflict(attempt)

    def _price(self, cart: Cart, known: Mapping[str, Product]) -> PricedCart:
        """Return the cart at today's prices; reads only the products that are not in `known`."""
        unknown = [line.product_id for line in cart.lines if line.product_id not in known]
        found = self.catalogue.find_many(unknown) if unknown else {}
        return PricedCart.of(cart, {**found, **known})
