"""Orders in DynamoDB: a row per order, an index by customer, a sparse index of reservations, and a
row per customer that counts what is reserved.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import and_
from zlib import crc32

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from order.model import Order, OrderStatus, ReservationLimits, TooManyReservations
from order.ports import OrderPage, Reservation
from supermarket.clock import from_iso, iso
from supermarket.day_lists import Days, partition_of, read_days
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import update_if
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

# every order is written to the index and deleted from it; one partition takes 1,000 writes a second
SHARDS = tuple(f"open#{number}" for number in range(8))
RESERVATIONS = "reservations#"  # the prefix of a customer's id
ROWS_PER_PAGE = 200
STALE = "The order changed at the same time. Check it and try again."


class ByCustomer(GlobalSecondaryIndex["OrderRow"]):
    """A customer's orders; their ids sort by time."""

    class Meta:
        index_name = "byCustomer"
        projection = AllProjection()

    customer_id = UnicodeAttribute(hash_key=True, attr_name="customerId")
    order_id = UnicodeAttribute(range_key=True, attr_name="orderId")


class ByReservation(GlobalSecondaryIndex["OrderRow"]):
    """The orders that are not paid, in shards, by the time at which they are to be released."""

    class Meta:
        index_name = "byReservation"
        projection = KeysOnlyProjection()

    reservation = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True, attr_name="dueAt")


class ByDay(GlobalSecondaryIndex["OrderRow"]):
    """All orders, by a partition of `day_lists`."""

    class Meta:
        index_name = "byDay"
        projection = KeysOnlyProjection()

    day = UnicodeAttribute(hash_key=True)
    order_id = UnicodeAttribute(range_key=True, attr_name="orderId")


class OrderRow(Row):
    """An order; `reservation`, one of `SHARDS`, and `due_at` exist while its stock is reserved.

    `due_at` is the end of the reservation, or later when the order could not be released.
    """

    Meta = table("order")

    order_id = UnicodeAttribute(hash_key=True, attr_name="orderId")
    customer_id = UnicodeAttribute(attr_name="customerId")
    reservation = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True, attr_name="dueAt")
    day = UnicodeAttribute()
    order = Mapped[Order](Order, exclude=frozenset({"is_partial"}))

    by_customer = ByCustomer()
    by_reservation = ByReservation()
    by_day = ByDay()


class ReservationsRow(Row):
    """`reservations#<customer id>`: how many unpaid orders and pieces the customer has."""

    Meta = table("order")

    order_id = UnicodeAttribute(hash_key=True, attr_name="orderId")
    orders = NumberAttribute()
    pieces = NumberAttribute()


class DynamoOrders:
    """`Orders` and `Reservations` in DynamoDB."""

    shards = SHARDS

    def find(self, order_id: str) -> Order | None:
        row = OrderRow.find(order_id)
        return row.order if row else None

    def find_many(self, order_ids: Collection[str]) -> list[Order]:
        return [row.order for row in OrderRow.find_many((order_id,) for order_id in order_ids)]

    def list_by_customer(
        self, user_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        # DynamoDB's own filter would read the same rows and hide how many they were
        max_rows = limit if status is None else max(limit, ROWS_PER_PAGE)
        rows = OrderRow.by_customer.query(
            user_id,
            None if before is None else OrderRow.order_id < before,
            scan_index_forward=False,
            limit=max_rows + 1,
        )
        orders: list[Order] = []
        last = before
        for row in islice(rows, max_rows):
            if len(orders) == limit:
                return OrderPage(tuple(orders), last)
            last = row.order_id
            if status in {None, row.order.status}:
                orders.append(row.order)
        return OrderPage(tuple(orders), None if next(rows, None) is None else last)

    def list_by_day(self, days: Days, limit: int) -> tuple[list[Order], Days | None]:
        order_ids, left = read_days(_read_partition, str, days, limit)
        found = self.find_many(order_ids)
        return sorted(found, key=lambda order: order.id, reverse=True), left

    def list_expired(self, moment: datetime, shard: str) -> Iterator[Reservation]:
        ended = OrderRow.due_at <= iso(moment)
        for row in OrderRow.by_reservation.query(shard, ended, page_size=ROWS_PER_PAGE):
            yield Reservation(row.order_id, from_iso(row.due_at))

    def postpone(self, order_id: str, until: datetime) -> None:
        update_if(
            OrderRow(order_id),
            [OrderRow.due_at.set(iso(until))],
            OrderRow.reservation.exists(),
        )

    def add(self, order: Order, limits: ReservationLimits | None, transaction: Transaction) -> None:
        writes = DynamoTransaction.of(transaction)
        day = partition_of(order.created_at, order.id)
        row = OrderRow(order.id, customer_id=order.customer.user_id, day=day, order=order)
        if order.reserved_until:
            row.reservation, row.due_at = _shard(order.id), iso(order.reserved_until)
            actions = [ReservationsRow.orders.add(1), ReservationsRow.pieces.add(order.pieces)]
            condition, error = None, None
            if limits:
                condition = _has_room(limits, order.pieces)
                reservation = order.reserved_until - order.created_at
                error = TooManyReservations.over(limits, reservation)
            writes.update(_counter(order), actions, condition, error)
        writes.put(row, OrderRow.order_id.does_not_exist(), StaleWrite(STALE))

    def save(
        self, read: Order, order: Order, unchanged: Collection[str], transaction: Transaction
    ) -> None:
        before, after = OrderRow.order.serialize(read), OrderRow.order.serialize(order)
        changed = [name for name in after if after[name] != before[name]]
        actions = [Path(["order", name]).set(after[name]) for name in changed]
        writes = DynamoTransaction.of(transaction)
        if order.reserved_until is None:
            actions += [OrderRow.reservation.remove(), OrderRow.due_at.remove()]
            if read.reserved_until:
                less = [ReservationsRow.orders.add(-1), ReservationsRow.pieces.add(-read.pieces)]
                writes.update(_counter(order), less)
        elif order.reserved_until != read.reserved_until:
            actions.append(OrderRow.due_at.set(iso(order.reserved_until)))
        condition = reduce(and_, (Path(["order", name]) == before[name] for name in unchanged))
        if actions:
            writes.update(OrderRow(order.id), actions, condition, StaleWrite(STALE))
        else:
            writes.condition_check(OrderRow(order.id), condition, StaleWrite(STALE))


def _read_partition(partition: str, before: str | None, limit: int) -> list[str]:
    older = OrderRow.order_id < before if before else None
    rows = OrderRow.by_day.query(partition, older, scan_index_forward=False, limit=limit)
    return [row.order_id for row in rows]


def _shard(order_id: str) -> str:
    return SHARDS[crc32(order_id.encode()) % len(SHARDS)]


def _counter(order: Order) -> ReservationsRow:
    return ReservationsRow(RESERVATIONS + order.customer.user_id)


def _has_room(limits: ReservationLimits, pieces: int) -> Condition:
    """Return the condition that another order of so many pieces is within the limits."""
    is_first = ReservationsRow.orders.does_not_exist()
    room = limits.pieces - pieces
    has_room: Condition = ReservationsRow.orders < limits.orders
    has_room &= ReservationsRow.pieces <= room
    return is_first | has_room if room >= 0 else has_room
