"""What is in a cart, what may be put in it, and what it costs at today's prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, Self

from supermarket.errors import Conflict, DomainError, NotFound
from supermarket.money import Currency, Money

MAX_ITEMS = 50
MAX_QUANTITY = 99
LIFETIME = timedelta(days=30)
IDLE_BEFORE_REMINDER = timedelta(hours=24)

NOT_IN_CART = "There is no such item in your cart"
NOT_ON_SALE = "There is no such product"


class Image(Protocol):
    """A picture of a product."""

    @property
    def url(self) -> str: ...
    @property
    def thumbnail(self) -> str: ...


class Product(Protocol):
    """What a cart needs to know of a product."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def images(self) -> Sequence[Image]: ...
    @property
    def price(self) -> Money: ...
    @property
    def stock(self) -> int: ...


@dataclass(frozen=True)
class CartLine:
    """A product in the cart; title and price are the ones its owner saw when last changing it."""

    product_id: str
    quantity: int
    price_when_added: Money
    title: str
    added_at: datetime

    @classmethod
    def of(cls, product: Product, quantity: int, now: datetime) -> Self:
        return cls(product.id, quantity, product.price, product.title, now)


@dataclass(frozen=True)
class Cart:
    """A customer's cart. `version` grows with every change for as long as there is a cart."""

    user_id: str
    version: int
    lines: tuple[CartLine, ...]
    updated_at: datetime
    expires_at: datetime
    reminded_at: datetime | None = None

    @classmethod
    def new(cls, user_id: str, now: datetime) -> Self:
        return cls(user_id, 0, (), now, now + LIFETIME)

    @property
    def currency(self) -> Currency | None:
        """The one currency of all its lines; None while there are none."""
        return self.lines[0].price_when_added.currency if self.lines else None

    def line(self, product_id: str) -> CartLine | None:
        return next((line for line in self.lines if line.product_id == product_id), None)

    def quantity_of(self, product_id: str) -> int:
        line = self.line(product_id)
        return line.quantity if line else 0

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at <= now

    def was_reminded_of(self) -> bool:
        """Whether its owner was reminded of something that is still in it. Another quantity, price
        or item makes no other cart of it; to be emptied and filled anew does.
        """
        reminded_at = self.reminded_at
        return reminded_at is not None and any(line.added_at < reminded_at for line in self.lines)


def most_of(stock: int) -> int:
    """How many of a product a cart takes."""
    return min(stock, MAX_QUANTITY)


def why_not_add(cart: Cart, line: CartLine, stock: int) -> DomainError | None:
    """What keeps `line` from being added to what is in the cart; None when nothing does."""
    quantity = cart.quantity_of(line.product_id)
    if not quantity and len(cart.lines) >= MAX_ITEMS:
        return Conflict(f"A cart holds at most {MAX_ITEMS} different items")
    return why_not_have(cart, line, quantity + line.quantity, stock)


def why_not_change(cart: Cart, line: CartLine, stock: int) -> DomainError | None:
    """What keeps the item from getting the quantity of `line`; None when nothing does."""
    if not cart.quantity_of(line.product_id):
        return NotFound(NOT_IN_CART)
    return why_not_have(cart, line, line.quantity, stock)


def why_not_have(cart: Cart, line: CartLine, quantity: int, stock: int) -> DomainError | None:
    """What keeps the cart from holding this many; None when nothing does."""
    if quantity > MAX_QUANTITY:
        return Conflict(f"A cart holds at most {MAX_QUANTITY} of an item")
    if quantity > stock:
        return Conflict(f"Only {stock} left in stock" if stock else "This product is sold out")
    if cart.lines and cart.currency is not line.price_when_added.currency:
        return Conflict(
            f"Your cart is in {cart.currency}. Order or remove its items before you add one in"
            f" {line.price_when_added.currency}."
        )
    return None


@dataclass(frozen=True)
class PricedLine:
    """A line at today's price; `product` is None when it is no longer for sale."""

    line: CartLine
    product: Product | None

    @property
    def unit_price(self) -> Money:
        return self.product.price if self.product else self.line.price_when_added

    @property
    def line_total(self) -> Money:
        return self.unit_price * self.line.quantity

    @property
    def title(self) -> str:
        return self.product.title if self.product else self.line.title

    @property
    def image(self) -> Image | None:
        return self.product.images[0] if self.product and self.product.images else None

    @property
    def available(self) -> bool:
        """Whether this many can be ordered now, in the currency of the cart."""
        return (
            self.product is not None
            and self.product.stock >= self.line.quantity
            and self._is_in_same_currency
        )

    @property
    def notice(self) -> str | None:
        """What the customer should know before ordering."""
        if self.product is None:
            return "No longer for sale"
        if self.product.stock == 0:
            return "Sold out"
        if self.product.stock < self.line.quantity:
            return f"Only {self.product.stock} left"
        if self.product.price != self.line.price_when_added:
            return self._price_notice
        return None

    @property
    def _is_in_same_currency(self) -> bool:
        return self.unit_price.currency is self.line.price_when_added.currency

    @property
    def _price_notice(self) -> str:
        before = self.line.price_when_added
        moved = f"The price was {in_words(before)} and is now {in_words(self.unit_price)}"
        if self._is_in_same_currency:
            return f"{moved}; set the quantity again to accept it"
        return f"{moved}; remove the item and add it again to accept it"


@dataclass(frozen=True)
class PricedCart:
    """A cart at today's prices."""

    cart: Cart
    lines: tuple[PricedLine, ...]

    @classmethod
    def of(cls, cart: Cart, products: Mapping[str, Product]) -> Self:
        return cls(
            cart, tuple(PricedLine(line, products.get(line.product_id)) for line in cart.lines)
        )

    @property
    def price(self) -> Money:
        """What the lines that can be had cost together."""
        available = (line.line_total for line in self.lines if line.available)
        return Money.total(available, self.cart.currency or Currency.INR)

    @property
    def total_quantity(self) -> int:
        return sum(line.line.quantity for line in self.lines)


def in_words(price: Money) -> str:
    return f"{price.amount:.2f} {price.currency}"
