"""Orders in DynamoDB: a row per order, an index by customer, and a sparse one of reservations."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice

from pynamodb.attributes import ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from order.model import (
    Actor,
    Order,
    OrderLine,
    OrderStatus,
    Pricing,
    Returns,
    Step,
)
from order.service import Moved, OrderPage
from supermarket.clock import from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.people import Address, Recipient
from supermarket.transaction import Transaction

OPEN = "open"
EXAMINED_PER_PAGE = 200

MOVED = "The order changed at this very moment. Look at it and try again."


class CustomerMap(MapAttribute[str, str]):
    """Who ordered."""

    email = UnicodeAttribute()
    first_name = UnicodeAttribute(attr_name="firstName")


class AddressMap(MapAttribute[str, str]):
    """Where the order goes."""

    street = UnicodeAttribute()
    city = UnicodeAttribute()
    state = UnicodeAttribute()
    zip = UnicodeAttribute()
    country = UnicodeAttribute()


class LineMap(MapAttribute[str, object]):
    """A line; its price is in the currency of the order."""

    product_id = UnicodeAttribute(attr_name="productId")
    title = UnicodeAttribute()
    seller_id = UnicodeAttribute(attr_name="sellerId")
    quantity = NumberAttribute()
    unit_price = NumberAttribute(attr_name="unitPrice")


class StepMap(MapAttribute[str, str]):
    """An entry of the timeline."""

    status = UnicodeAttribute()
    at = UnicodeAttribute()
    by = UnicodeAttribute()


class ReturnsMap(MapAttribute[str, object]):
    """What goes back, in the currency of the order."""

    refunded = NumberAttribute()
    returning = NumberAttribute()
    revision = NumberAttribute()


class ByCustomer(GlobalSecondaryIndex["OrderRow"]):
    """A customer's orders; their ids sort by time."""

    class Meta:
        index_name = "byCustomer"
        projection = AllProjection()

    customer_id = UnicodeAttribute(hash_key=True, attr_name="customerId")
    order_id = UnicodeAttribute(range_key=True, attr_name="orderId")


class ByReservation(GlobalSecondaryIndex["OrderRow"]):
    """Only the orders whose stock is reserved and not paid, by the end of the reservation."""

    class Meta:
        index_name = "byReservation"
        projection = KeysOnlyProjection()

    reservation = UnicodeAttribute(hash_key=True)
    reserved_until = UnicodeAttribute(range_key=True, attr_name="reservedUntil")


class OrderRow(Row):
    """An order."""

    Meta = table("order")

    order_id = UnicodeAttribute(hash_key=True, attr_name="orderId")
    customer_id = UnicodeAttribute(attr_name="customerId")
    customer = CustomerMap()
    status = UnicodeAttribute()
    lines: ListAttribute[LineMap] = ListAttribute(of=LineMap)
    currency = UnicodeAttribute()
    subtotal = NumberAttribute()
    tax = NumberAttribute()
    shipping = NumberAttribute()
    shipping_address = AddressMap(attr_name="shippingAddress")
    timeline: ListAttribute[StepMap] = ListAttribute(of=StepMap)
    reservation = UnicodeAttribute(null=True)
    reserved_until = UnicodeAttribute(null=True, attr_name="reservedUntil")
    paid_at = UnicodeAttribute(null=True, attr_name="paidAt")
    refunded_at = UnicodeAttribute(null=True, attr_name="refundedAt")
    tracking_number = UnicodeAttribute(null=True, attr_name="trackingNumber")
    returns = ReturnsMap(null=True)
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")

    by_customer = ByCustomer()
    by_reservation = ByReservation()


class DynamoOrders:
    """`Orders` in DynamoDB."""

    def find(self, order_id: str) -> Order | None:
        try:
            return _order(OrderRow.get(order_id, consistent_read=True))
        except OrderRow.DoesNotExist:
            return None

    def of_customer(
        self, user_id: str, status: OrderStatus | None, before: str | None, limit: int
    ) -> OrderPage:
        # the filter is applied here: DynamoDB would read the same rows and hide how many they were
        examined = limit if status is None else max(limit, EXAMINED_PER_PAGE)
        rows = OrderRow.by_customer.query(
            user_id,
            None if before is None else OrderRow.order_id < before,
            scan_index_forward=False,
            limit=examined + 1,
        )
        orders: list[Order] = []
        last = before
        for row in islice(rows, examined):
            if len(orders) == limit:
                return OrderPage(tuple(orders), last)
            last = row.order_id
            if status in {None, row.status}:
                orders.append(_order(row))
        there_are_more = next(rows, None) is not None
        return OrderPage(tuple(orders), last if there_are_more else None)

    def reserved_before(self, moment: datetime, limit: int) -> list[str]:
        rows = OrderRow.by_reservation.query(
            OPEN, OrderRow.reserved_until <= iso(moment), limit=limit
        )
        return [row.order_id for row in rows]

    def add(self, order: Order, transaction: Transaction) -> None:
        is_new = OrderRow.order_id.does_not_exist()
        DynamoTransaction.of(transaction).put(
            _row(order), condition=is_new, on_conflict=Moved(MOVED)
        )

    def move(self, read: Order, moved: Order, transaction: Transaction) -> None:
        actions = [
            OrderRow.status.set(moved.status.value),
            OrderRow.timeline.set([_step_map(step) for step in moved.timeline]),
            OrderRow.updated_at.set(iso(moved.updated_at)),
            # no reservation is left once an order has moved: it drops out of the sparse index
            OrderRow.reservation.remove(),
            OrderRow.reserved_until.remove(),
            *_learned(moved),
        ]
        as_read = (OrderRow.status == read.status.value) & _returns_are(read)
        self._change(read, actions, as_read, transaction)

    def settle(self, read: Order, settled: Order, transaction: Transaction) -> None:
        actions = [*_learned(settled), OrderRow.updated_at.set(iso(settled.updated_at))]
        self._change(read, actions, OrderRow.status == read.status.value, transaction)

    def note_returns(self, read: Order, noted: Order, transaction: Transaction) -> None:
        actions = [*_returning(noted), OrderRow.updated_at.set(iso(noted.updated_at))]
        self._change(read, actions, _returns_are(read), transaction)

    def redirect(self, read: Order, redirected: Order, transaction: Transaction) -> None:
        as_read = (OrderRow.status == read.status.value) & (
            OrderRow.shipping_address == _address_map(read.shipping_address)
        )
        actions = [
            OrderRow.shipping_address.set(_address_map(redirected.shipping_address)),
            OrderRow.updated_at.set(iso(redirected.updated_at)),
        ]
        self._change(read, actions, as_read, transaction)

    def _change(
        self, read: Order, actions: Sequence[Action], as_read: Condition, transaction: Transaction
    ) -> None:
        DynamoTransaction.of(transaction).update(
            OrderRow(read.id), actions, condition=as_read, on_conflict=Moved(MOVED)
        )


def _returns_are(read: Order) -> Condition:
    if read.returns is None:
        return OrderRow.returns.does_not_exist()
    return OrderRow.returns == _returns_map(read.returns)


def _returning(order: Order) -> Iterator[Action]:
    if order.returns:
        yield OrderRow.returns.set(_returns_map(order.returns))


def _learned(order: Order) -> Iterator[Action]:
    """What is known of an order only later; none of it is ever unlearned."""
    if order.paid_at:
        yield OrderRow.paid_at.set(iso(order.paid_at))
    if order.refunded_at:
        yield OrderRow.refunded_at.set(iso(order.refunded_at))
    if order.tracking_number:
        yield OrderRow.tracking_number.set(order.tracking_number)


def _row(order: Order) -> OrderRow:
    reserved_until = order.reserved_until
    return OrderRow(
        order.id,
        customer_id=order.customer.user_id,
        customer=CustomerMap(email=order.customer.email, first_name=order.customer.first_name),
        status=order.status.value,
        lines=[_line_map(line) for line in order.lines],
        currency=order.pricing.total.currency.value,
        subtotal=order.pricing.subtotal.minor,
        tax=order.pricing.tax.minor,
        shipping=order.pricing.shipping.minor,
        shipping_address=_address_map(order.shipping_address),
        timeline=[_step_map(step) for step in order.timeline],
        reservation=OPEN if reserved_until else None,
        reserved_until=iso(reserved_until) if reserved_until else None,
        paid_at=iso(order.paid_at) if order.paid_at else None,
        refunded_at=iso(order.refunded_at) if order.refunded_at else None,
        tracking_number=order.tracking_number,
        returns=_returns_map(order.returns) if order.returns else None,
        created_at=iso(order.created_at),
        updated_at=iso(order.updated_at),
    )


def _line_map(line: OrderLine) -> LineMap:
    return LineMap(
        product_id=line.product_id,
        title=line.title,
        seller_id=line.seller_id,
        quantity=line.quantity,
        unit_price=line.unit_price.minor,
    )


def _address_map(address: Address) -> AddressMap:
    return AddressMap(
        street=address.street,
        city=address.city,
        state=address.state,
        zip=address.zip,
        country=address.country,
    )


def _step_map(step: Step) -> StepMap:
    return StepMap(status=step.status.value, at=iso(step.at), by=step.by.value)


def _returns_map(returns: Returns) -> ReturnsMap:
    return ReturnsMap(
        refunded=returns.refunded.minor,
        returning=returns.returning.minor,
        revision=returns.revision,
    )


def _order(row: OrderRow) -> Order:
    money = partial(_money, currency=Currency(row.currency))
    address = row.shipping_address
    return Order(
        id=row.order_id,
        customer=Recipient(row.customer_id, row.customer.email, row.customer.first_name),
        status=OrderStatus(row.status),
        lines=tuple(
            OrderLine(
                line.product_id,
                line.title,
                line.seller_id,
                int(line.quantity),
                money(line.unit_price),
            )
            for line in row.lines
        ),
        pricing=Pricing(money(row.subtotal), money(row.tax), money(row.shipping)),
        shipping_address=Address(
            address.street, address.city, address.state, address.zip, address.country
        ),
        timeline=tuple(
            Step(OrderStatus(step.status), from_iso(step.at), Actor(step.by))
            for step in row.timeline
        ),
        reserved_until=from_iso(row.reserved_until) if row.reserved_until else None,
        created_at=from_iso(row.created_at),
        updated_at=from_iso(row.updated_at),
        paid_at=from_iso(row.paid_at) if row.paid_at else None,
        refunded_at=from_iso(row.refunded_at) if row.refunded_at else None,
        tracking_number=row.tracking_number,
        returns=_returns(row.returns, Currency(row.currency)),
    )


def _returns(kept: ReturnsMap | None, currency: Currency) -> Returns | None:
    if kept is None:
        return None
    refunded, returning = _money(kept.refunded, currency), _money(kept.returning, currency)
    return Returns(refunded, returning, int(kept.revision))


def _money(minor: float, currency: Currency) -> Money:
    return Money(int(minor), currency)
