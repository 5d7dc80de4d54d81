"""Use cases of the cart: look, add, change, remove, clear; and be emptied by an order."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from cart.model import (
    NOT_IN_CART,
    NOT_ON_SALE,
    Cart,
    CartLine,
    PricedCart,
    Product,
    most_of,
    why_not_add,
    why_not_change,
)
from supermarket.clock import Clock, is_id
from supermarket.errors import Conflict, DomainError, NotFound
from supermarket.transaction import Transaction

ATTEMPTS = 5
BUSY = "Your cart is being changed elsewhere at this very moment. Try again."

type Write = Callable[[str, CartLine, int], Cart | None]
type WhyNot = Callable[[Cart, CartLine, int], DomainError | None]


class Catalogue(Protocol):
    """The products that are on sale."""

    def find_many(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those of the ids that are on sale, as they are now."""


class Carts(Protocol):
    """One cart per customer. Each change is one atomic write that loses no other one."""

    def find(self, user_id: str) -> Cart | None:
        """The cart as it is now, even if it has expired; None when there is none."""

    def add(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        """Raise the quantity of an item, up to `at_most`, and note its title and price.

        None, and nothing is changed, when a rule of the cart forbids it.
        """

    def change(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        """Set quantity, title and price of an item; None when it cannot be, or is not there."""

    def remove(self, user_id: str, product_id: str) -> Cart | None:
        """Take an item out; None when it is not there."""

    def clear(self, user_id: str) -> None:
        """Take everything out."""

    def empty(self, cart: Cart, transaction: Transaction, refused: DomainError) -> None:
        """Take everything out, if the cart is still the version that was read."""


class CartService:
    """All that can be done with a cart."""

    def __init__(self, carts: Carts, catalogue: Catalogue, clock: Clock) -> None:
        self._carts = carts
        self._catalogue = catalogue
        self._clock = clock

    def look(self, user_id: str) -> PricedCart:
        """The cart at today's prices."""
        return self._priced(self.contents(user_id), {})

    def add(self, user_id: str, product_id: str, quantity: int) -> PricedCart:
        """Put more of a product in the cart, at the price it has now."""
        return self._change(user_id, product_id, quantity, self._carts.add, why_not_add)

    def change(self, user_id: str, product_id: str, quantity: int) -> PricedCart:
        """Set how many of an item there are, and accept the price it has now."""
        return self._change(user_id, product_id, quantity, self._carts.change, why_not_change)

    def remove(self, user_id: str, product_id: str) -> PricedCart:
        """Take an item out of the cart."""
        cart = self._carts.remove(user_id, product_id) if is_id(product_id) else None
        if cart is None:
            raise NotFound(NOT_IN_CART)
        return self._priced(cart, {})

    def clear(self, user_id: str) -> PricedCart:
        """Take everything out of the cart."""
        self._carts.clear(user_id)
        return PricedCart(Cart.new(user_id, self._clock()), ())

    def contents(self, user_id: str) -> Cart:
        """What is in the cart; nothing when there is none or it has expired."""
        now = self._clock()
        cart = self._carts.find(user_id)
        return cart if cart and not cart.is_expired(now) else Cart.new(user_id, now)

    def empty(self, cart: Cart, transaction: Transaction, refused: DomainError) -> None:
        """Empty the cart together with what made it so, if nobody has changed it since."""
        self._carts.empty(cart, transaction, refused)

    def _change(
        self, user_id: str, product_id: str, quantity: int, write: Write, why_not: WhyNot
    ) -> PricedCart:
        product = self._catalogue.find_many([product_id]).get(product_id)
        if product is None:
            raise NotFound(NOT_ON_SALE)
        line = CartLine.of(product, quantity, self._clock())
        for _ in range(ATTEMPTS):
            if cart := write(user_id, line, most_of(product.stock)):
                return self._priced(cart, {product.id: product})
            if refusal := why_not(self.contents(user_id), line, product.stock):
                raise refusal
            # what stood in the way is gone already: somebody else is changing this cart, too
        raise Conflict(BUSY)

    def _priced(self, cart: Cart, known: Mapping[str, Product]) -> PricedCart:
        """The cart at today's prices, asking only for the products that are not known yet."""
        unknown = [line.product_id for line in cart.lines if line.product_id not in known]
        found = self._catalogue.find_many(unknown) if unknown else {}
        return PricedCart.of(cart, {**found, **known})
