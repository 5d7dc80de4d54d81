"""Which mail goes to whom about which fact."""

from collections.abc import Callable
from typing import Any, Protocol

from notification.model import (
    LONGEST_SUBJECT,
    Letter,
    Mail,
    form_of_address,
    harmless,
    localised,
    one_line,
)
from supermarket.contracts import (
    Amount,
    Event,
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
    Recipient,
    UserRegistered,
)


class Letters(Protocol):
    """Writes letters."""

    def write(self, name: str, facts: dict[str, Any]) -> Letter:
        """The letter of this name about these facts."""


class Post(Protocol):
    """Takes mails to people."""

    def send(self, mail: Mail) -> None:
        """Raises when the mail was not taken."""


class Once(Protocol):
    """Remembers what was done about which event."""

    def do(self, what: str, event_id: str, action: Callable[[], None]) -> None:
        """Do it, unless it was done about this event before. What raises was not done."""


class NotificationService:
    """One method per mail. An event that comes again sends nothing again."""

    def __init__(self, letters: Letters, post: Post, once: Once) -> None:
        self._letters = letters
        self._post = post
        self._once = once

    def welcome(self, event: UserRegistered, metadata: Metadata) -> None:
        recipient = Recipient(user_id=event.user_id, email=event.email, first_name=event.first_name)
        name = form_of_address(event.first_name)
        self._tell("welcome", recipient, f"Welcome to Super-Market, {name}", event, metadata)

    def product_created(self, event: ProductCreated, metadata: Metadata) -> None:
        shown = event.model_copy(update={"title": harmless(event.title)})
        self._tell("product_created", event.seller, f"On sale: {shown.title}", shown, metadata)

    def order_placed(self, event: OrderPlaced, metadata: Metadata) -> None:
        subject = f"We have your order over {_price(event.total)}"
        self._tell("order_placed", event.customer, subject, event, metadata)

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
        self._tell("payment_completed", event.customer, subject, event, metadata)

    def payment_failed(self, event: PaymentFailed, metadata: Metadata) -> None:
        subject = f"Your payment of {_price(event.amount)} did not go through"
        self._tell("payment_failed", event.customer, subject, event, metadata)

    def payment_refunded(self, event: PaymentRefunded, metadata: Metadata) -> None:
        subject = f"{_price(event.amount)} on the way back to you"
        self._tell("payment_refunded", event.customer, subject, event, metadata)

    def _tell(
        self, mail: str, recipient: Recipient, subject: str, event: Event, metadata: Metadata
    ) -> None:
        def write_and_send() -> None:
            facts = {
                "event": event,
                "name": form_of_address(recipient.first_name),
                "correlation_id": metadata.correlation_id,
            }
            letter = self._letters.write(mail, facts)
            line = one_line(subject, LONGEST_SUBJECT)
            self._post.send(Mail(recipient.email, line, letter, metadata.correlation_id))

        self._once.do(mail, metadata.event_id, write_and_send)


def _end_of(event: OrderCancelled) -> str:
    return "has expired" if event.cancelled_by == "expiry" else "is cancelled"


def _price(amount: Amount) -> str:
    return localised(amount.money())
