"""The events of orders, made from the model."""

from order.model import Actor, Order
from supermarket.contracts import (
    Amount,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderPlaced,
    OrderShipped,
)


def to_order_placed(order: Order) -> OrderPlaced:
    return OrderPlaced(
        order_id=order.id,
        customer=order.customer,
        lines=_lines(order),
        total=Amount.of(order.pricing.total),
        shipping_address=order.shipping_address,
        placed_at=order.created_at,
        reserved_until=order.reserved_until,
    )


def to_order_confirmed(order: Order) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order.id,
        customer=order.customer,
        lines=_lines(order),
        total=Amount.of(order.pricing.total),
        placed_at=order.created_at,
        confirmed_at=order.updated_at,
    )


def to_order_cancelled(order: Order, by: Actor) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.id,
        customer=order.customer,
        lines=_lines(order),
        total=Amount.of(order.pricing.total),
        placed_at=order.created_at,
        cancelled_at=order.updated_at,
        cancelled_by=by.value,
        was_paid=order.is_paid,
    )


def to_order_shipped(order: Order) -> OrderShipped:
    return OrderShipped(
        order_id=order.id,
        customer=order.customer,
        lines=_lines(order),
        tracking_number=order.tracking_number,
        placed_at=order.created_at,
        shipped_at=order.updated_at,
    )


def to_order_delivered(order: Order) -> OrderDelivered:
    return OrderDelivered(
        order_id=order.id,
        customer=order.customer,
        lines=_lines(order),
        tracking_number=order.tracking_number,
        placed_at=order.created_at,
        delivered_at=order.updated_at,
    )


def to_order_address_changed(order: Order) -> OrderAddressChanged:
    return OrderAddressChanged(
        order_id=order.id,
        seller_ids=list(order.seller_ids),
        shipping_address=order.shipping_address,
        changed_at=order.updated_at,
    )


def _lines(order: Order) -> list[OrderLine]:
    return [OrderLine.model_validate(line, from_attributes=True) for line in order.lines]
