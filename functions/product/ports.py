"""What the catalogue needs from the outside."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from product.model import Document, Entry, Filters, Image, Page, Position, Product, Sort
from product.pictures import Picture
from product.words import KeyRange
from supermarket.errors import DomainError
from supermarket.money import Money
from supermarket.transaction import Transaction


class Products(Protocol):
    """Stores products. Reads are consistent; lists and documents may lag a little behind. A change
    has the commit raise StaleWrite when the product is not at the given revision.
    """

    def find(self, product_id: str) -> Product | None:
        """Return the product if it is on sale."""

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """Return the products that are on sale by their ids, in one read."""

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        """Return the documents of the products that are on sale."""

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        """Return a page of the products that match `filters`."""

    def add(self, product: Product, transaction: Transaction) -> None:
        """Add a new product."""

    def change(self, before: Product, after: Product, transaction: Transaction) -> None:
        """Write the differences; the stock only if it differs."""

    def add_stock(self, before: Product, after: Product, transaction: Transaction) -> None:
        """Change the stock by the difference of both, in addition to concurrent sales. The commit
        raises StaleWrite also when the stock would be negative.
        """

    def withdraw(self, product: Product, now: datetime, transaction: Transaction) -> None:
        """Take a product off sale."""

    def reserve_stock(
        self,
        product_id: str,
        price: Money,
        quantity: int,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        """Lower the stock. Commit raises `on_conflict` when the stock is too low, the price differs
        or the product is not on sale.
        """

    def release_stock(self, product_id: str, quantity: int, transaction: Transaction) -> None:
        """Raise the stock, also of a withdrawn product."""


class Pictures(Protocol):
    """Stores pictures."""

    def upload(self, product_id: str, pictures: Sequence[Picture]) -> tuple[Image, ...]:
        """Store all pictures or none. Raises Unavailable when the service does not answer."""

    def discard(self, images: Sequence[Image]) -> Sequence[Image]:
        """Delete pictures; returns those that could not be deleted, which are logged. Pictures that
        do not exist are no error.
        """


class WithdrawnProducts(Protocol):
    """The products that are no longer on sale."""

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        """Yield the products that were withdrawn up to `moment`, oldest first, page by page."""

    def remove(self, product: Product) -> bool:
        """Delete the product's row; returns whether it existed."""


class Entries(Protocol):
    """The entries of the search index, sorted by word and product."""

    def window(
        self, key_range: KeyRange, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]:
        """Return at most `limit` entries of the range, and where the next ones begin."""

    def add(self, words: Iterable[str], product: Product) -> None:
        """Add entries for the words of this revision of a product."""

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        """Remove the entries, unless a later revision has added them again."""

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        """Remove the entries of a deleted product."""
