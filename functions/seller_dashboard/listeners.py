"""What the seller dashboard learns from events: each is a piece of an order, of a product, or of
who a seller is.
"""

from datetime import datetime

from seller_dashboard import wiring
from seller_dashboard.model import (
    Customer,
    Destination,
    Details,
    Order,
    Payment,
    PaymentStatus,
    Product,
    Progress,
    Purchase,
    SaleStatus,
    Seller,
    SoldLine,
    Stock,
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
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare
from supermarket.money import Money
from supermarket.people import Recipient

event_handlers = EventHandlers("seller_dashboard")


@event_handlers.on(UserRegistered)
def meet_new_seller(event: UserRegistered, metadata: Metadata) -> None:
    if event.role == "seller":
        _introduce(Seller(event.user_id, event.email, event.first_name), metadata)


@event_handlers.on(ProductCreated)
def list_new_product(event: ProductCreated, metadata: Metadata) -> None:
    _introduce(_seller(event.seller), metadata)
    wiring.bookkeeping().learn_of_product(_product(event))


@event_handlers.on(ProductUpdated)
def revise_product(event: ProductUpdated, metadata: Metadata) -> None:
    _introduce(_seller(event.seller), metadata)
    wiring.bookkeeping().learn_of_product(_product(event))


@event_handlers.on(ProductDeleted)
def take_product_off_sale(event: ProductDeleted, _metadata: Metadata) -> None:
    deleted = Product(event.seller_id, event.product_id, is_deleted=True)
    wiring.bookkeeping().learn_of_product(deleted)


@event_handlers.on(StockRanLow)
def note_low_stock(event: StockRanLow, metadata: Metadata) -> None:
    _introduce(_seller(event.seller), metadata)
    wiring.bookkeeping().learn_of_product(_stocked(event.seller.user_id, event))


@event_handlers.on(StockMoved)
def note_moved_stock(event: StockMoved, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn_of_product(_stocked(event.seller_id, event))


@event_handlers.on(OrderPlaced)
def record_placed_order(event: OrderPlaced, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn(
        Order(
            event.order_id,
            purchase=_purchase(event),
            total=event.total.money(),
            progress=Progress(SaleStatus.PENDING, event.placed_at),
            destination=Destination(event.shipping_address, event.placed_at),
        )
    )


@event_handlers.on(OrderConfirmed)
def count_confirmed_order(event: OrderConfirmed, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn(
        Order(
            event.order_id,
            purchase=_purchase(event),
            total=event.total.money(),
            progress=Progress(SaleStatus.CONFIRMED, event.confirmed_at),
            is_paid=True,
        )
    )


@event_handlers.on(OrderShipped)
def mark_as_on_its_way(event: OrderShipped, _metadata: Metadata) -> None:
    progress = Progress(SaleStatus.SHIPPED, event.shipped_at)
    shipped = Order(event.order_id, purchase=_purchase(event), progress=progress, is_paid=True)
    wiring.bookkeeping().learn(shipped)


@event_handlers.on(OrderDelivered)
def mark_as_arrived(event: OrderDelivered, _metadata: Metadata) -> None:
    progress = Progress(SaleStatus.DELIVERED, event.delivered_at)
    delivered = Order(event.order_id, purchase=_purchase(event), progress=progress, is_paid=True)
    wiring.bookkeeping().learn(delivered)


@event_handlers.on(OrderCancelled)
def take_out_cancelled_order(event: OrderCancelled, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn(
        Order(
            event.order_id,
            purchase=_purchase(event),
            total=event.total.money(),
            progress=Progress(SaleStatus.CANCELLED, event.cancelled_at),
            is_paid=event.was_paid,
        )
    )


@event_handlers.on(OrderAddressChanged)
def note_changed_address(event: OrderAddressChanged, _metadata: Metadata) -> None:
    moved = Destination(event.shipping_address, event.changed_at)
    wiring.bookkeeping().learn(Order(event.order_id, destination=moved))


@event_handlers.on(PaymentInitiated)
def note_open_payment(event: PaymentInitiated, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn(_paid(event, PaymentStatus.PENDING, event.initiated_at))


@event_handlers.on(PaymentCompleted)
def note_completed_payment(event: PaymentCompleted, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn(_paid(event, PaymentStatus.COMPLETED, event.completed_at))


@event_handlers.on(PaymentFailed)
def note_failed_payment(event: PaymentFailed, _metadata: Metadata) -> None:
    wiring.bookkeeping().learn(_paid(event, PaymentStatus.FAILED, event.failed_at))


@event_handlers.on(PaymentRefunded)
def note_returned_money(event: PaymentRefunded, _metadata: Metadata) -> None:
    """What was given back in part is a payment that has arrived still; what was paid once too
    often was never a sale.
    """
    if event.surplus:
        return
    status = PaymentStatus.REFUNDED if event.fully else PaymentStatus.COMPLETED
    refund = {event.refund_id: event.amount.money()}
    wiring.bookkeeping().learn(_paid(event, status, event.refunded_at, refund))


def _introduce(seller: Seller, metadata: Metadata) -> None:
    told = f"{iso(metadata.occurred_at)}#{metadata.event_id}"
    wiring.bookkeeping().introduce(seller, told)


def _seller(recipient: Recipient) -> Seller:
    return Seller(recipient.user_id, recipient.email, recipient.first_name)


def _product(event: ProductCreated | ProductUpdated) -> Product:
    return Product(
        event.seller.user_id,
        event.product_id,
        Details(
            event.revision,
            event.title,
            event.price.money(),
            event.category,
            event.low_stock_threshold,
        ),
        Stock(event.stock, event.stock_revision, event.revision),
    )


def _stocked(seller_id: str, event: StockRanLow | StockMoved) -> Product:
    stock = Stock(event.stock, event.stock_revision)
    return Product(seller_id, event.product_id, stock=stock)


def _purchase(
    event: OrderPlaced | OrderConfirmed | OrderShipped | OrderDelivered | OrderCancelled,
) -> Purchase:
    customer = Customer(event.customer.user_id, event.customer.first_name)
    return Purchase(customer, tuple(_line(line) for line in event.lines), event.placed_at)


def _paid(
    event: PaymentInitiated | PaymentCompleted | PaymentFailed | PaymentRefunded,
    status: PaymentStatus,
    at: datetime,
    refunds: dict[str, Money] | None = None,
) -> Order:
    payment = Payment(event.payment_id, status, at)
    return Order(event.order_id, payment=payment, is_paid=status.arrived, refunds=refunds or {})


def _line(line: OrderLine) -> SoldLine:
    total = line.line_total.money()
    return SoldLine(
        line.seller_id,
        line.product_id,
        line.title,
        line.quantity,
        line.unit_price.money(),
        total,
        refunded=Money.zero(total.currency),
    )


prepare(__name__)
