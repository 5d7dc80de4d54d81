"""What stock needs from the outside."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from inventory.model import (
    Bucket,
    Cause,
    Movement,
    MovementPage,
    Offer,
    Reservation,
    StockLevel,
    StockRequest,
)
from supermarket.errors import DomainError
from supermarket.transaction import Transaction


class StockLevels(Protocol):
    """Stores the buckets of each product. `read` is always the level as it was read before the
    change; `cause` becomes part of the movement.
    """

    def plan(self, product_ids: Iterable[str]) -> None:
        """Read the levels together with the next read, in one call."""

    def find_many(
        self, product_ids: Iterable[str], *, keep: bool = False
    ) -> Mapping[str, StockLevel]:
        """Return the levels of the products that have one, read consistently. With `keep`, the next
        read of them in the same request may return the same.
        """

    def find_totals(self, product_ids: Iterable[str]) -> Mapping[str, StockLevel]:
        """Return the levels of the products that have one, reading at most two items of each: of a
        product with several buckets the total that was saved last, as its only bucket.
        """

    def save_total(self, level: StockLevel) -> None:
        """Store the total of a product with several buckets, unless a later one is stored."""

    def open(self, level: StockLevel, cause: Cause, transaction: Transaction) -> None:
        """Store the first level of a product."""

    def reserve(
        self,
        read: StockLevel,
        request: StockRequest,
        quantities: Mapping[int, int],
        cause: Cause,
        transaction: Transaction,
        *,
        on_conflict: DomainError,
        on_busy: DomainError,
    ) -> None:
        """Reserve from the buckets. The commit raises `on_conflict` when one has less available,
        what it has on hand changed after the read, the price differs or the product is not on sale,
        `on_busy` when another transaction holds one.
        """

    def release(
        self, product_id: str, quantities: Mapping[int, int], cause: Cause, transaction: Transaction
    ) -> None:
        """Return reserved stock to the buckets, also of a product that is not on sale."""

    def ship(
        self, product_id: str, quantities: Mapping[int, int], cause: Cause, transaction: Transaction
    ) -> None:
        """Remove reserved stock from the buckets."""

    def adjust(
        self,
        read: StockLevel,
        differences: Mapping[int, int],
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
        *,
        same_shelf: bool,
    ) -> None:
        """Change what is on hand. The commit raises `on_conflict` when less is available than is
        taken or, with `same_shelf`, when what is on hand changed after the read.
        """

    def change_offer(
        self,
        read: StockLevel,
        offer: Offer,
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        """Store another offer in every bucket. The commit raises `on_conflict` when a bucket was
        added after the read.
        """

    def split(
        self,
        read: StockLevel,
        source: Bucket,
        moved: int,
        added: int,
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        """Move so much available stock from `source` to each of `added` new buckets; the first
        split also saves the total. The commit raises `on_conflict` when buckets were added after
        the read or less is available.
        """


class Reservations(Protocol):
    """Stores what each order holds."""

    def find(self, order_id: str) -> Reservation | None:
        """Return the order's reservation, read consistently."""

    def add(self, reservation: Reservation, transaction: Transaction) -> None:
        """Store a new reservation."""

    def remove(
        self, reservation: Reservation, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Remove a reservation. The commit raises `on_conflict` when it is gone."""


class Movements(Protocol):
    """Stores the history of stock."""

    def add_all(self, movements: Sequence[Movement]) -> None:
        """Store movements; those that are stored already stay as they are."""

    def list_by_product(self, product_id: str, before: str | None, limit: int) -> MovementPage:
        """Return the product's movements with ids below `before`, newest first."""
