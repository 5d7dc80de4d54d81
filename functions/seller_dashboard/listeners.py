"""What the seller dashboard learns from events."""

from collections.abc import Iterator
from datetime import datetime

from seller_dashboard import wiring
from seller_dashboard.model import (
    Address,
    CatalogueEntry,
    PaymentStatus,
    Sale,
    SaleStatus,
    SoldLine,
)
from supermarket.contracts import Address as AddressOnTheWire
from supermarket.contracts import (
    Metadata,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
)
from supermarket.events import Reactions

reactions = Reactions("seller_dashboard")


@reactions.on(ProductCreated)
def list_new_product(event: ProductCreated, _metadata: Metadata) -> None:
    wiring.bookkeeping().revise_product(_entry(event))


@reactions.on(ProductUpdated)
def revise_product(event: ProductUpdated, _metadata: Metadata) -> None:
    wiring.bookkeeping().revise_product(_entry(event))


@reactions.on(ProductDeleted)
def take_product_off_sale(event: ProductDeleted, _metadata: Metadata) -> None:
    wiring.bookkeeping().take_off_sale(event.seller_id, event.product_id)


@reactions.on(OrderPlaced)
def record_placed_order(event: OrderPlaced, _metadata: Metadata) -> None:
    wiring.bookkeeping().record(_sales(event, SaleStatus.PENDING, event.placed_at))
    wiring.bookkeeping().note_address(
        event.order_id, _address(event.shipping_address), event.placed_at
    )


@reactions.on(OrderConfirmed)
def count_confirmed_order(event: OrderConfirmed, _metadata: Metadata) -> None:
    wiring.bookkeeping().record(_sales(event, SaleStatus.CONFIRMED, event.confirmed_at))


@reactions.on(OrderShipped)
def mark_as_on_its_way(event: OrderShipped, _metadata: Metadata) -> None:
    wiring.bookkeeping().record(_sales(event, SaleStatus.SHIPPED, event.shipped_at))


@reactions.on(OrderDelivered)
def mark_as_arrived(event: OrderDelivered, _metadata: Metadata) -> None:
    wiring.bookkeeping().record(_sales(event, SaleStatus.DELIVERED, event.delivered_at))


@reactions.on(OrderCancelled)
def take_out_cancelled_order(event: OrderCancelled, _metadata: Metadata) -> None:
    wiring.bookkeeping().record(_sales(event, SaleStatus.CANCELLED, event.cancelled_at))


@reactions.on(OrderAddressChanged)
def note_changed_address(event: OrderAddressChanged, _metadata: Metadata) -> None:
    wiring.bookkeeping().note_address(
        event.order_id, _address(event.shipping_address), event.changed_at
    )


@reactions.on(PaymentInitiated)
def note_open_payment(event: PaymentInitiated, _metadata: Metadata) -> None:
    wiring.bookkeeping().note_payment(event.order_id, event.payment_id, PaymentStatus.PENDING)


@reactions.on(PaymentCompleted)
def note_completed_payment(event: PaymentCompleted, _metadata: Metadata) -> None:
    wiring.bookkeeping().note_payment(event.order_id, event.payment_id, PaymentStatus.COMPLETED)


@reactions.on(PaymentFailed)
def note_failed_payment(event: PaymentFailed, _metadata: Metadata) -> None:
    wiring.bookkeeping().note_payment(event.order_id, event.payment_id, PaymentStatus.FAILED)


@reactions.on(PaymentRefunded)
def note_returned_payment(event: PaymentRefunded, _metadata: Metadata) -> None:
    """What was given back in part is a paid order still."""
    if event.fully:
        wiring.bookkeeping().note_payment(event.order_id, event.payment_id, PaymentStatus.REFUNDED)


def _sales(
    event: OrderPlaced | OrderConfirmed | OrderShipped | OrderDelivered | OrderCancelled,
    status: SaleStatus,
    at: datetime,
) -> Iterator[Sale]:
    """One per seller; the lines of one never reach another."""
    for seller_id in sorted({line.seller_id for line in event.lines}):
        yield Sale(
            seller_id=seller_id,
            order_id=event.order_id,
            status=status,
            customer_first_name=event.customer.first_name,
            lines=tuple(_line(line) for line in event.lines if line.seller_id == seller_id),
            placed_at=event.placed_at,
            updated_at=at,
        )


def _line(line: OrderLine) -> SoldLine:
    return SoldLine(
        line.product_id,
        line.title,
        line.quantity,
        line.unit_price.money(),
        line.line_total.money(),
    )


def _address(address: AddressOnTheWire) -> Address:
    return Address(address.street, address.city, address.state, address.zip, address.country)


def _entry(event: ProductCreated | ProductUpdated) -> CatalogueEntry:
    return CatalogueEntry(
        event.seller.user_id,
        event.product_id,
        event.title,
        event.price.money(),
        event.category,
        event.revision,
    )
