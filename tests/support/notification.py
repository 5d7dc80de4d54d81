"""In-memory adapters of notification's ports, and one event for each kind of mail."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any, Literal

from conftest import FrozenClock
from notification.digests import DigestService
from notification.gateways import PAGES
from notification.model import (
    Digest,
    DigestLine,
    Mail,
    MailBody,
    MailClass,
    Message,
    WaitingMail,
)
from notification.ports import MailRejected, MessagePage, SendInProgress
from notification.renderer import JinjaRenderer
from notification.repository import TURNS
from notification.sending import Mailer
from notification.service import DueMails, NotificationService
from supermarket import telemetry
from supermarket.clock import Clock, iso
from supermarket.contracts import (
    AccountChanged,
    Amount,
    CartAbandoned,
    CartLine,
    EmailChanged,
    EmailChangeRequested,
    EmailVerificationRequested,
    Event,
    LowStock,
    Metadata,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    PasswordResetRequested,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    ProductCreated,
    SalesOfDay,
    SalesOfProduct,
    SalesReportReady,
    StockRanLow,
    UserRegistered,
)
from supermarket.errors import RetryLater
from supermarket.money import Currency
from supermarket.people import Address, Recipient

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDER_ID = "01KAN2S3T4V5W6X7Y8Z9A0B1C2"
PAYMENT_ID = "01KAN2S3T4V5W6X7Y8Z9A0B1C3"
PRODUCT_ID = "01KAN2S3T4V5W6X7Y8Z9A0B1C4"
TEA = "Darjeeling First Flush Tea, 250 g"
CORRELATION_ID = "request-01KAN2S3T4V5W6X7Y8"


def rupees(minor: int) -> Amount:
    return Amount(minor=minor, currency=Currency.INR)


def asha(first_name: str = "Asha", *, email_verified: bool = True) -> Recipient:
    return Recipient("u1", "asha@example.com", first_name, email_verified)


def metadata(event_id: str = "event-1", correlation_id: str = CORRELATION_ID) -> Metadata:
    return Metadata(event_id=event_id, version=1, occurred_at=NOON, correlation_id=correlation_id)


def user_registered(
    first_name: str = "Asha", role: str = "user", username: str = "asha"
) -> UserRegistered:
    return UserRegistered.model_validate(
        {
            "user_id": "u1",
            "username": username,
            "email": "asha@example.com",
            "first_name": first_name,
            "last_name": "Rao",
            "role": role,
        }
    )


def email_verification_requested(first_name: str = "Asha") -> EmailVerificationRequested:
    return EmailVerificationRequested(user_id="u1", email="asha@example.com", first_name=first_name)


def password_reset_requested(first_name: str = "Asha") -> PasswordResetRequested:
    return PasswordResetRequested(user_id="u1", email="asha@example.com", first_name=first_name)


def email_change_requested() -> EmailChangeRequested:
    return EmailChangeRequested(user_id="u1", email="asha.rao@example.com")


def email_changed(first_name: str = "Asha") -> EmailChanged:
    return EmailChanged(user_id="u1", email="asha@example.com", first_name=first_name)


def account_changed(
    first_name: str = "Asha",
    change: Literal[
        "password", "new-device", "second-factor-added", "second-factor-removed"
    ] = "password",
) -> AccountChanged:
    return AccountChanged(
        user_id="u1",
        email="asha@example.com",
        first_name=first_name,
        change=change,
        changed_at=NOON,
    )


def stock_ran_low(
    title: str = TEA, first_name: str = "Asha", stock: int = 3, product_id: str = PRODUCT_ID
) -> StockRanLow:
    return StockRanLow(
        product_id=product_id,
        seller=asha(first_name),
        title=title,
        stock=stock,
        threshold=5,
        stock_revision=7,
    )


def cart_abandoned(title: str = TEA, name: str = "Asha") -> CartAbandoned:
    tea = CartLine(product_id=PRODUCT_ID, title=title, quantity=2, unit_price=rupees(49_950))
    rice = CartLine(
        product_id="p2", title="Basmati Rice, 5 kg", quantity=99, unit_price=rupees(123_456)
    )
    return CartAbandoned(
        user_id="u1",
        customer=asha(name),
        lines=[tea, rice],
        total=rupees(12_322_044),
        idle_since=NOON.replace(day=21),
    )


MONDAY = date(2026, 11, 16)
WEEK = (61_298_00, 0, 94_510_00, 1_23_456_78, 99, -250_00, 83_000_00)


def sales_report(title: str = TEA, name: str = "Asha") -> SalesReportReady:
    """A week with revenue in rupees and dollars, and one day with negative revenue."""
    dollars = Amount(minor=12_50, currency=Currency.USD)
    days = [
        SalesOfDay(
            day=MONDAY + timedelta(days=number),
            units=max(0, minor // 1_000),
            revenue=[rupees(minor)] * (minor != 0) + [dollars] * (number == 2),
        )
        for number, minor in enumerate(WEEK)
    ]
    tea = SalesOfProduct(
        product_id=PRODUCT_ID, title=title, units=40, revenue=[rupees(2_23_456_00), dollars]
    )
    rice = SalesOfProduct(
        product_id="p2", title="Basmati Rice, 5 kg", units=12, revenue=[rupees(1_40_000_00)]
    )
    return SalesReportReady(
        seller_id="u1",
        seller=asha(name),
        first=MONDAY,
        last=MONDAY + timedelta(days=6),
        orders=31,
        units=52,
        revenue=[rupees(sum(WEEK)), dollars],
        revenue_before=[rupees(3_20_000_00)],
        refunds=[rupees(250_00)],
        days=days,
        top_products=[tea, rice],
        low_stock=[LowStock(product_id=PRODUCT_ID, title=title, stock=3)],
    )


def quiet_week() -> SalesReportReady:
    """A week in which nothing was sold."""
    days = [
        SalesOfDay(day=MONDAY + timedelta(days=number), units=0, revenue=[]) for number in range(7)
    ]
    return sales_report().model_copy(
        update={
            "orders": 0,
            "units": 0,
            "days": days,
            "revenue": [],
            "refunds": [],
            "top_products": [],
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


def order_confirmed(title: str = TEA, name: str = "Asha") -> OrderConfirmed:
    return OrderConfirmed(
        order_id=ORDER_ID,
        customer=asha(name),
        lines=lines(title),
        total=rupees(12_322_044),
        placed_at=NOON,
        confirmed_at=NOON.replace(minute=4),
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


def payment_completed(name: str = "Asha", *, goes_back: bool = True) -> PaymentCompleted:
    event: PaymentCompleted = payment(
        PaymentCompleted,
        name,
        razorpay_payment_id="pay_Mz1nQ0aB2cD3eF",
        completed_at=NOON,
        goes_back=goes_back,
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
    """`MailSender` that records mails, unless it is out of order, throttled, or rejects them."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.is_out_of_order = False
        self.is_throttled = False
        self.refuses = False

    def send(self, mail: Mail) -> None:
        if self.is_out_of_order:
            raise ConnectionError("no post today")
        if self.is_throttled:
            raise RetryLater("too many mails")
        if self.refuses:
            raise MailRejected("no such address")
        self.mails.append(mail)


class NumberedLinks:
    """`Links` that are new each time, or None if they are not needed."""

    def __init__(self) -> None:
        self.minted: list[str] = []
        self.are_needed = True

    def create(self, purpose: str, user_id: str, email: str) -> str | None:
        if not self.are_needed:
            return None
        link = f"https://shop.example/{PAGES[purpose]}?token={user_id}-secret"
        self.minted.append(f"{link}-{len(self.minted) + 1}")
        return self.minted[-1]


class InMemoryMessages:
    """`Messages` and `Inbox` in dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._claimed_until: dict[str, datetime] = {}
        self._settled: dict[str, Message | None] = {}

    def claim(self, message_id: str) -> bool:
        if message_id in self._settled:
            return False
        if message_id in self._claimed_until and self._clock() <= self._claimed_until[message_id]:
            raise SendInProgress(message_id)
        self._claimed_until[message_id] = self._clock() + timedelta(seconds=40)
        return True

    def save_sent(self, message: Message) -> None:
        self._settled[message.id] = message

    def save_skipped(self, message_id: str) -> None:
        self._settled[message_id] = None

    def list_messages(self, recipient_id: str, before: str | None, limit: int) -> MessagePage:
        found = [one for one in self._of(recipient_id) if before is None or _place(one) < before]
        page = found[:limit]
        return MessagePage(tuple(page), _place(page[-1]) if len(found) > limit else None)

    def unread(self, recipient_id: str, limit: int) -> list[str]:
        return [one.id for one in self._of(recipient_id) if not one.read][:limit]

    def mark_read(self, recipient_id: str, message_id: str, at: datetime) -> Message | None:
        message = self._settled.get(message_id)
        if message is None or message.recipient_id != recipient_id:
            return None
        self._settled[message_id] = read = replace(message, read=True)
        return read

    def mark_all_read(self, message_ids: list[str], at: datetime) -> None:
        for message_id in message_ids:
            message = self._settled[message_id]
            assert message is not None
            self._settled[message_id] = replace(message, read=True)

    def _of(self, recipient_id: str) -> list[Message]:
        own = [one for one in self._settled.values() if one and one.recipient_id == recipient_id]
        return sorted(own, key=_place, reverse=True)


class InMemoryAllowances:
    """`Allowances` in a dictionary."""

    def __init__(self, clock: Clock, mails_per_hour: Mapping[MailClass, int] | int = 50) -> None:
        self._clock = clock
        if isinstance(mails_per_hour, int):
            mails_per_hour = dict.fromkeys(MailClass, mails_per_hour)
        self._mails_per_hour = mails_per_hour
        self._taken: Counter[tuple[MailClass, str, datetime]] = Counter()

    def acquire(self, mail_class: MailClass, address: str) -> None:
        key = self._key(mail_class, address)
        if self._taken[key] >= self._mails_per_hour[mail_class]:
            raise RetryLater("too many", key[2] + timedelta(hours=1) - self._clock())
        self._taken[key] += 1

    def release(self, mail_class: MailClass, address: str) -> None:
        key = self._key(mail_class, address)
        self._taken[key] = max(0, self._taken[key] - 1)

    def _key(self, mail_class: MailClass, address: str) -> tuple[MailClass, str, datetime]:
        hour = self._clock().replace(minute=0, second=0, microsecond=0)
        return mail_class, address.strip().lower(), hour


class InMemorySendingRate:
    """`SendingRate` in a dictionary."""

    def __init__(
        self,
        clock: Clock,
        mails_per_second: int = 1_000,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._mails_per_second = mails_per_second
        self._sleep = sleep
        self._turns: Counter[tuple[MailClass, datetime]] = Counter()

    def wait_for_turn(self, mail_class: MailClass) -> None:
        for _ in range(TURNS):
            now = self._clock()
            second = now.replace(microsecond=0)
            if self._turns[mail_class, second] < mail_class.rate(self._mails_per_second):
                self._turns[mail_class, second] += 1
                return
            self._sleep((second + timedelta(seconds=1) - now).total_seconds())
        raise RetryLater("too many a second", timedelta(minutes=1))


class InMemoryWaitingMails:
    """`WaitingMails` in a dictionary."""

    def __init__(self) -> None:
        self.mails: dict[tuple[str, datetime], WaitingMail] = {}

    def add(self, mail: WaitingMail) -> None:
        self.mails[mail.event_id, mail.due] = mail

    def list_due(self, until: datetime) -> Iterator[Sequence[WaitingMail]]:
        due = [mail for mail in self.mails.values() if mail.due <= until]
        yield from batched(sorted(due, key=lambda mail: mail.due), 100, strict=False)

    def remove(self, mails: Sequence[WaitingMail]) -> None:
        for mail in mails:
            self.mails.pop((mail.event_id, mail.due), None)

    def find_oldest(self) -> datetime | None:
        return min((mail.due for mail in self.mails.values()), default=None)


class InMemoryDigests:
    """`Digests` in dictionaries."""

    def __init__(self) -> None:
        self.due: dict[str, Digest] = {}
        self._lines: dict[str, dict[tuple[str, str], DigestLine]] = {}

    def add(self, digest: Digest, line: DigestLine) -> None:
        self.due.setdefault(digest.id, digest)
        lines = self._lines.setdefault(digest.id, {})
        stored = lines.get((line.topic, line.product_id))
        if stored is None or stored.revision < line.revision:
            lines[line.topic, line.product_id] = line

    def list_due(self, until: datetime) -> Iterator[Sequence[Digest]]:
        if due := [digest for digest in self.due.values() if digest.due <= until]:
            yield due

    def list_lines(self, digest: Digest, limit: int) -> Sequence[DigestLine]:
        return [line for _, line in sorted(self._lines[digest.id].items())][:limit]

    def remove(self, digest: Digest) -> None:
        del self.due[digest.id]


class FakeOrders:
    """`Orders` that can all be paid, except those in `paid`."""

    def __init__(self) -> None:
        self.paid: set[str] = set()

    def can_be_paid(self, order_id: str, customer_id: str) -> bool:
        return order_id not in self.paid


class InMemoryQueues:
    """`MailQueues` in lists; it refuses mails while it is `broken`."""

    def __init__(self) -> None:
        self.sent: dict[MailClass, list[str]] = {each: [] for each in MailClass}
        self.broken = False

    def send(self, mails: Sequence[WaitingMail]) -> Sequence[WaitingMail]:
        if self.broken:
            return []
        for mail in mails:
            self.sent[mail.mail_class].append(mail.body)
        return mails


class InMemorySuppressions:
    """`Suppressions` in a set."""

    def __init__(self) -> None:
        self._addresses: set[str] = set()

    def has(self, address: str) -> bool:
        return address.strip().lower() in self._addresses

    def add(self, address: str, why: str, at: datetime) -> None:
        self._addresses.add(address.strip().lower())

    def remove(self, address: str) -> bool:
        was_there = self.has(address)
        self._addresses.discard(address.strip().lower())
        return was_there


class RememberingRenderer(JinjaRenderer):
    """It renders one mail of each kind, for tests of how many mails are sent and when."""

    def __init__(self) -> None:
        super().__init__("https://shop.example")
        self._bodies: dict[str, MailBody] = {}

    def render(self, kind: str, facts: Mapping[str, Any]) -> MailBody:
        if kind not in self._bodies:
            self._bodies[kind] = super().render(kind, facts)
        return self._bodies[kind]


RENDERER = JinjaRenderer("https://shop.example")


@dataclass
class Desk:
    """The use cases of notification with in-memory adapters."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    bag: Mailbag = field(default_factory=Mailbag)
    links: NumberedLinks = field(default_factory=NumberedLinks)
    suppressions: InMemorySuppressions = field(default_factory=InMemorySuppressions)
    renderer: JinjaRenderer = RENDERER  # it keeps the compiled templates
    mails_per_hour: Mapping[MailClass, int] | int = 50

    def __post_init__(self) -> None:
        self.messages = InMemoryMessages(self.clock)
        self.waiting, self.queues = InMemoryWaitingMails(), InMemoryQueues()
        self.digests, self.orders = InMemoryDigests(), FakeOrders()
        mailer = Mailer(
            renderer=self.renderer,
            sender=self.bag,
            messages=self.messages,
            allowances=InMemoryAllowances(self.clock, self.mails_per_hour),
            rate=InMemorySendingRate(self.clock),
            suppressions=self.suppressions,
            links=self.links,
            clock=self.clock,
        )
        self.service = NotificationService(
            mailer, self.waiting, self.orders, timedelta(minutes=5), self.clock
        )
        self.due_mails = DueMails(self.waiting, self.queues)
        self.digest_service = DigestService(mailer, self.digests, timedelta(hours=1), self.clock)

    def sends(self, event: Event, metadata: Metadata) -> None:
        """Handle an event, again when its mail is due."""
        self.service.send_mail(event, metadata)
        for waiting in list(self.waiting.mails.values()):
            self.clock.now = waiting.due
            self.service.send_mail(event, metadata)

    def digests_of(self, *events: ProductCreated | StockRanLow) -> None:
        """Add events to the digest of a period, and send it."""
        telemetry.begin(CORRELATION_ID)
        for number, event in enumerate(events):
            self.digest_service.add(event, metadata(f"event-{number}"))
        self.clock.advance(timedelta(hours=2))
        self.digest_service.send_due(self.clock(), lambda: True)

    @property
    def inbox(self) -> tuple[Message, ...]:
        return self.messages.list_messages("u1", None, 100).messages

    def wait_for_redelivery(self) -> None:
        self.clock.advance(timedelta(seconds=60))


def _place(message: Message) -> str:
    return f"{iso(message.sent_at)}#{message.id}"
