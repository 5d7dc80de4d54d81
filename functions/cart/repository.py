"""Carts in DynamoDB: one row per customer, whose maps are changed entry by entry."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from zlib import crc32

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError, UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from cart.model import LIFETIME, MAX_ITEMS, Cart, CartLine
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import (
    TRANSACTION_CONFLICT,
    error_code,
    retry_on_transaction_conflict,
)
from supermarket.errors import DomainError, Unavailable
from supermarket.money import Currency, Money
from supermarket.transaction import Transaction

REFUSED = "ConditionalCheckFailedException"
ITEM_MAPS = ("quantities", "prices", "titles", "addedAt")

# every change of a cart moves it within the index, of which a partition takes 1,000 writes a second
SHELVES = 8
CARTS_PER_PAGE = 25


class ByWaiting(GlobalSecondaryIndex["CartRow"]):
    """The carts whose owners may have to be reminded of them, by their last change."""

    class Meta:
        index_name = "byWaiting"
        projection = KeysOnlyProjection()

    waiting = UnicodeAttribute(hash_key=True)
    updated_at = UnicodeAttribute(range_key=True, attr_name="updatedAt")


class CartRow(Row):
    """A customer's cart; the maps have an entry per item, under the product's id.

    They are flat, since DynamoDB can add to an entry that is not there yet only in a map that is.
    `waiting` is there from when something is put in until the cart is emptied or reminded of.
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
    waiting = UnicodeAttribute(null=True)
    reminded_at = UnicodeAttribute(null=True, attr_name="remindedAt")

    by_waiting = ByWaiting()


class DynamoCarts:
    """`Carts` and `WaitingCarts` in DynamoDB. TTL deletes late, so an expired cart is treated as
    none.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def find(self, user_id: str) -> Cart | None:
        row = self._read(user_id)
        return _cart(row) if row else None

    def add(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        if line.quantity > at_most:
            return None
        quantity = Path(["quantities", line.product_id])
        is_new_and_fits = quantity.does_not_exist() & (size(CartRow.quantities) < MAX_ITEMS)
        enough_is_left = quantity <= at_most - line.quantity
        no_other_currency = _is_in(line.price_when_added.currency) | (size(CartRow.quantities) == 0)
        return self._update(
            user_id,
            [
                quantity.set((quantity | 0) + line.quantity),
                *_details(line),
                CartRow.waiting.set(_shelf(user_id)),
            ],
            (is_new_and_fits | enough_is_left) & no_other_currency,
        ) or self._begin(user_id, line)

    def change(self, user_id: str, line: CartLine, at_most: int) -> Cart | None:
        if line.quantity > at_most:
            return None
        quantity = Path(["quantities", line.product_id])
        return self._update(
            user_id,
            [quantity.set(line.quantity), *_details(line)],
            quantity.exists() & _is_in(line.price_when_added.currency),
        )

    def remove(self, user_id: str, product_id: str) -> Cart | None:
        entries = [Path([name, product_id]) for name in ITEM_MAPS]
        return self._update(user_id, [entry.remove() for entry in entries], entries[0].exists())

    def clear(self, user_id: str) -> None:
        self._update(user_id, _nothing_in_it(), CartRow.user_id.exists())

    def empty(self, cart: Cart, transaction: Transaction, on_conflict: DomainError) -> None:
        DynamoTransaction.of(transaction).update(
            CartRow(cart.user_id),
            [*_nothing_in_it(), *self._touched()],
            condition=CartRow.version == cart.version,
            on_conflict=on_conflict,
        )

    def waiting(self, unchanged_since: datetime) -> Iterator[Sequence[Cart]]:
        for shelf in range(SHELVES):
            until = CartRow.updated_at <= iso(unchanged_since)
            found = CartRow.by_waiting.query(str(shelf), until, page_size=CARTS_PER_PAGE)
            for page in batched(found, CARTS_PER_PAGE, strict=False):
                # the index may lag behind, and has the keys only
                ids = [row.user_id for row in page]
                yield [_cart(row) for row in CartRow.batch_get(ids, consistent_read=True)]

    def stop_waiting(
        self,
        cart: Cart,
        reminded_at: datetime | None,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        # an order that has read the cart must still be able to empty it: its version stays
        reminded = [CartRow.reminded_at.set(iso(reminded_at))] if reminded_at else []
        DynamoTransaction.of(transaction).update(
            CartRow(cart.user_id),
            [CartRow.waiting.remove(), *reminded],
            condition=(CartRow.version == cart.version) & CartRow.waiting.exists(),
            on_conflict=on_conflict,
        )

    def _update(self, user_id: str, actions: Sequence[Action], condition: Condition) -> Cart | None:
        """The cart after the change; None when it was refused, also because there is no cart."""
        row = CartRow(user_id)
        alive = CartRow.expires_at > int(self._clock().timestamp())
        changes = [*actions, *self._touched()]
        try:
            # an order may be emptying this very cart
            retry_on_transaction_conflict(lambda: row.update(changes, condition=alive & condition))
        except UpdateError as failure:
            if error_code(failure) == REFUSED:
                return None
            if error_code(failure) == TRANSACTION_CONFLICT:
                raise Unavailable("Your cart is being changed elsewhere. Try again.") from failure
            raise
        return _cart(row)

    def _begin(self, user_id: str, line: CartLine) -> Cart | None:
        """A new cart with this line; None when there is one by now."""
        now = self._clock()
        old = self._read(user_id)
        if old and old.expires_at > now.timestamp():
            return None
        row = CartRow(
            user_id,
            # higher than any that an order may have read
            version=old.version + 1 if old else 1,
            quantities={line.product_id: line.quantity},
            prices={line.product_id: line.price_when_added.minor},
            titles={line.product_id: line.title},
            added_at={line.product_id: iso(line.added_at)},
            currency=line.price_when_added.currency.value,
            updated_at=iso(now),
            expires_at=int((now + LIFETIME).timestamp()),
            waiting=_shelf(user_id),
        )
        free = CartRow.user_id.does_not_exist() | (CartRow.expires_at <= int(now.timestamp()))
        try:
            row.save(condition=free)
        except PutError as failure:
            if error_code(failure) != REFUSED:
                raise
            return None
        return _cart(row)

    def _read(self, user_id: str) -> CartRow | None:
        try:
            return CartRow.get(user_id, consistent_read=True)
        except CartRow.DoesNotExist:
            return None

    def _touched(self) -> list[Action]:
        """What every change does besides."""
        now = self._clock()
        return [
            CartRow.version.add(1),
            CartRow.updated_at.set(iso(now)),
            CartRow.expires_at.set(int((now + LIFETIME).timestamp())),
        ]


def _is_in(currency: Currency) -> Condition:
    return CartRow.currency == currency.value


def _details(line: CartLine) -> list[Action]:
    added_at = Path(["addedAt", line.product_id])
    return [
        Path(["prices", line.product_id]).set(line.price_when_added.minor),
        Path(["titles", line.product_id]).set(line.title),
        added_at.set(added_at | iso(line.added_at)),
        CartRow.currency.set(line.price_when_added.currency.value),
    ]


def _nothing_in_it() -> list[Action]:
    return [*(Path(name).set({}) for name in ITEM_MAPS), CartRow.waiting.remove()]


def _shelf(user_id: str) -> str:
    return str(crc32(user_id.encode()) % SHELVES)


def _cart(row: CartRow) -> Cart:
    lines = [_line(row, product_id) for product_id in row.quantities]
    return Cart(
        user_id=row.user_id,
        version=int(row.version),
        lines=tuple(sorted(lines, key=lambda line: (line.added_at, line.product_id))),
        updated_at=from_iso(row.updated_at),
        expires_at=datetime.fromtimestamp(row.expires_at, UTC),
        reminded_at=from_iso(row.reminded_at) if row.reminded_at else None,
    )


def _line(row: CartRow, product_id: str) -> CartLine:
    return CartLine(
        product_id=product_id,
        quantity=row.quantities[product_id],
        price_when_added=Money(row.prices[product_id], Currency(row.currency)),
        title=row.titles[product_id],
        added_at=from_iso(row.added_at[product_id]),
    )
