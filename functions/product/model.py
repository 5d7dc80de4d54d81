"""What a product is, who may change it, and which products a list is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Final

from supermarket.caller import Caller
from supermarket.clock import ID_PATTERN
from supermarket.errors import Conflict, FieldError, Forbidden, Invalid
from supermarket.money import Currency, Money

MAX_IMAGES = 5
MAX_STOCK = 1_000_000_000
MAX_MINOR = 999_999_999


class Keep(Enum):
    """Stands for a field that a change leaves as it is; None would mean that it is cleared."""

    AS_IS = "as it is"


AS_IS: Final = Keep.AS_IS

type Position = dict[str, Any]


@dataclass(frozen=True)
class Seller:
    """Who sells a product; mail address and name as of the day it was put on sale."""

    user_id: str
    email: str
    first_name: str


@dataclass(frozen=True)
class Image:
    """A picture at the image service; `id` is the service's own."""

    url: str
    thumbnail: str
    id: str


@dataclass(frozen=True)
class Draft:
    """A product as its seller describes it."""

    title: str
    price: Money
    description: str = ""
    stock: int = 0
    category: str | None = None
    low_stock_threshold: int | None = None


@dataclass(frozen=True)
class Changes:
    """What a seller changes of a product; what is not named stays as it is.

    A new `amount` is one of the currency that the product has, unless `currency` is another.
    """

    title: str | Keep = AS_IS
    description: str | Keep = AS_IS
    stock: int | Keep = AS_IS
    category: str | Keep | None = AS_IS
    low_stock_threshold: int | Keep | None = AS_IS
    amount: Decimal | None = None
    currency: Currency | None = None
    remove_images: tuple[str, ...] = ()

    def of(self, product: "Product") -> Mapping[str, Any]:
        """The fields of `product` that get another value, and that value."""
        apart = {"amount", "currency", "remove_images"}
        values = {
            name: value
            for name, value in vars(self).items()
            if value is not AS_IS and name not in apart
        }
        if self.amount is not None:
            values["price"] = Money.of(self.amount, self.currency or product.price.currency)
        return values


@dataclass(frozen=True)
class Product:
    """A product on sale. `revision` counts the changes its seller made; sales do not.
    `stock_revision` counts those of stock and threshold, whoever made them.
    """

    id: str
    title: str
    description: str
    price: Money
    seller: Seller
    images: tuple[Image, ...]
    stock: int
    category: str | None
    low_stock_threshold: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    stock_revision: int = 0

    @property
    def is_low(self) -> bool:
        """Whether its seller wants to know how little is left."""
        return self.low_stock_threshold is not None and self.stock <= self.low_stock_threshold

    def require_editor(self, caller: Caller) -> None:
        """Forbidden unless `caller` sells this product or is an admin."""
        if caller.user_id != self.seller.user_id and not caller.is_admin:
            raise Forbidden("This is another seller's product")

    def require_room(self, changes: Changes, pictures: int) -> None:
        """Invalid when `changes` remove pictures that are not there, or leave too many."""
        if not set(changes.remove_images) <= {image.id for image in self.images}:
            raise _invalid("removeImages", "not a picture of this product")
        if len(self._kept(changes)) + pictures > MAX_IMAGES:
            raise _invalid("images", f"a product has at most {MAX_IMAGES}")

    def changed(self, changes: Changes, added: tuple[Image, ...], now: datetime) -> "Product":
        """This product after its seller changed it, with the pictures that were `added`."""
        self.require_room(changes, len(added))
        return self._revised(now, images=self._kept(changes) + added, **changes.of(self))

    def restocked(self, stock: int, now: datetime) -> "Product":
        """This product with another stock; Conflict when that would be below zero."""
        if stock < 0:
            raise Conflict(f"There are only {self.stock} in stock")
        if stock > MAX_STOCK:
            raise Conflict(f"At most {MAX_STOCK} can be in stock")
        return self._revised(now, stock=stock)

    def _kept(self, changes: Changes) -> tuple[Image, ...]:
        return tuple(image for image in self.images if image.id not in changes.remove_images)

    def _revised(self, now: datetime, **values: Any) -> "Product":
        after = replace(self, **values, revision=self.revision + 1, updated_at=now)
        moved = (after.stock, after.low_stock_threshold) != (self.stock, self.low_stock_threshold)
        return replace(after, stock_revision=self.stock_revision + moved)


@dataclass(frozen=True)
class StockChange:
    """Either what was counted (`counted`) or how many came or went (`added`)."""

    counted: int | None = None
    added: int = 0

    def of(self, stock: int) -> int:
        """What `stock` becomes."""
        return self.counted if self.counted is not None else stock + self.added


class Sort(StrEnum):
    """The orders a list can have."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    CHEAPEST = "price"
    DEAREST = "-price"


@dataclass(frozen=True)
class Filters:
    """Which products a list shows. Prices are minor units of `currency`, both ends included."""

    category: str | None = None
    currency: Currency | None = None
    lowest: int | None = None
    highest: int | None = None
    in_stock: bool = False
    seller_id: str | None = None

    def admits(self, product: Product) -> bool:
        """Whether `product` belongs in the list."""
        price = product.price
        return (
            self.category in {None, category_key(product.category)}
            and self.currency in {None, price.currency}
            and (self.lowest is None or price.minor >= self.lowest)
            and (self.highest is None or price.minor <= self.highest)
            and (product.stock > 0 or not self.in_stock)
            and self.seller_id in {None, product.seller.user_id}
        )


@dataclass(frozen=True)
class Selection:
    """A list of products, described: `text` to be found, filters, order."""

    filters: Filters = field(default_factory=Filters)
    sort: Sort = Sort.NEWEST
    text: str = ""


@dataclass(frozen=True)
class Page:
    """One page of a list, and where the next one begins; None after the last one.

    A page may hold fewer than were asked for, even none, and still have a next one: a request
    looks at a bounded number of products.
    """

    products: tuple[Product, ...]
    next: Position | None


def category_key(name: str | None) -> str | None:
    """Categories are the same when they differ in case and blanks only."""
    return None if name is None else " ".join(name.split()).casefold()


def is_product_id(text: str) -> bool:
    """Whether `text` could be an id at all; what could not is never asked of the database."""
    return re.fullmatch(ID_PATTERN, text) is not None


def _invalid(field: str, message: str) -> Invalid:
    return Invalid("The request is not valid", (FieldError(field, message),))
