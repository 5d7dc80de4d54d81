"""What orders need from their own store, the cart, the stock and the address book."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from order.model import Order, OrderLine, OrderStatus
from supermarket.errors import DomainError, FieldError
from supermarket.people import Address
from supermarket.transaction import Transaction


@dataclass(frozen=True)
class Cart:
    """A customer's cart as the lines of an order, all in one currency. `problems` has an error for
    each line that cannot be ordered as it is. Every change of the cart increases `version`.
    """

    user_id: str
    version: int
    lines: tuple[OrderLine, ...]
    problems: tuple[FieldError, ...]


@dataclass(frozen=True)
class OrderPage:
    """A page of a customer's orders; the next page begins before the id `next_before`, which is
    None on the last page.
    """

    orders: tuple[Order, ...]
    next_before: str | None


class Stock(Protocol):
    """The stock of the products."""

    def reserve(self, order: Order, prepare: Callable[[], Transaction]) -> None:
        """Reserve the lines of the order and commit, in one transaction with the writes that
        `prepare` adds to a new one. It may be called several times.

        Raises ItemsUnavailable when a line cannot be had as it is, and Busy when too many reserve
        the same product at once.
        """

    def release(self, order: Order, transaction: Transaction) -> None:
        """Return what the order holds. The commit raises StaleWrite when it holds nothing."""

    def ship(self, order: Order, transaction: Transaction) -> None:
        """Remove what the order holds from the shelf. The commit raises StaleWrite when it holds
        nothing.
        """


class Carts(Protocol):
    """The carts of the customers."""

    def get_cart(self, user_id: str) -> Cart:
        """Return the user's cart; without lines when there is none."""

    def empty(self, cart: Cart, transaction: Transaction, on_conflict: DomainError) -> None:
        """Remove everything from the cart. The commit raises `on_conflict` when the cart has
        another version.
        """


class AddressBook(Protocol):
    """The addresses that customers have saved."""

    def find(self, user_id: str, address_id: str) -> Address:
        """Return a saved address. Raises NotFound when the user has no such address."""


class Orders(Protocol):
    """The stored orders."""

    def find_many(self, order_ids: Collection[str]) -> Sequence[Order]:
        """Return the known orders among these."""

    def find(self, order_id: str) -> Order | None:
        """Return the order, read consistently."""

    def list_by_customer(
        self, user_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        """Return the customer's orders with ids below `before`, newest first."""

    def list_expired(self, moment: datetime, limit: int) -> list[str]:
        """Return the ids of orders whose reservation ended by `moment`, oldest first."""

    def add(self, order: Order, transaction: Transaction) -> None:
        """Store a new order. The commit raises StaleWrite when its id exists."""

    def save(
        self, read: Order, order: Order, unchanged: Collection[str], transaction: Transaction
    ) -> None:
        """Store the fields in which the order differs from `read`, the order before the change. The
        commit raises StaleWrite when a stored field of those in `unchanged` differs from `read`.
        """
