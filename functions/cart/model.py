"""What is in a cart, what may be added to it, and what it costs at today's prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from supermarket.errors import Conflict, FieldError, NotFound
from supermarket.money import Currency, Money

MAX_ITEMS = 50
MAX_QUANTITY = 99
LIFETIME = timedelta(days=30)
IDLE_BEFORE_REMINDER = timedelta(hours=24)


class ItemNotFound(NotFound):
    """The cart does not have the product."""

    code = "ITEM_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("This product is not in your cart")


class CartLimitReached(Conflict):
    """The cart has the highest number of products, or of one product."""

    code = "CART_LIMIT_REACHED"


class OutOfStock(Conflict):
    """There is less of a product than was asked for."""

    code = "OUT_OF_STOCK"


class OtherCurrency(Conflict):
    """The product has another currency than the cart."""

    code = "OTHER_CURRENCY"


@dataclass(frozen=True)
class Image:
    """A picture of a product."""

    url: str
    thumbnail: str


@dataclass(frozen=True)
class Product:
    """A product on sale; `image` is its first one."""

    id: str
    title: str
    price: Money
    stock: int
    seller_id: str
    image: Image | None = None


@dataclass(frozen=True)
class CartLine:
    """A product in the cart; title and price are as of the customer's last change of it."""

    product_id: str
    quantity: int
    price_when_added: Money
    title: str
    added_at: datetime


@dataclass(frozen=True)
class Cart:
    """A customer's cart. `version` grows with every change of it."""

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
        """The currency of all its lines; None when it has none."""
        return self.lines[0].price_when_added.currency if self.lines else None

    def quantity_of(self, product_id: str) -> int:
        return next((line.quantity for line in self.lines if line.product_id == product_id), 0)

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at <= now

    @property
    def was_reminded(self) -> bool:
        """Whether the customer was reminded of something that is still in the cart. Other changes
        do not count as a new cart; removing everything does.
        """
        reminded_at = self.reminded_at
        return reminded_at is not None and any(line.added_at < reminded_at for line in self.lines)


def check_add(cart: Cart, line: CartLine, stock: int) -> None:
    """Raise the error that forbids adding `line` to the quantity in the cart."""
    quantity = cart.quantity_of(line.product_id)
    if not quantity and len(cart.lines) >= MAX_ITEMS:
        raise CartLimitReached(f"A cart has at most {MAX_ITEMS} different products")
    _check_quantity(cart, line, quantity + line.quantity, stock)


def check_change(cart: Cart, line: CartLine, stock: int) -> None:
    """Raise the error that forbids setting the quantity of `line`."""
    if not cart.quantity_of(line.product_id):
        raise ItemNotFound
    _check_quantity(cart, line, line.quantity, stock)


def _check_quantity(cart: Cart, line: CartLine, quantity: int, stock: int) -> None:
    if quantity > MAX_QUANTITY:
        raise CartLimitReached(f"A cart has at most {MAX_QUANTITY} of a product")
    if quantity > stock:
        raise OutOfStock(_left(stock))
    if cart.lines and cart.currency is not line.price_when_added.currency:
        raise OtherCurrency(
            f"Your cart is in {cart.currency}. Order or remove its items before you add one in"
            f" {line.price_when_added.currency}."
        )


def _left(stock: int) -> str:
    return f"Only {stock} left in stock" if stock else "Sold out"


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
        return self.product.image if self.product else None

    @property
    def available(self) -> bool:
        """Whether this many can be ordered now, in the currency of the cart."""
        return (
            self.product is not None
            and self.product.stock >= self.line.quantity
            and self._is_in_same_currency
        )

    @property
    def problem(self) -> FieldError | None:
        """What the customer must accept or change before ordering."""
        if self.product is None:
            return self._problem("NOT_FOR_SALE", "No longer for sale")
        if self.product.stock < self.line.quantity:
            return self._problem("OUT_OF_STOCK", _left(self.product.stock))
        if self.product.price != self.line.price_when_added:
            action = "set the quantity" if self._is_in_same_currency else "remove it and add it"
            change = f"The price was {self.line.price_when_added} and is now {self.unit_price}"
            return self._problem("PRICE_CHANGED", f"{change}; {action} again to accept it")
        return None

    @property
    def notice(self) -> str | None:
        """The problem in words."""
        return self.problem.message if self.problem else None

    @property
    def _is_in_same_currency(self) -> bool:
        return self.unit_price.currency is self.line.price_when_added.currency

    def _problem(self, code: str, message: str) -> FieldError:
        return FieldError(f"items.{self.line.product_id}", message, code)


@dataclass(frozen=True)
class PricedCart:
    """A cart at today's prices."""

    cart: Cart
    lines: tuple[PricedLine, ...]

    @classmethod
    def of(cls, cart: Cart, products: Mapping[str, Product]) -> Self:
        lines = (PricedLine(line, products.get(line.product_id)) for line in cart.lines)
        return cls(cart, tuple(lines))

    @property
    def price(self) -> Money:
        """The sum of the lines that can be ordered."""
        available = (line.line_total for line in self.lines if line.available)
        return Money.total(available, self.cart.currency or Currency.INR)

    @property
    def item_count(self) -> int:
        return len(self.lines)

    @property
    def total_quantity(self) -> int:
        return sum(line.line.quantity for line in self.lines)
