"""The facts that people get a mail about."""

from notification import wiring
from supermarket.contracts import (
    Metadata,
    OrderCancelled,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
    ProductCreated,
    UserRegistered,
)
from supermarket.events import Reactions

reactions = Reactions("notification")


@reactions.on(UserRegistered)
def welcome_new_user(event: UserRegistered, metadata: Metadata) -> None:
    wiring.notification_service().welcome(event, metadata)


@reactions.on(ProductCreated)
def tell_seller_of_new_product(event: ProductCreated, metadata: Metadata) -> None:
    wiring.notification_service().product_created(event, metadata)


@reactions.on(OrderPlaced)
def tell_customer_of_order(event: OrderPlaced, metadata: Metadata) -> None:
    wiring.notification_service().order_placed(event, metadata)


@reactions.on(OrderCancelled)
def tell_customer_that_nothing_comes(event: OrderCancelled, metadata: Metadata) -> None:
    wiring.notification_service().order_cancelled(event, metadata)


@reactions.on(OrderShipped)
def tell_customer_that_it_is_on_its_way(event: OrderShipped, metadata: Metadata) -> None:
    wiring.notification_service().order_shipped(event, metadata)


@reactions.on(OrderDelivered)
def tell_customer_that_it_has_arrived(event: OrderDelivered, metadata: Metadata) -> None:
    wiring.notification_service().order_delivered(event, metadata)


@reactions.on(PaymentInitiated)
def ask_customer_to_pay(event: PaymentInitiated, metadata: Metadata) -> None:
    wiring.notification_service().payment_initiated(event, metadata)


@reactions.on(PaymentCompleted)
def thank_customer_for_payment(event: PaymentCompleted, metadata: Metadata) -> None:
    wiring.notification_service().payment_completed(event, metadata)


@reactions.on(PaymentFailed)
def tell_customer_of_failed_payment(event: PaymentFailed, metadata: Metadata) -> None:
    wiring.notification_service().payment_failed(event, metadata)


@reactions.on(PaymentRefunded)
def tell_customer_of_returned_money(event: PaymentRefunded, metadata: Metadata) -> None:
    wiring.notification_service().payment_refunded(event, metadata)
