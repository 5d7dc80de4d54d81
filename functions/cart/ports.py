"""What carts need from their own store, the catalogue and the accounts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from cart.model import Cart, CartLine, Product
from supermarket.errors import DomainError
from supermarket.people import Recipient
from supermarket.transaction import AddWrites, Transaction, add_nothing


class Catalogue(Protocol):
    """The products on sale."""

    def find_many(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Return the products that are on sale, by id."""


class Carts(Protocol):
    """One cart per customer. Each change is one atomic write, so that concurrent changes are all
    kept. A change that the rules of the cart forbid (`check_add`, `check_change`) returns None.
    """

    def find(self, user_id: str) -> Cart | None:
        """Return the cart, read consistently, even if it has expired."""

    def add(
        self, user_id: str, line: CartLine, max_quantity: int, also: AddWrites = add_nothing
    ) -> Cart | None:
        """Raise the quantity of a product, up to `max_quantity`, and store its title and price.
        `also` adds writes that happen with it.
        """

    def change(self, user_id: str, line: CartLine, max_quantity: int) -> Cart | None:
        """Set quantity, title and price of a product in the cart."""

    def remove(self, user_id: str, product_id: str) -> Cart | None:
        """Remove a product; None when the cart does not have it."""

    def clear(self, user_id: str) -> None:
        """Remove everything."""

    def empty(
        self, user_id: str, version: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Remove everything. The commit raises `on_conflict` when the cart has another version."""

    def list_pending(self, unchanged_since: datetime) -> Iterator[Sequence[Cart]]:
        """Yield pages of the carts with a pending reminder, as they are now: some may have changed
        since. Adding a product makes the reminder pending.
        """

    def clear_reminder(
        self, cart: Cart, reminded_at: datetime | None, transaction: Transaction
    ) -> None:
        """Make a cart not pending. The commit raises StaleWrite when it is not pending any more or
        has another version.
        """


class Customers(Protocol):
    """The customers who own the carts."""

    def find(self, user_id: str) -> Recipient | None:
        """Return where to reach a customer; None when the account was removed."""
