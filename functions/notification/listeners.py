"""The facts that people get a mail about."""

from notification import wiring
from supermarket.contracts import (
    CartAbandoned,
    EmailVerificationRequested,
    Metadata,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
    PasswordResetRequested,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
    ProductCreated,
    SalesReportReady,
    StockRanLow,
    UserRegistered,
)
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

event_handlers = EventHandlers("notification")


@event_handlers.on(UserRegistered)
def welcome_new_user(event: UserRegistered, metadata: Metadata) -> None:
    wiring.notification_service().welcome(event, metadata)


@event_handlers.on(EmailVerificationRequested)
def send_link_that_proves_an_address(event: EmailVerificationRequested, metadata: Metadata) -> None:
    wiring.notification_service().verify_email(event, metadata)


@event_handlers.on(PasswordResetRequested)
def send_link_to_choose_a_password(event: PasswordResetRequested, metadata: Metadata) -> None:
    wiring.notification_service().reset_password(event, metadata)


@event_handlers.on(ProductCreated)
def tell_seller_of_new_product(event: ProductCreated, metadata: Metadata) -> None:
    wiring.notification_service().product_created(event, metadata)


@event_handlers.on(StockRanLow)
def tell_seller_to_fill_the_shelf(event: StockRanLow, metadata: Metadata) -> None:
    wiring.notification_service().stock_ran_low(event, metadata)


@event_handlers.on(SalesReportReady)
def tell_seller_of_the_week(event: SalesReportReady, metadata: Metadata) -> None:
    wiring.notification_service().sales_report(event, metadata)


@event_handlers.on(CartAbandoned)
def remind_customer_of_the_cart(event: CartAbandoned, metadata: Metadata) -> None:
    wiring.notification_service().cart_abandoned(event, metadata)


@event_handlers.on(OrderPlaced)
def tell_customer_of_order(event: OrderPlaced, metadata: Metadata) -> None:
    wiring.notification_service().order_placed(event, metadata)


@event_handlers.on(OrderConfirmed)
def tell_customer_that_it_will_be_sent(event: OrderConfirmed, metadata: Metadata) -> None:
    wiring.notification_service().order_confirmed(event, metadata)


@event_handlers.on(OrderCancelled)
def tell_customer_that_nothing_comes(event: OrderCancelled, metadata: Metadata) -> None:
    wiring.notification_service().order_cancelled(event, metadata)


@event_handlers.on(OrderShipped)
def tell_customer_that_it_is_on_its_way(event: OrderShipped, metadata: Metadata) -> None:
    wiring.notification_service().order_shipped(event, metadata)


@event_handlers.on(OrderDelivered)
def tell_customer_that_it_has_arrived(event: OrderDelivered, metadata: Metadata) -> None:
    wiring.notification_service().order_delivered(event, metadata)


@event_handlers.on(PaymentInitiated)
def ask_customer_to_pay(event: PaymentInitiated, metadata: Metadata) -> None:
    wiring.notification_service().payment_initiated(event, metadata)


@event_handlers.on(PaymentCompleted)
def thank_customer_for_payment(event: PaymentCompleted, metadata: Metadata) -> None:
    wiring.notification_service().payment_completed(event, metadata)


@event_handlers.on(PaymentFailed)
def tell_customer_of_failed_payment(event: PaymentFailed, metadata: Metadata) -> None:
    wiring.notification_service().payment_failed(event, metadata)


@event_handlers.on(PaymentRefunded)
def tell_customer_of_returned_money(event: PaymentRefunded, metadata: Metadata) -> None:
    wiring.notification_service().payment_refunded(event, metadata)


prepare(__name__)
