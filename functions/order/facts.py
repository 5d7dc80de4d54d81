"""Orders as other domains hear of them: the contracts' events, made from the model."""

from order.model import Actor, Order
from supermarket.contracts import (
    Address,
    Amount,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    Recipient,
)


def order_placed(order: Order) -> OrderPlaced:
    return OrderPlaced(
        order_id=order.id,
        customer=_customer(order),
        lines=_lines(order),
        total=Amount.of(order.pricing.total),
        shipping_address=_address(order),
        placed_at=order.created_at,
        reserved_until=order.reserved_until,
    )


def order_confirmed(order: Order) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order.id,
        customer=_customer(order),
        lines=_lines(order),
        total=Amount.of(order.pricing.total),
        placed_at=order.created_at,
        confirmed_at=order.updated_at,
    )


def order_cancelled(order: Order, by: Actor) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.id,
        customer=_customer(order),
        lines=_lines(order),
        total=Amount.of(order.pricing.total),
        placed_at=order.created_at,
        cancelled_at=order.updated_at,
        cancelled_by=by.value,
        was_paid=order.is_paid,
    )


def order_shipped(order: Order) -> OrderShipped:
    return OrderShipped(
        order_id=order.id,
        customer=_customer(order),
        lines=_lines(order),
        tracking_number=order.tracking_number,
        placed_at=order.created_at,
        shipped_at=order.updated_at,
    )


def order_delivered(order: Order) -> OrderDelivered:
    return OrderDelivered(
        order_id=order.id,
        customer=_customer(order),
        lines=_lines(order),
        tracking_number=order.tracking_number,
        placed_at=order.created_at,
        delivered_at=order.updated_at,
    )


def address_changed(order: Order) -> OrderAddressChanged:
    return OrderAddressChanged(
        order_id=order.id,
        seller_ids=list(order.seller_ids),
        shipping_address=_address(order),
        changed_at=order.updated_at,
    )


def _customer(order: Order) -> Recipient:
    customer = order.customer
    return Recipient(user_id=customer.user_id, email=customer.email, first_name=customer.first_name)


def _address(order: Order) -> Address:
    address = order.shipping_address
    return Address(
        street=address.street,
        city=address.city,
        state=address.state,
        zip=address.zip,
        country=address.country,
    )


def _lines(order: Order) -> list[OrderLine]:
    return [
        OrderLine(
            product_id=line.product_id,
            title=line.title,
            seller_id=line.seller_id,
            quantity=line.quantity,
            unit_price=Amount.of(line.unit_price),
            line_total=Amount.of(line.line_total),
        )
        for line in order.lines
    ]
