"""Which mail goes to whom about which fact."""

from collections.abc import Callable
from functools import partial

from notification.model import form_of_address, harmless, localised
from notification.ports import Links
from notification.sending import Note, Sender
from supermarket.contracts import (
    Amount,
    CartAbandoned,
    CartLine,
    EmailVerificationRequested,
    Event,
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
from supermarket.people import Recipient


class NotificationService:
    """One method per mail."""

    def __init__(self, sender: Sender, links: Links) -> None:
        self._sender = sender
        self._links = links

    def welcome(self, event: UserRegistered, metadata: Metadata) -> None:
        subject = f"Welcome to Super-Market, {form_of_address(event.first_name)}"
        link = self._links.email_verification
        self._tell("welcome", _person(event), subject, event, metadata, link=link)

    def verify_email(self, event: EmailVerificationRequested, metadata: Metadata) -> None:
        link, subject = self._links.email_verification, "Confirm your email address"
        who = _person(event)
        self._tell("email_verification", who, subject, event, metadata, link=link, needs_link=True)

    def reset_password(self, event: PasswordResetRequested, metadata: Metadata) -> None:
        link, subject = self._links.password_reset, "Choose a new password"
        who = _person(event)
        self._tell("password_reset", who, subject, event, metadata, link=link, needs_link=True)

    def product_created(self, event: ProductCreated, metadata: Metadata) -> None:
        shown = event.model_copy(update={"title": harmless(event.title)})
        self._tell("product_created", event.seller, f"On sale: {shown.title}", shown, metadata)

    def stock_ran_low(self, event: StockRanLow, metadata: Metadata) -> None:
        shown = event.model_copy(update={"title": harmless(event.title)})
        subject = f"{'Sold out' if event.stock == 0 else 'Running low'}: {shown.title}"
        self._tell("stock_ran_low", event.seller, subject, shown, metadata)

    def cart_abandoned(self, event: CartAbandoned, metadata: Metadata) -> None:
        shown = event.model_copy(update={"lines": [_harmless_line(line) for line in event.lines]})
        subject = f"Your cart over {_price(event.total)} is waiting for you"
        self._tell("cart_abandoned", event.customer, subject, shown, metadata)

    def order_placed(self, event: OrderPlaced, metadata: Metadata) -> None:
        subject = f"We have your order over {_price(event.total)}"
        self._tell("order_placed", event.customer, subject, event, metadata)

    def order_confirmed(self, event: OrderConfirmed, metadata: Metadata) -> None:
        subject = f"Your order over {_price(event.total)} is confirmed"
        self._tell("order_confirmed", event.customer, subject, event, metadata)

    def order_cancelled(self, event: OrderCancelled, metadata: Metadata) -> None:
        subject = f"Your order over {_price(event.total)} {_end_of(event)}"
        self._tell("order_cancelled", event.customer, subject, event, metadata)

    def order_shipped(self, event: OrderShipped, metadata: Metadata) -> None:
        self._tell("order_shipped", event.customer, "Your order is on its way", event, metadata)

    def order_delivered(self, event: OrderDelivered, metadata: Metadata) -> None:
        self._tell("order_delivered", event.customer, "Your order has arrived", event, metadata)

    def payment_initiated(self, event: PaymentInitiated, metadata: Metadata) -> None:
        subject = f"Your payment of {_price(event.amount)} is ready"
        self._tell("payment_initiated", event.customer, subject, event, metadata)

    def payment_completed(self, event: PaymentCompleted, metadata: Metadata) -> None:
        subject = f"Thank you: {_price(event.amount)} received"
        if event.goes_back:
            subject = f"Your payment of {_price(event.amount)} came too late"
        self._tell("payment_completed", event.customer, subject, event, metadata)

    def payment_failed(self, event: PaymentFailed, metadata: Metadata) -> None:
        subject = f"Your payment of {_price(event.amount)} was not completed"
        self._tell("payment_failed", event.customer, subject, event, metadata)

    def payment_refunded(self, event: PaymentRefunded, metadata: Metadata) -> None:
        subject = f"{_price(event.amount)} on the way back to you"
        self._tell("payment_refunded", event.customer, subject, event, metadata)

    def sales_report(self, event: SalesReportReady, metadata: Metadata) -> None:
        subject = f"Your week at Super-Market: {_units(event.units)} sold"
        self._tell("sales_report", event.seller, subject, event, metadata)

    def _tell(
        self,
        kind: str,
        recipient: Recipient,
        subject: str,
        event: Event,
        metadata: Metadata,
        *,
        link: Callable[[str], str | None] | None = None,
        needs_link: bool = False,
    ) -> None:
        facts = {
            "event": event,
            "name": form_of_address(recipient.first_name),
            "correlation_id": metadata.correlation_id,
        }
        mint = partial(link, recipient.user_id) if link else None
        self._sender.send(Note(kind, recipient, subject, facts, mint, needs_link), metadata)


def _person(
    event: UserRegistered | EmailVerificationRequested | PasswordResetRequested,
) -> Recipient:
    return Recipient(user_id=event.user_id, email=event.email, first_name=event.first_name)


def _harmless_line(line: CartLine) -> CartLine:
    return line.model_copy(update={"title": harmless(line.title, "a product")})


def _end_of(event: OrderCancelled) -> str:
    return "has expired" if event.cancelled_by == "expiry" else "is cancelled"


def _units(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _price(amount: Amount) -> str:
    return localised(amount.money())
