"""Products, changes of them, and the filters and orders of lists."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, TypedDict
from unicodedata import normalize

from product.words import KeyRange, index_terms
from supermarket.caller import Caller
from supermarket.errors import FieldError, Forbidden, Invalid
from supermarket.money import Currency, Money
from supermarket.people import Recipient

MAX_IMAGES = 5
MAX_STOCK = 1_000_000_000
MAX_MINOR = 999_999_999

type Position = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """A picture at the image service, with the service's id."""

    url: str
    thumbnail: str
    id: str


@dataclass(frozen=True)
class StoredPicture:
    """A picture at the image service; `product_id` is None for one that is not ours."""

    image: Image
    product_id: str | None
    created_at: datetime


@dataclass(frozen=True)
class Draft:
    """The fields of a new product."""

    title: str
    price: Money
    description: str = ""
    stock: int = 0
    category: str | None = None
    low_stock_threshold: int | None = None


class Changes(TypedDict, total=False):
    """The fields of a product to change; None clears one. A new price is in the product's
    currency, unless another one is given.
    """

    title: str
    description: str
    category: str | None
    low_stock_threshold: int | None
    price_amount: Decimal
    price_currency: Currency
    remove_images: tuple[str, ...]


@dataclass(frozen=True)
class Availability:
    """What the lists show of a product's stock, as of its change number `revision`."""

    in_stock: bool = False
    is_low: bool = False
    revision: int = -1


@dataclass(frozen=True)
class ShownLevel:
    """A level of stock to show, with its availability; `by_seller` tells whether the seller changed
    it.
    """

    product_id: str
    stock: int
    availability: Availability
    by_seller: bool


@dataclass(frozen=True)
class StockMovement:
    """One change of a product's stock: the differences, and who or which order made it."""

    id: str
    kind: str
    on_hand: int
    reserved: int
    by: str
    at: datetime


@dataclass(frozen=True)
class MovementPage:
    """A page of movements, newest first; the next one begins before the id `next_before`."""

    movements: tuple[StockMovement, ...]
    next_before: str | None


@dataclass(frozen=True)
class Product:
    """A product on sale; the seller's address and name are those at its creation.

    `revision` counts changes by the seller. It `is_hidden` while its seller sells nothing. The
    inventory's part: `stock` can be sold, `on_hand` is on the shelf and `reserved` of it for
    orders; `stock_revision` counts all changes of these, and `shelf_revision` those of `on_hand`.
    """

    id: str
    title: str
    description: str
    price: Money
    seller: Recipient
    images: tuple[Image, ...]
    category: str | None
    low_stock_threshold: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    shown: Availability = Availability()
    stock: int = 0
    on_hand: int = 0
    reserved: int = 0
    stock_revision: int = 0
    shelf_revision: int = 0
    is_hidden: bool = False

    @property
    def available(self) -> bool:
        """Whether there is any to sell."""
        return self.stock > 0

    @property
    def version(self) -> int:
        """The version for `If-Match`; it grows with every change but sales and cancellations."""
        return self.revision + self.shelf_revision

    def require_editor(self, caller: Caller) -> None:
        """Raise Forbidden unless `caller` sells this product or is an admin."""
        if caller.user_id != self.seller.user_id and not caller.is_admin:
            raise Forbidden("This product belongs to another seller")

    def check_images(self, changes: Changes, pictures: int) -> None:
        """Raise Invalid when `changes` remove unknown pictures or leave too many."""
        removed = set(changes.get("remove_images", ()))
        if not removed <= {image.id for image in self.images}:
            raise invalid_field("removeImages", "must be pictures of this product")
        if len(self.images) - len(removed) + pictures > MAX_IMAGES:
            raise invalid_field("images", f"a product has at most {MAX_IMAGES}")

    def changed(self, changes: Changes, added: tuple[Image, ...], now: datetime) -> "Product":
        """Return the product after a change, with the pictures that were `added`."""
        self.check_images(changes, len(added))
        values: dict[str, Any] = {**changes}
        removed = values.pop("remove_images", ())
        amount, currency = values.pop("price_amount", None), values.pop("price_currency", None)
        if amount is not None:
            values["price"] = Money.of(amount, currency or self.price.currency)
        left = tuple(image for image in self.images if image.id not in removed)
        values |= {"images": left + added, "revision": self.revision + 1, "updated_at": now}
        return replace(self, **values)


@dataclass(frozen=True)
class StockChange:
    """A change of what is on hand: to a counted number, or by a difference."""

    counted: int | None = None
    added: int = 0


class Sort(StrEnum):
    """The orders of a list."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    CHEAPEST = "price"
    DEAREST = "-price"


@dataclass(frozen=True)
class Filters:
    """Filters of a list. Prices are minor units of `currency`; both bounds are included."""

    category: str | None = None
    currency: Currency | None = None
    lowest: int | None = None
    highest: int | None = None
    in_stock: bool = False
    seller_id: str | None = None

    @property
    def are_given(self) -> bool:
        """Whether there is a filter besides the seller."""
        return self != Filters(seller_id=self.seller_id)

    def matches(self, product: Product) -> bool:
        """Return whether `product` passes the filters."""
        price = product.price
        return (
            self.category in {None, category_key(product.category)}
            and self.currency in {None, price.currency}
            and (self.lowest is None or price.minor >= self.lowest)
            and (self.highest is None or price.minor <= self.highest)
            and (product.shown.in_stock or not self.in_stock)
            and self.seller_id in {None, product.seller.user_id}
        )


@dataclass(frozen=True)
class Selection:
    """Text to search for, filters and order of a list."""

    filters: Filters = field(default_factory=Filters)
    sort: Sort = Sort.NEWEST
    text: str = ""


@dataclass(frozen=True)
class Page:
    """One page of a list, and the position of the next one; None after the last.

    A page may hold fewer products than the limit, even none, and still have a next one: a request
    reads a bounded number of products.
    """

    products: tuple[Product, ...]
    next: Position | None


@dataclass(frozen=True)
class SellerDecision:
    """Whether the products of a seller are hidden, as of the account's `revision`, and how far that
    was done: the place of the next page, and how often all pages were gone through.
    """

    seller_id: str
    revision: int
    is_hidden: bool
    place: str | None = None
    rounds: int = 0


@dataclass(frozen=True)
class SellerPage:
    """Some products of a seller, hidden ones included, and the place of the next ones; None after
    the last.
    """

    products: tuple[Product, ...]
    next: str | None


@dataclass(frozen=True)
class Entry:
    """A word and the id of a product that contains or contained it."""

    word: str
    product_id: str


@dataclass(frozen=True)
class PendingChange:
    """A change of a product that entered words in the index and has not been committed."""

    id: str
    product_id: str
    words: frozenset[str]


@dataclass(frozen=True)
class Window:
    """Some entries of a range, and the place where the next ones begin; None after the last.

    The entries of a word are sorted by product: a place is a product's id. Those of a prefix are
    sorted by word and product.
    """

    key_range: KeyRange
    entries: tuple[Entry, ...]
    next: str | None

    def may_have(self, product_id: str) -> bool:
        """Return whether this word has an entry of the product, as far as this window shows."""
        is_beyond = self.next is not None and product_id >= self.next
        return is_beyond or product_id in self._product_ids

    @cached_property
    def _product_ids(self) -> frozenset[str]:
        return frozenset(entry.product_id for entry in self.entries)


@dataclass(frozen=True)
class Document:
    """A product that is on sale, with the words of its title and description."""

    product: Product
    words: frozenset[str]
    title_words: frozenset[str]

    @classmethod
    def of(cls, product: Product) -> "Document":
        title_words = index_terms(product.title)
        return cls(product, title_words | index_terms(product.description), title_words)


def category_key(name: str | None) -> str | None:
    """Return the key of a category: case, white space and the composition of letters make no
    difference.
    """
    return None if name is None else normalize("NFC", " ".join(name.split()).casefold())


def invalid_field(field: str, message: str) -> Invalid:
    """Return the error for a field of the request."""
    return Invalid("The request is not valid", (FieldError(field, message),))
