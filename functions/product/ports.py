"""What the catalogue needs from the outside."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from product.model import (
    Availability,
    Document,
    Filters,
    Image,
    MovementPage,
    Page,
    PendingChange,
    Position,
    Product,
    SellerDecision,
    SellerPage,
    Sort,
    StockChange,
    StoredPicture,
    Window,
)
from product.words import KeyRange
from supermarket.errors import DomainError
from supermarket.transaction import Transaction

if TYPE_CHECKING:
    from product.pictures import Picture


class Products(Protocol):
    """Stores products without their stock. Reads are consistent; lists may lag a little behind. A
    change has the commit raise StaleWrite when the product is not at the given revision.
    """

    def find(self, product_id: str) -> Product | None:
        """Return the product if it was not withdrawn; it may be hidden."""

    def find_many(self, product_ids: Iterable[str]) -> dict[str, Product]:
        """Return the products that are on sale by their ids, in one read."""

    def list_images(self, product_ids: Iterable[str]) -> set[str]:
        """Return the ids of the pictures that the products have, also those that are not on sale
        any more.
        """

    def documents(self, product_ids: Iterable[str]) -> list[Document]:
        """Return the documents of the products that were not withdrawn; some may be hidden."""

    def page(self, filters: Filters, sort: Sort, after: Position | None, limit: int) -> Page:
        """Return a page of the products that match `filters`."""

    def add(self, product: Product, transaction: Transaction) -> None:
        """Add a new product."""

    def change(self, before: Product, after: Product, transaction: Transaction) -> None:
        """Write the differences."""

    def withdraw(self, product: Product, now: datetime, transaction: Transaction) -> None:
        """Take a product off sale."""

    def list_by_seller(self, seller_id: str, place: str | None, limit: int) -> SellerPage:
        """Return the next products of a seller, hidden ones included."""

    def hide(self, product: Product, transaction: Transaction) -> None:
        """Remove a product from all lists but its seller's."""

    def unhide(self, product: Product, transaction: Transaction) -> None:
        """Put a hidden product back into the lists."""

    def show_availability(
        self, product: Product, availability: Availability, transaction: Transaction
    ) -> None:
        """Show whether there is any stock. The commit raises StaleWrite when the availability of a
        later change is shown, or the product is not on sale.
        """


class Sellers(Protocol):
    """Stores the latest decision about each seller."""

    def record(self, decision: SellerDecision) -> SellerDecision | None:
        """Store a decision, unless it is stored, and return it with its progress; None when there
        is a later one.
        """

    def save(self, decision: SellerDecision) -> bool:
        """Store the progress; returns False when there is a later decision."""

    def require(
        self, decision: SellerDecision, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """The commit raises `on_conflict` when there is a later decision."""


class Stock(Protocol):
    """The stock of the products."""

    def reading(self, product_ids: Iterable[str]) -> AbstractContextManager[None]:
        """Read the stock together with the products that are read inside the block."""

    def fill(self, products: Iterable[Product]) -> list[Product]:
        """Return the products with their present stock."""

    def fill_list(self, products: Iterable[Product]) -> list[Product]:
        """Return the products with their stock for a list, reading at most two items of each. What
        can be sold of a product that many buy at once is a moment old, and what is on hand is as of
        an earlier change.
        """

    def open(self, product: Product, transaction: Transaction) -> None:
        """Store the first stock of a new product."""

    def change_offer(
        self, product: Product, changed_by: str, transaction: Transaction, *, on_sale: bool = True
    ) -> None:
        """Store another price or threshold for the orders to come, or that there are none."""

    def change(
        self,
        product: Product,
        change: StockChange,
        changed_by: str,
        transaction: Transaction,
        *,
        same_shelf: bool,
    ) -> None:
        """Change what is on hand. Raises Conflict when too little is available; the commit raises
        StaleWrite when that or, for a count and with `same_shelf`, what is on hand changed after
        the product was read.
        """

    def list_movements(self, product_id: str, before: str | None, limit: int) -> MovementPage:
        """Return the movements with ids below `before`, newest first."""


class Pictures(Protocol):
    """Stores pictures."""

    def upload(self, product_id: str, pictures: "Sequence[Picture]") -> tuple[Image, ...]:
        """Store all pictures or none. Raises Unavailable when the service does not answer."""

    def discard(self, images: Sequence[Image]) -> Sequence[Image]:
        """Delete pictures; returns those that could not be deleted, which are logged. Pictures that
        do not exist are no error.
        """

    def list_oldest(self, skip: int, limit: int) -> Sequence[StoredPicture]:
        """Return stored pictures in the order of their creation, after the first `skip`. Raises
        Unavailable when the service does not answer.
        """


class Checkpoint(Protocol):
    """How far a job has come."""

    def load(self) -> int:
        """Return the position at which the next run begins; 0 at first."""

    def save(self, position: int) -> None:
        """Store the position."""


class WithdrawnProducts(Protocol):
    """The products that are no longer on sale."""

    def withdrawn_before(self, moment: datetime) -> Iterator[Product]:
        """Yield the products that were withdrawn up to `moment`, oldest first, page by page."""

    def remove(self, product: Product) -> bool:
        """Delete the product's row; returns whether it existed."""


class Entries(Protocol):
    """The entries of the search index, sorted by word and product."""

    def windows(
        self, key_ranges: Sequence[KeyRange], start: str | None, limit: int
    ) -> list[Window]:
        """Return at most `limit` entries of each range, from a place on."""

    def add(self, words: Iterable[str], product: Product, transaction: Transaction) -> None:
        """Add entries for the words of this revision of a product, which `transaction` stores.
        Until its commit there is a pending change with these words.
        """

    def list_pending(self, moment: datetime) -> Iterator[PendingChange]:
        """Yield the changes that began up to `moment` and were not committed."""

    def undo(self, change: PendingChange, words: Iterable[str]) -> None:
        """Remove the entries of these words unless a later change has added them again, and then
        the pending change.
        """

    def remove_outdated(self, words: Iterable[str], product: Product) -> None:
        """Remove the entries, unless a later revision has added them again."""

    def remove_all(self, words: Iterable[str], product: Product) -> None:
        """Remove the entries of a deleted product."""
