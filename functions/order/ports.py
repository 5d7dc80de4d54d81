"""What orders need from their own store, the cart, the stock, the payments and the accounts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from order.model import Order, OrderLine, OrderStatus, PaymentStatus, ReservationLimits
from supermarket.day_lists import Days
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


class Customers(Protocol):
    """The accounts of the customers."""

    def has_verified_email(self, user_id: str) -> bool:
        """Return whether the customer has confirmed the address of the account."""


class Payments(Protocol):
    """The payments of the orders. Their own state decides, since events about them may be late."""

    def pin_status(self, order_id: str, transaction: Transaction) -> PaymentStatus:
        """Return the state of the order's payment, PENDING when it has none. The commit raises
        StaleWrite when the payment has changed, or was opened, since.
        """

    def require_shippable(self, order_id: str, transaction: Transaction) -> None:
        """Raise WrongStatus unless the order is paid and its money stays with the shop. The commit
        raises StaleWrite when the payment has changed since.
        """


class Lag(Protocol):
    """How late the events are that orders are waiting for."""

    def oldest_event(self) -> timedelta:
        """Return the age of the oldest event that was not sent, or not handled by orders."""


@dataclass(frozen=True)
class Reservation:
    """An open reservation, and when it ends."""

    order_id: str
    ends_at: datetime


class Reservations(Protocol):
    """The open reservations, in several shards."""

    @property
    def shards(self) -> Collection[str]: ...

    def list_expired(self, moment: datetime, shard: str) -> Iterator[Reservation]:
        """Yield the shard's reservations that ended by `moment`, oldest first."""

    def postpone(self, order_id: str, until: datetime) -> None:
        """List the order's reservation as if it ended at `until`."""


class Orders(Protocol):
    """The stored orders."""

    def find_many(self, order_ids: Collection[str]) -> Sequence[Order]:
        """Return the known orders among these."""

    def find(self, order_id: str) -> Order | None:
        """Return the order, read consistently."""

    def list_by_day(self, days: Days, limit: int) -> tuple[list[Order], Days | None]:
        """Return the orders of the days, newest first, and the days that are left; None after the
        last. Eventually consistent.
        """

    def list_by_customer(
        self, user_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        """Return the customer's orders with ids below `before`, newest first."""

    def add(self, order: Order, limits: ReservationLimits | None, transaction: Transaction) -> None:
        """Store a new order and count what its customer reserves. The commit raises StaleWrite when
        its id exists, and TooManyReservations when the customer would reserve more than `limits`.
        """

    def save(
        self, read: Order, order: Order, unchanged: Collection[str], transaction: Transaction
    ) -> None:
        """Store the fields in which the order differs from `read`, the order before the change, and
        count what its customer no longer reserves. The commit raises StaleWrite when a stored field
        of those in `unchanged` differs from `read`; a reservation ends with `status` among them.
        """
