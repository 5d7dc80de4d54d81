"""Orders in DynamoDB: a row per order, an index by customer, and a sparse index of reservations."""

from collections.abc import Collection
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import and_

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from order.model import Order, OrderStatus
from order.ports import OrderPage
from supermarket.clock import iso
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

OPEN = "open"
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
    """The orders that are not paid, by the end of their reservation."""

    class Meta:
        index_name = "byReservation"
        projection = KeysOnlyProjection()

    reservation = UnicodeAttribute(hash_key=True)
    reserved_until = UnicodeAttribute(range_key=True, attr_name="reservedUntil")


class OrderRow(Row):
    """An order; `reservation` and `reserved_until` exist while its stock is reserved."""

    Meta = table("order")

    order_id = UnicodeAttribute(hash_key=True, attr_name="orderId")
    customer_id = UnicodeAttribute(attr_name="customerId")
    reservation = UnicodeAttribute(null=True)
    reserved_until = UnicodeAttribute(null=True, attr_name="reservedUntil")
    order = Mapped[Order](Order, exclude=frozenset({"is_partial"}))

    by_customer = ByCustomer()
    by_reservation = ByReservation()


class DynamoOrders:
    """`Orders` in DynamoDB."""

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

    def list_expired(self, moment: datetime, limit: int) -> list[str]:
        ended = OrderRow.reserved_until <= iso(moment)
        return [row.order_id for row in OrderRow.by_reservation.query(OPEN, ended, limit=limit)]

    def add(self, order: Order, transaction: Transaction) -> None:
        row = OrderRow(
            order.id,
            customer_id=order.customer.user_id,
            reservation=OPEN if order.reserved_until else None,
            reserved_until=iso(order.reserved_until) if order.reserved_until else None,
            order=order,
        )
        is_new = OrderRow.order_id.does_not_exist()
        DynamoTransaction.of(transaction).put(row, is_new, StaleWrite(STALE))

    def save(
        self, read: Order, order: Order, unchanged: Collection[str], transaction: Transaction
    ) -> None:
        before, after = OrderRow.order.serialize(read), OrderRow.order.serialize(order)
        changed = [name for name in after if after[name] != before[name]]
        actions = [Path(["order", name]).set(after[name]) for name in changed]
        if order.reserved_until is None:
            actions += [OrderRow.reservation.remove(), OrderRow.reserved_until.remove()]
        conditions = [Path(["order", name]) == before[name] for name in unchanged]
        DynamoTransaction.of(transaction).update(
            OrderRow(order.id), actions, reduce(and_, conditions), StaleWrite(STALE)
        )
