"""The interfaces that the use cases of payment need: tables, orders and Razorpay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from payment.ledger import Entry
from payment.model.attempt import Attempt
from payment.model.early_reports import EarlyReports
from payment.model.order import PayableOrder
from payment.model.payment import Payment
from payment.model.refund import RazorpayRefund
from payment.model.status import Failure
from supermarket.errors import BadGateway, Conflict, Unavailable
from supermarket.money import Money
from supermarket.transaction import Transaction


class CancelledOrder(Conflict):
    """The order is cancelled for good. `failure` is why its payment fails then."""

    code = "ORDER_CANCELLED"
    failure = Failure.ORDER_CANCELLED


class ExpiredOrder(CancelledOrder):
    """The order is cancelled because it was not paid in time."""

    code = "ORDER_EXPIRED"
    failure = Failure.ORDER_EXPIRED


class ProviderRejected(BadGateway):
    """Razorpay rejected the request."""

    code = "PROVIDER_REJECTED"


class ProviderBusy(Unavailable):
    """Razorpay rejected the request for now; the same request may be accepted later."""

    code = "PROVIDER_BUSY"


class ProviderTimeout(Unavailable):
    """Razorpay did not answer in time; whether it did what was requested is unknown."""

    code = "PROVIDER_TIMEOUT"


class InvalidProviderResponse(BadGateway):
    """Razorpay's response is not what was requested."""

    code = "INVALID_PROVIDER_RESPONSE"


class ProviderThrottled(BadGateway):
    """Razorpay takes no more calls for so long: there were too many."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("Razorpay takes no more requests now. Nothing was changed; try again.")
        self.retry_after = retry_after


@dataclass(frozen=True)
class RazorpayKeys:
    """The shop's API key at Razorpay. The secret is never shown."""

    key_id: str
    key_secret: str = field(repr=False)


class Payments(Protocol):
    """The table of payments. Reads are strongly consistent."""

    def find(self, payment_id: str) -> Payment | None: ...
    def find_by_order(self, order_id: str) -> Payment | None: ...

    def find_by_razorpay_id(self, razorpay_id: str) -> Payment | None:
        """Return the payment of a Razorpay order, or that an attempt took money for."""

    def add(self, payment: Payment, transaction: Transaction) -> None:
        """Add a new payment. Raises `StaleWrite` when its order has one."""

    def save(self, before: Payment, after: Payment, transaction: Transaction) -> None:
        """Save a change. Raises `StaleWrite` when the stored payment is no longer `before`."""

    def require_unchanged(self, payment: Payment, transaction: Transaction) -> None:
        """Raises `StaleWrite` when the stored payment is no longer this one."""

    def require_none(self, order_id: str, transaction: Transaction) -> None:
        """Raises `StaleWrite` when the order has a payment."""


class EarlyReportStore(Protocol):
    """The table of reports about attempts that the shop does not know yet. They are deleted after
    some weeks.
    """

    def find(self, attempt_id: str) -> EarlyReports:
        """Return the reports about an attempt, also when there are none."""

    def save(self, reports: EarlyReports, transaction: Transaction) -> None:
        """Save reports. Raises `StaleWrite` unless the version before is stored."""

    def require_unchanged(self, reports: EarlyReports, transaction: Transaction) -> None:
        """Raises `StaleWrite` when there are other reports by now."""


class Ledger(Protocol):
    """The table of ledger entries."""

    def add(self, entry: Entry, transaction: Transaction) -> None:
        """Add an entry. Raises `StaleWrite` when there is one of its kind and reference."""

    def list_by_payment(self, payment_id: str) -> tuple[Entry, ...]:
        """Return the entries of a payment, oldest first."""

    def find_settlement(self, settlement_id: str) -> Entry | None:
        """Return the entry of a settlement."""


class Orders(Protocol):
    """The orders that are paid for."""

    def get_payable(self, order_id: str, customer_id: str) -> PayableOrder:
        """Return an order of the customer.

        Raises `NotFound` when there is none, `CancelledOrder` when it is cancelled, `Conflict`
        when it cannot be paid for another reason.
        """

    def open_payment(
        self, order: PayableOrder, pay_until: datetime, transaction: Transaction
    ) -> None:
        """Reserve what was ordered until `pay_until`, in the transaction that opens the payment.

        Raises as `get_payable` does. The commit raises `StaleWrite` when the order changed since.
        """

    def confirm(self, order_id: str) -> bool:
        """Confirm a paid order; returns False when there is nothing to confirm.

        Raises `CancelledOrder` when it is cancelled.
        """

    def list_unconfirmed(self, order_ids: Collection[str]) -> set[str]:
        """Return those of the orders that are pending or cancelled."""


class Pace(Protocol):
    """How many calls may be made to Razorpay."""

    @property
    def longest_wait(self) -> timedelta:
        """How long a call may wait."""

    def wait(self) -> None:
        """Wait until a call may be made. Raises `ProviderThrottled` when that takes too long."""

    def pause(self, span: timedelta) -> None:
        """Let no further calls be made for this time."""


class Razorpay(Protocol):
    """The payment provider. Every call may raise `Unavailable` without any change here."""

    def create_order(self, payment_id: str, order_id: str, price: Money) -> str:
        """Create a Razorpay order over this price and return its id."""

    def get_attempt(self, razorpay_payment_id: str) -> Attempt: ...

    def capture(self, attempt: Attempt) -> Attempt:
        """Capture the money of an authorized attempt and return its new record."""

    def refund(self, razorpay_payment_id: str, amount: Money, refund_id: str) -> RazorpayRefund:
        """Refund part of an attempt, once per `refund_id`. Raises `ProviderRejected`."""

    def list_refunds(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        """Return the refunds of an attempt."""
