"""Stock in DynamoDB: a partition per product with its buckets, their total and its movements, one
per order with its reservation.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

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
from supermarket.dynamo.batches import put_many
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write
from supermarket.errors import DomainError
from supermarket.transaction import Transaction

BUCKET = "bucket#"
MOVEMENT = "movement#"
TOTAL = "total"
RESERVATION = "reservation"


_minor, _currency = Path("offer.price.minor"), Path("offer.price.currency")
_is_on_sale, _total_changes = Path("offer.is_on_sale"), Path("total.changes")


class BucketRow(Row):
    """A bucket. The first one of a product also has their number, which is one at first."""

    Meta = table("inventory")

    subject = UnicodeAttribute(hash_key=True)  # the product's id
    part = UnicodeAttribute(range_key=True)
    on_hand = NumberAttribute(attr_name="onHand")
    reserved = NumberAttribute()
    available = NumberAttribute()
    changes = NumberAttribute()
    shelf_changes = NumberAttribute(attr_name="shelfChanges")
    buckets = NumberAttribute(null=True)
    offer = Mapped[Offer](Offer)
    cause = Mapped[Cause](Cause)

    @classmethod
    def of(
        cls, product_id: str, bucket: Bucket, offer: Offer, cause: Cause, buckets: int | None = None
    ) -> Self:
        return cls(
            product_id,
            part_of(bucket.number),
            on_hand=bucket.on_hand,
            reserved=bucket.reserved,
            available=bucket.available,
            changes=bucket.changes,
            shelf_changes=bucket.shelf_changes,
            buckets=buckets,
            offer=offer,
            cause=cause,
        )

    def bucket(self) -> Bucket:
        names = ("on_hand", "reserved", "available", "changes", "shelf_changes")
        number = int(self.part.removeprefix(BUCKET))
        return Bucket(number, **{name: int(getattr(self, name)) for name in names})


class TotalRow(Row):
    """The sum of the buckets of a product that was split, for lists: a moment old."""

    Meta = table("inventory")

    subject = UnicodeAttribute(hash_key=True)  # the product's id
    part = UnicodeAttribute(range_key=True, default=TOTAL)
    total = Mapped[Bucket](Bucket)


class ReservationRow(Row):
    """What an order holds, by product and bucket."""

    Meta = table("inventory")

    subject = UnicodeAttribute(hash_key=True)  # the order's id
    part = UnicodeAttribute(range_key=True, default=RESERVATION)
    reservation = Mapped[Reservation](Reservation)


class MovementRow(Row):
    """A movement."""

    Meta = table("inventory")

    subject = UnicodeAttribute(hash_key=True)  # the product's id
    part = UnicodeAttribute(range_key=True)
    movement = Mapped[Movement](Movement)


class DynamoStockLevels:
    """`StockLevels` in DynamoDB."""

    def plan(self, product_ids: Iterable[str]) -> None:
        for product_id in product_ids:
            BucketRow.plan_read(product_id, part_of(0))

    def find_many(
        self, product_ids: Iterable[str], *, keep: bool = False
    ) -> Mapping[str, StockLevel]:
        keys = [(product_id, part_of(0)) for product_id in product_ids]
        firsts = BucketRow.find_many(keys, keep=keep)
        others = BucketRow.find_many(
            (first.subject, part_of(number))
            for first in firsts
            for number in range(1, int(first.buckets or 1))
        )
        rows = {first.subject: [first] for first in firsts}
        for row in others:
            rows[row.subject].append(row)
        return {product_id: level_of(buckets) for product_id, buckets in rows.items()}

    def find_totals(self, product_ids: Iterable[str]) -> Mapping[str, StockLevel]:
        firsts = BucketRow.find_many((product_id, part_of(0)) for product_id in product_ids)
        split = [(row.subject, TOTAL) for row in firsts if (row.buckets or 1) > 1]
        totals = {row.subject: row.total for row in TotalRow.find_many(split)}
        return {
            row.subject: StockLevel(
                row.subject, row.offer, (totals.get(row.subject) or row.bucket(),)
            )
            for row in firsts
        }

    def save_total(self, level: StockLevel) -> None:
        is_later = TotalRow.subject.does_not_exist() | (_total_changes < level.changes)
        row = TotalRow(level.product_id, total=level.total)
        try_write(lambda: row.save(is_later))

    def open(self, level: StockLevel, cause: Cause, transaction: Transaction) -> None:
        row = BucketRow.of(level.product_id, level.buckets[0], level.offer, cause, buckets=1)
        DynamoTransaction.of(transaction).put(row, BucketRow.subject.does_not_exist())

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
        for number, quantity in quantities.items():
            as_shown = (
                (BucketRow.available >= quantity)
                # after a count, other buckets may lack what this one has
                & (BucketRow.shelf_changes == read.buckets[number].shelf_changes)
                & (_minor == request.price.minor)
                & (_currency == request.price.currency.value)
                & (_is_on_sale == True)  # noqa: E712 - a condition
            )
            actions = _change(cause, reserved=quantity)
            row = BucketRow(request.product_id, part_of(number))
            DynamoTransaction.of(transaction).update(row, actions, as_shown, on_conflict, on_busy)

    def release(
        self, product_id: str, quantities: Mapping[int, int], cause: Cause, transaction: Transaction
    ) -> None:
        for number, quantity in quantities.items():
            _update(product_id, number, _change(cause, reserved=-quantity), transaction)

    def ship(
        self, product_id: str, quantities: Mapping[int, int], cause: Cause, transaction: Transaction
    ) -> None:
        for number, quantity in quantities.items():
            actions = _change(cause, on_hand=-quantity, reserved=-quantity)
            _update(product_id, number, actions, transaction)

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
        for bucket in read.buckets:
            difference = differences.get(bucket.number)
            conditions = _adjustable(bucket, difference or 0, same_shelf=same_shelf)
            if difference is not None:
                actions = _change(cause, on_hand=difference)
                _update(
                    read.product_id, bucket.number, actions, transaction, conditions, on_conflict
                )
            elif conditions is not None:
                row = BucketRow(read.product_id, part_of(bucket.number))
                DynamoTransaction.of(transaction).condition_check(row, conditions, on_conflict)

    def change_offer(
        self,
        read: StockLevel,
        offer: Offer,
        cause: Cause,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        for bucket in read.buckets:
            actions = [*_change(cause), BucketRow.offer.set(offer)]
            as_read = None if bucket.number else BucketRow.buckets == len(read.buckets)
            _update(read.product_id, bucket.number, actions, transaction, as_read, on_conflict)

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
        number = len(read.buckets)
        if number == 1:
            total = TotalRow(read.product_id, total=read.total)
            DynamoTransaction.of(transaction).put(total)
        for new in range(number, number + added):
            bucket = Bucket(new, on_hand=moved, reserved=0, available=moved)
            row = BucketRow.of(read.product_id, bucket, read.offer, cause)
            is_new = BucketRow.subject.does_not_exist()
            DynamoTransaction.of(transaction).put(row, is_new, on_conflict)
        changed = [BucketRow.changes.add(1), BucketRow.cause.set(cause)]
        counted = [BucketRow.buckets.set(number + added)]
        is_latest = BucketRow.buckets == number
        actions = [
            *changed,
            BucketRow.on_hand.add(-moved * added),
            BucketRow.available.add(-moved * added),
        ]
        enough = (BucketRow.available >= moved * added) & (BucketRow.offer == read.offer)
        if source.number == 0:
            actions, enough = actions + counted, enough & is_latest
        else:
            first = [*changed, *counted]
            _update(read.product_id, 0, first, transaction, is_latest, on_conflict)
        _update(read.product_id, source.number, actions, transaction, enough, on_conflict)


class DynamoReservations:
    """`Reservations` in DynamoDB."""

    def find(self, order_id: str) -> Reservation | None:
        row = ReservationRow.find(order_id, RESERVATION)
        return row.reservation if row else None

    def add(self, reservation: Reservation, transaction: Transaction) -> None:
        row = ReservationRow(reservation.order_id, RESERVATION, reservation=reservation)
        DynamoTransaction.of(transaction).put(row, ReservationRow.subject.does_not_exist())

    def remove(
        self, reservation: Reservation, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        row = ReservationRow(reservation.order_id, RESERVATION)
        is_there = ReservationRow.subject.exists()
        DynamoTransaction.of(transaction).delete(row, is_there, on_conflict)


class DynamoMovements:
    """`Movements` in DynamoDB."""

    def add_all(self, movements: Sequence[Movement]) -> None:
        put_many(
            MovementRow(each.product_id, MOVEMENT + each.id, movement=each) for each in movements
        )

    def list_by_product(self, product_id: str, before: str | None, limit: int) -> MovementPage:
        condition = (
            MovementRow.part.startswith(MOVEMENT)
            if before is None
            else MovementRow.part.between(MOVEMENT, MOVEMENT + before)
        )
        rows = list(
            MovementRow.query(product_id, condition, scan_index_forward=False, limit=limit + 2)
        )
        found = [row.movement for row in rows if row.movement.id != before]
        page = tuple(found[:limit])
        return MovementPage(page, page[-1].id if len(found) > limit else None)


def part_of(number: int) -> str:
    return f"{BUCKET}{number:02d}"


def level_of(rows: Sequence[BucketRow]) -> StockLevel:
    """Return the level of a product from all its rows, in any order."""
    ordered = sorted(rows, key=lambda row: row.part)
    buckets = tuple(row.bucket() for row in ordered)
    return StockLevel(ordered[0].subject, ordered[0].offer, buckets)


def bucket_row_of(image: Mapping[str, Any]) -> BucketRow:
    """Return the row of a stream record's image."""
    return BucketRow.from_raw_data(dict(image))


def _change(cause: Cause, *, on_hand: int | None = None, reserved: int = 0) -> list[Action]:
    """Return the actions that change a bucket by these differences; a count of what is on hand may
    find none.
    """
    return [
        BucketRow.on_hand.add(on_hand or 0),
        BucketRow.reserved.add(reserved),
        BucketRow.available.add((on_hand or 0) - reserved),
        BucketRow.changes.add(1),
        BucketRow.shelf_changes.add(int(on_hand is not None)),
        BucketRow.cause.set(cause),
    ]


def _adjustable(bucket: Bucket, difference: int, *, same_shelf: bool) -> Condition | None:
    """Return the condition under which what was read permits the difference."""
    conditions: list[Condition] = []
    if same_shelf:
        conditions.append(BucketRow.shelf_changes == bucket.shelf_changes)
    if -difference > bucket.available:  # a count below what is reserved
        conditions.append(BucketRow.available == bucket.available)
    elif difference < 0:
        conditions.append(BucketRow.available >= -difference)
    return reduce(and_, conditions) if conditions else None


def _update(
    product_id: str,
    number: int,
    actions: Sequence[Action],
    transaction: Transaction,
    condition: Condition | None = None,
    on_conflict: DomainError | None = None,
) -> None:
    row = BucketRow(product_id, part_of(number))
    DynamoTransaction.of(transaction).update(row, actions, condition, on_conflict)
