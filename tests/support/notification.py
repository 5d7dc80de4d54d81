"""Notification's ports in memory, and one event of every kind that people get a mail about."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from notification.model import Mail
from supermarket.contracts import (
    Address,
    Amount,
    Event,
    Metadata,
    OrderCancelled,
    OrderDelivered,
    OrderLine,
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
from supermarket.money import Currency

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDER_ID = "01KAN2S3T4V5W6X7Y8Z9A0B1C2"
PAYMENT_ID = "01KAN2S3T4V5W6X7Y8Z9A0B1C3"
PRODUCT_ID = "01KAN2S3T4V5W6X7Y8Z9A0B1C4"
TEA = "Darjeeling First Flush Tea, 250 g"
CORRELATION_ID = "request-01KAN2S3T4V5W6X7Y8"


def rupees(minor: int) -> Amount:
    return Amount(minor=minor, currency=Currency.INR)


def asha(first_name: str = "Asha") -> Recipient:
    return Recipient(user_id="u1", email="asha@example.com", first_name=first_name)


def metadata(event_id: str = "event-1") -> Metadata:
    return Metadata(event_id=event_id, version=1, occurred_at=NOON, correlation_id=CORRELATION_ID)


def user_registered(first_name: str = "Asha", role: str = "user") -> UserRegistered:
    return UserRegistered.model_validate(
        {
            "user_id": "u1",
            "username": "asha",
            "email": "asha@example.com",
            "first_name": first_name,
            "last_name": "Rao",
            "role": role,
        }
    )


def product_created(title: str = TEA, first_name: str = "Asha") -> ProductCreated:
    return ProductCreated(
        product_id=PRODUCT_ID,
        seller=asha(first_name),
        title=title,
        price=rupees(49_950),
        stock=40,
        category="Tea & Coffee",
        revision=1,
    )


def lines(title: str = TEA) -> list[OrderLine]:
    basmati = OrderLine(
        product_id="p2",
        title="Basmati Rice, 5 kg",
        seller_id="s2",
        quantity=99,
        unit_price=rupees(123_456),
        line_total=rupees(12_222_144),
    )
    tea = OrderLine(
        product_id=PRODUCT_ID,
        title=title,
        seller_id="s1",
        quantity=2,
        unit_price=rupees(49_950),
        line_total=rupees(99_900),
    )
    return [tea, basmati]


def order_placed(title: str = TEA, street: str = "12 MG Road", name: str = "Asha") -> OrderPlaced:
    return OrderPlaced(
        order_id=ORDER_ID,
        customer=asha(name),
        lines=lines(title),
        total=rupees(12_322_044),
        shipping_address=Address(
            street=street, city="Bengaluru", state="Karnataka", zip="560001", country="IN"
        ),
        placed_at=NOON,
        reserved_until=NOON.replace(minute=15),
    )


def order_cancelled(
    by: str = "customer", title: str = TEA, name: str = "Asha", *, was_paid: bool = True
) -> OrderCancelled:
    return OrderCancelled.model_validate(
        {
            "order_id": ORDER_ID,
            "customer": asha(name),
            "lines": lines(title),
            "total": rupees(12_322_044),
            "placed_at": NOON,
            "cancelled_at": NOON.replace(minute=15),
            "cancelled_by": by,
            "was_paid": was_paid,
        }
    )


def order_shipped(
    title: str = TEA, name: str = "Asha", tracking_number: str | None = "DTDC-4711-0815"
) -> OrderShipped:
    return OrderShipped(
        order_id=ORDER_ID,
        customer=asha(name),
        lines=lines(title),
        tracking_number=tracking_number,
        placed_at=NOON,
        shipped_at=NOON.replace(day=23),
    )


def order_delivered(
    title: str = TEA, name: str = "Asha", tracking_number: str | None = None
) -> OrderDelivered:
    return OrderDelivered(
        order_id=ORDER_ID,
        customer=asha(name),
        lines=lines(title),
        tracking_number=tracking_number,
        placed_at=NOON,
        delivered_at=NOON.replace(day=24),
    )


def payment(kind: type[Event], name: str = "Asha", **more: Any) -> Any:
    return kind.model_validate(
        {
            "payment_id": PAYMENT_ID,
            "order_id": ORDER_ID,
            "customer": asha(name),
            "amount": rupees(12_322_044),
            **more,
        }
    )


def payment_initiated(name: str = "Asha") -> PaymentInitiated:
    event: PaymentInitiated = payment(PaymentInitiated, name, initiated_at=NOON)
    return event


def payment_completed(name: str = "Asha") -> PaymentCompleted:
    event: PaymentCompleted = payment(
        PaymentCompleted, name, razorpay_payment_id="pay_Mz1nQ0aB2cD3eF", completed_at=NOON
    )
    return event


def payment_failed(
    name: str = "Asha", reason: str = "The payment was declined. You can try again."
) -> PaymentFailed:
    event: PaymentFailed = payment(PaymentFailed, name, reason=reason, failed_at=NOON)
    return event


def payment_refunded(
    name: str = "Asha",
    reason: str = "The order was not paid in time, so it was cancelled.",
    *,
    fully: bool = True,
) -> PaymentRefunded:
    event: PaymentRefunded = payment(
        PaymentRefunded,
        name,
        refund_id="01KAN2S3T4V5W6X7Y8Z9A0B1C5",
        fully=fully,
        reason=reason,
        refunded_at=NOON,
    )
    return event


class Mailbag:
    """`Post` that keeps what it is given, unless it is out of order."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.is_out_of_order = False

    def send(self, mail: Mail) -> None:
        if self.is_out_of_order:
            raise ConnectionError("no post today")
        self.mails.append(mail)


class InMemoryOnce:
    """`Once` in a set."""

    def __init__(self) -> None:
        self._done: set[tuple[str, str]] = set()

    def do(self, what: str, event_id: str, action: Callable[[], None]) -> None:
        if (what, event_id) not in self._done:
            action()
            self._done.add((what, event_id))
