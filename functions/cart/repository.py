"""Carts in DynamoDB: one row per customer, whose maps are changed entry by entry.

The conditions of `add` and `change` are those of `check_add` and `check_change`: DynamoDB checks
them in the write, so that no concurrent change can break them.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from random import SystemRandom
from zlib import crc32

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from cart.model import LIFETIME, MAX_ITEMS, Cart, CartLine
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction, update_once
from supermarket.dynamo.writes import update_if
from supermarket.errors import DomainError
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import AddWrites, Transaction, add_nothing

ITEM_MAPS = ("quantities", "prices", "titles", "addedAt")

# every change of a cart moves it within the index; one partition takes 1,000 writes per second
SHARDS = 8
CARTS_PER_PAGE = 25

_random = SystemRandom()


class CartRow(Row):
    """A customer's cart; the maps have an entry per item, under the product's id.

    The maps are flat, since DynamoDB cannot add to an entry of a map that does not exist.
    `pending_reminder` is the shard of a pending cart.
    """

    Meta = table("cart")

    user_id = UnicodeAttribute(hash_key=True, attr_name="userId")
    version = NumberAttribute()
    quantities: MapAttribute[str, int] = MapAttribute(default=dict)
    prices: MapAttribute[str, int] = MapAttribute(default=dict)
    titles: MapAttribute[str, str] = MapAttribute(default=dict)
    added_at: MapAttribute[str, str] = MapAttribute(default=dict, attr_name="addedAt")
    currency = UnicodeAttribute(null=True)
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    expires_at = NumberAttribute(attr_name="expiresAt")
    pending_reminder = UnicodeAttribute(null=True, attr_name="pendingReminder")
    reminded_at = UnicodeAttribute(null=True, attr_name="remindedAt")

    by_pending = index("byPendingReminder", "pendingReminder", "updatedAt", keys_only=True)


class DynamoCarts:
    """`Carts` in DynamoDB. TTL deletes late, so an expired cart counts as none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @staticmethod
    def plan_read(user_id: str) -> None:
        """Read the cart together with the session."""
        CartRow.plan_read(user_id)

    def find(self, user_id: str) -> Cart | None:
        row = CartRow.find(user_id)
        return _cart(row) if row else None

    def add(
        self, user_id: str, line: CartLine, max_quantity: int, also: AddWrites = add_nothing
    ) -> Cart | None:
        if line.quantity > max_quantity:
            return None
        quantity = Path(["quantities", line.product_id])
        is_new = quantity.does_not_exist() & (size(CartRow.quantities) < MAX_ITEMS)
        stays_below = quantity <= max_quantity - line.quantity
        currency = line.price_when_added.currency.value
        same_currency = (CartRow.currency == currency) | (size(CartRow.quantities) == 0)
        condition = (is_new | stays_below) & same_currency
        actions = [
            quantity.set((quantity | 0) + line.quantity),
            *_line_actions(line, keeps_price=True),
            CartRow.pending_reminder.set(str(crc32(user_id.encode()) % SHARDS)),
        ]
        cart = self._update(user_id, actions, condition, also)
        if cart is None and self._create(user_id):
            cart = self._update(user_id, actions, condition, also)
        return cart

    def change(self, user_id: str, line: CartLine, max_quantity: int) -> Cart | None:
        if line.quantity > max_quantity:
            return None
        quantity = Path(["quantities", line.product_id])
        return self._update(
            user_id,
            [quantity.set(line.quantity), *_line_actions(line)],
            quantity.exists() & (CartRow.currency == line.price_when_added.currency.value),
        )

    def remove(self, user_id: str, product_id: str) -> Cart | None:
        entries = [Path([name, product_id]) for name in ITEM_MAPS]
        return self._update(user_id, [entry.remove() for entry in entries], entries[0].exists())

    def clear(self, user_id: str) -> None:
        is_open = CartRow.expires_at > self._now()
        update_if(CartRow(user_id), [*_empty_actions(), *self._touch_actions()], is_open)

    def empty(
        self, user_id: str, version: int, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        DynamoTransaction.of(transaction).update(
            CartRow(user_id),
            [*_empty_actions(), *self._touch_actions()],
            CartRow.version == version,
            on_conflict,
        )

    def list_pending(self, unchanged_since: datetime) -> Iterator[Sequence[Cart]]:
        # each shard is first at times: a run may end before the last one
        first = _random.randrange(SHARDS)
        for shard in (*range(first, SHARDS), *range(first)):
            until = CartRow.updated_at <= iso(unchanged_since)
            found = CartRow.by_pending.query(str(shard), until, page_size=CARTS_PER_PAGE)
            for page in batched(found, CARTS_PER_PAGE, strict=False):
                # the index lags behind and has only the keys
                rows = CartRow.find_many((row.user_id,) for row in page)
                yield [_cart(row) for row in rows]

    def clear_reminder(
        self, cart: Cart, reminded_at: datetime | None, transaction: Transaction
    ) -> None:
        # the version stays, so that an order that has read the cart can empty it
        reminded = [CartRow.reminded_at.set(iso(reminded_at))] if reminded_at else []
        DynamoTransaction.of(transaction).update(
            CartRow(cart.user_id),
            [CartRow.pending_reminder.remove(), *reminded],
            (CartRow.version == cart.version) & CartRow.pending_reminder.exists(),
            StaleWrite(),
        )

    def _update(
        self,
        user_id: str,
        actions: Sequence[Action],
        condition: Condition,
        also: AddWrites = add_nothing,
    ) -> Cart | None:
        """Return the cart after the change; None when the condition fails or there is no cart."""
        changes = [*actions, *self._touch_actions()]
        is_open = CartRow.expires_at > self._now()
        written = update_once(CartRow(user_id), changes, is_open & condition, also)
        return self.find(user_id) if written else None

    def _create(self, user_id: str) -> bool:
        """Store an empty cart unless there is one. The version of an expired cart goes on, so that
        it is higher than any that an order has read.
        """
        actions = [*_empty_actions(), CartRow.reminded_at.remove(), *self._touch_actions()]
        no_cart = CartRow.user_id.does_not_exist() | (CartRow.expires_at <= self._now())
        return update_once(CartRow(user_id), actions, no_cart)

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _touch_actions(self) -> list[Action]:
        """Return the actions that are part of every change."""
        now = self._clock()
        return [
            CartRow.version.add(1),
            CartRow.updated_at.set(iso(now)),
            CartRow.expires_at.set(int((now + LIFETIME).timestamp())),
        ]


def _line_actions(line: CartLine, *, keeps_price: bool = False) -> list[Action]:
    """Return the actions that store a line, except for its quantity. The price of a line that is
    in the cart can be kept.
    """
    price, title, added_at = (Path([name, line.product_id]) for name in ITEM_MAPS[1:])
    minor = line.price_when_added.minor
    return [
        price.set(price | minor if keeps_price else minor),
        title.set(line.title),
        added_at.set(added_at | iso(line.added_at)),
        CartRow.currency.set(line.price_when_added.currency.value),
    ]


def _empty_actions() -> list[Action]:
    return [*(Path(name).set({}) for name in ITEM_MAPS), CartRow.pending_reminder.remove()]


def _cart(row: CartRow) -> Cart:
    lines = [
        CartLine(
            product_id=product_id,
            quantity=row.quantities[product_id],
            price_when_added=Money(row.prices[product_id], Currency(row.currency)),
            title=row.titles[product_id],
            added_at=from_iso(row.added_at[product_id]),
        )
        for product_id in row.quantities
    ]
    return Cart(
        user_id=row.user_id,
        version=int(row.version),
        lines=tuple(sorted(lines, key=lambda line: (line.added_at, line.product_id))),
        updated_at=from_iso(row.updated_at),
        expires_at=datetime.fromtimestamp(row.expires_at, UTC),
        reminded_at=from_iso(row.reminded_at) if row.reminded_at else None,
    )
