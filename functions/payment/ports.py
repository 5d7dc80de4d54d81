"""What payment's use cases need from elsewhere: the tables, the orders, and Razorpay."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from payment.ledger import Entry
from payment.model import Attempt, PayableOrder, Payment, RazorpayRefund
from supermarket.errors import BadGateway, Conflict, Unavailable
from supermarket.money import Money
from supermarket.transaction import Transaction


class Overtaken(Conflict):
    """The payment is not what it was when it was read: somebody else was faster."""

    code = "OVERTAKEN"


class OrderGone(Conflict):
    """The order is cancelled, and will not come back."""

    code = "ORDER_GONE"


class OrderExpired(OrderGone):
    """The same, since it was not paid in time."""


class Refused(BadGateway):
    """Razorpay understood the request and said no."""

    code = "REFUSED"


class NotNow(Unavailable):
    """Razorpay says no for the time being: the very same request may be taken later."""

    code = "NOT_NOW"


class Nonsense(BadGateway):
    """Razorpay answered with something that cannot be what was asked for."""

    code = "NONSENSE"


@dataclass(frozen=True)
class RazorpayKeys:
    """The shop's key at Razorpay. The secret is never shown."""

    key_id: str
    key_secret: str = field(repr=False)


class Payments(Protocol):
    """Where payments are kept. All reads see every write that was finished before them."""

    def find(self, payment_id: str) -> Payment | None: ...

    def find_by_order(self, order_id: str) -> Payment | None: ...

    def find_by_razorpay_order(self, razorpay_order_id: str) -> Payment | None: ...

    def find_by_attempt(self, razorpay_payment_id: str) -> Payment | None:
        """The payment that this attempt took money for."""

    def refunding(self, limit: int) -> list[str]:
        """Ids of payments with refunds whose end is not known: by turns one that Razorpay has not
        heard of and one of the others, each those first that were left alone longest. A change of
        this very moment may be missing.
        """

    def put_last(self, payment_id: str, at: datetime) -> None:
        """Let the others of those with open refunds come first the next time."""

    def add(self, payment: Payment, transaction: Transaction) -> None:
        """Keep a new payment; Overtaken when its order has one already."""

    def save(self, read: Payment, changed: Payment, transaction: Transaction) -> None:
        """Keep a change; Overtaken unless what was read is what is kept."""


class Ledger(Protocol):
    """Where entries are kept for good."""

    def book(self, entry: Entry, transaction: Transaction) -> None:
        """Keep a new entry; Overtaken when there is one of this kind and reference."""

    def of_payment(self, payment_id: str) -> tuple[Entry, ...]: ...


class HandledWebhooks(Protocol):
    """The webhooks whose effect is kept, for as long as Razorpay might send them again."""

    def has(self, event_id: str, digest: str) -> bool: ...

    def add(self, event_id: str, digest: str) -> None: ...


class Orders(Protocol):
    """The orders that are paid for."""

    def payable(self, order_id: str, customer_id: str) -> PayableOrder:
        """The customer's own order; NotFound when it is not, OrderGone when it is cancelled,
        Conflict when it cannot be paid (any more) for another reason.
        """

    def confirm(self, order_id: str) -> bool:
        """Confirm an order that was paid and still waits for that news; whether it did.
        OrderGone when it is cancelled.
        """


class Razorpay(Protocol):
    """The payment provider. Every call may raise Unavailable, having changed nothing here."""

    def open_order(self, payment_id: str, order_id: str, price: Money) -> str:
        """The id of a new Razorpay order over exactly this price."""

    def attempt(self, razorpay_payment_id: str) -> Attempt:
        """Razorpay's own record of an attempt to pay."""

    def capture(self, attempt: Attempt) -> Attempt:
        """Take the money of an authorized attempt, once; the record afterwards."""

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        """Give money back, once per `refund_id` however often it is asked for; Refused when
        Razorpay will not.
        """

    def refunds_of(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        """Razorpay's own records of what went back of an attempt."""
