"""The events of orders, made from the model."""

from typing import Any

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
        **_common(order),
        total=Amount.of(order.pricing.total),
        shipping_address=order.shipping_address,
        reserved_until=order.reserved_until,
    )


def to_order_confirmed(order: Order) -> OrderConfirmed:
    return OrderConfirmed(
        **_common(order),
        total=Amount.of(order.pricing.total),
        confirmed_at=order.updated_at,
    )


def to_order_cancelled(order: Order, by: Actor) -> OrderCancelled:
    return OrderCancelled(
        **_common(order),
        total=Amount.of(order.pricing.total),
        cancelled_at=order.updated_at,
        cancelled_by=by.value,
        was_paid=order.is_paid,
    )


def to_order_shipped(order: Order) -> OrderShipped:
    return OrderShipped(
        **_common(order),
        tracking_number=order.tracking_number,
        shipped_at=order.updated_at,
    )


def to_order_delivered(order: Order) -> OrderDelivered:
    return OrderDelivered(
        **_common(order),
        tracking_number=order.tracking_number,
        delivered_at=order.updated_at,
    )


def to_order_address_changed(order: Order) -> OrderAddressChanged:
    return OrderAddressChanged(
        order_id=order.id,
        seller_ids=list(order.seller_ids),
        shipping_address=order.shipping_address,
        changed_at=order.updated_at,
    )


def _common(order: Order) -> dict[str, Any]:
    lines = [OrderLine.model_validate(line, from_attributes=True) for line in order.lines]
    ids = {"order_id": order.id, "customer": order.customer}
    return {**ids, "lines": lines, "placed_at": order.created_at}
