"""Turns events into facts about orders, products and sellers, and applies these."""

from dataclasses import replace
from datetime import datetime

from seller_dashboard import wiring
from seller_dashboard.projections.model import (
    Customer,
    OrderFacts,
    Payment,
    PaymentStatus,
    ProductDetails,
    ProductFacts,
    Purchase,
    SaleLine,
    SaleStatus,
    ShippingAddress,
    StatusChange,
    StockLevel,
)
from supermarket.clock import iso
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
    StockMoved,
    StockRanLow,
    UserRegistered,
)
from supermarket.days import day_of
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare
from supermarket.money import Money
from supermarket.people import Recipient

type OrderEvent = OrderPlaced | OrderConfirmed | OrderShipped | OrderDelivered | OrderCancelled
type PaymentEvent = PaymentInitiated | PaymentCompleted | PaymentFailed | PaymentRefunded

event_handlers = EventHandlers("seller_dashboard")


@event_handlers.on(UserRegistered)
def add_seller(event: UserRegistered, metadata: Metadata) -> None:
    if event.role == "seller":
        _upsert_seller(Recipient(event.user_id, event.email, event.first_name), metadata)


def upsert_product(event: ProductCreated | ProductUpdated, metadata: Metadata) -> None:
    _upsert_seller(event.seller, metadata)
    details = ProductDetails(
        event.revision, event.title, event.price.money(), event.category, event.low_stock_threshold
    )
    stock = StockLevel(event.stock, event.stock_revision, event.revision)
    product = ProductFacts(event.seller.user_id, event.product_id, details, stock)
    wiring.projector().apply_product(product)


event_handlers.on(ProductCreated)(upsert_product)
event_handlers.on(ProductUpdated)(upsert_product)


@event_handlers.on(ProductDeleted)
def delete_product(event: ProductDeleted, _metadata: Metadata) -> None:
    deleted = ProductFacts(event.seller_id, event.product_id, is_deleted=True)
    wiring.projector().apply_product(deleted)


@event_handlers.on(StockRanLow)
def update_low_stock(event: StockRanLow, metadata: Metadata) -> None:
    _upsert_seller(event.seller, metadata)
    wiring.projector().apply_product(_stock(event.seller.user_id, event))


@event_handlers.on(StockMoved)
def update_stock(event: StockMoved, _metadata: Metadata) -> None:
    wiring.projector().apply_product(_stock(event.seller_id, event))


@event_handlers.on(OrderPlaced)
def add_order(event: OrderPlaced, _metadata: Metadata) -> None:
    placed = _order(event, SaleStatus.PENDING, event.placed_at, is_paid=False)
    address = ShippingAddress(event.shipping_address, event.placed_at)
    wiring.projector().apply(replace(placed, shipping_address=address))


@event_handlers.on(OrderConfirmed)
def confirm_order(event: OrderConfirmed, _metadata: Metadata) -> None:
    wiring.projector().apply(_order(event, SaleStatus.CONFIRMED, event.confirmed_at))


@event_handlers.on(OrderShipped)
def mark_shipped(event: OrderShipped, _metadata: Metadata) -> None:
    wiring.projector().apply(_order(event, SaleStatus.SHIPPED, event.shipped_at))


@event_handlers.on(OrderDelivered)
def mark_delivered(event: OrderDelivered, _metadata: Metadata) -> None:
    wiring.projector().apply(_order(event, SaleStatus.DELIVERED, event.delivered_at))


@event_handlers.on(OrderCancelled)
def cancel_order(event: OrderCancelled, _metadata: Metadata) -> None:
    at, is_paid = event.cancelled_at, event.was_paid
    wiring.projector().apply(_order(event, SaleStatus.CANCELLED, at, is_paid=is_paid))


@event_handlers.on(OrderAddressChanged)
def change_address(event: OrderAddressChanged, _metadata: Metadata) -> None:
    address = ShippingAddress(event.shipping_address, event.changed_at)
    wiring.projector().apply(OrderFacts(event.order_id, shipping_address=address))


@event_handlers.on(PaymentInitiated)
def add_payment(event: PaymentInitiated, _metadata: Metadata) -> None:
    wiring.projector().apply(_payment(event, PaymentStatus.PENDING, event.initiated_at))


@event_handlers.on(PaymentCompleted)
def complete_payment(event: PaymentCompleted, _metadata: Metadata) -> None:
    wiring.projector().apply(_payment(event, PaymentStatus.COMPLETED, event.completed_at))


@event_handlers.on(PaymentFailed)
def fail_payment(event: PaymentFailed, _metadata: Metadata) -> None:
    wiring.projector().apply(_payment(event, PaymentStatus.FAILED, event.failed_at))


@event_handlers.on(PaymentRefunded)
def add_refund(event: PaymentRefunded, _metadata: Metadata) -> None:
    """A payment with a partial refund is still complete; the refund of a duplicate payment
    (`surplus`) does not concern the sale.
    """
    if event.surplus:
        return
    status = PaymentStatus.REFUNDED if event.fully else PaymentStatus.COMPLETED
    refunded = _payment(event, status, event.refunded_at)
    wiring.projector().apply(replace(refunded, refunds={event.refund_id: event.amount.money()}))


def _upsert_seller(seller: Recipient, metadata: Metadata) -> None:
    as_of = f"{iso(metadata.occurred_at)}#{metadata.event_id}"
    wiring.sellers().upsert(seller, as_of)


def _order(
    event: OrderEvent, status: SaleStatus, at: datetime, *, is_paid: bool = True
) -> OrderFacts:
    customer = Customer(event.customer.user_id, event.customer.first_name)
    lines, day = tuple(map(_line, event.lines)), day_of(event.placed_at)
    purchase = Purchase(customer, lines, event.placed_at, day)
    total = None if isinstance(event, OrderShipped | OrderDelivered) else event.total.money()
    return OrderFacts(event.order_id, purchase, total, StatusChange(status, at), is_paid)


def _payment(event: PaymentEvent, status: PaymentStatus, at: datetime) -> OrderFacts:
    payment = Payment(event.payment_id, status, at, event.revision)
    return OrderFacts(event.order_id, payment=payment, is_paid=status.is_captured)


def _stock(seller_id: str, event: StockRanLow | StockMoved) -> ProductFacts:
    stock = StockLevel(event.stock, event.stock_revision)
    return ProductFacts(seller_id, event.product_id, stock=stock)


def _line(line: OrderLine) -> SaleLine:
    unit, total = line.unit_price.money(), line.line_total.money()
    nothing = Money.zero(total.currency)
    return SaleLine(
        line.seller_id, line.product_id, line.title, line.quantity, unit, total, refunded=nothing
    )


prepare(__name__)
