"""The interfaces that reconciliation needs: payments, Razorpay's records and its store."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payment.model.attempt import Attempt
from payment.model.dispute import Dispute
from payment.model.order import RazorpayOrder
from payment.model.payment import Payment
from payment.model.refund import RazorpayRefund
from payment.ports import InvalidProviderResponse, ProviderBusy, ProviderRejected
from payment.reconciliation.model import Agenda, Checkpoint, RecordPage, Records
from supermarket.contracts import PaymentDriftFound
from supermarket.errors import Conflict, Unavailable
from supermarket.transaction import Transaction


class KnownDrift(Conflict):
    """This drift was reported before."""

    code = "KNOWN_DRIFT"


@dataclass(frozen=True)
class DriftPage:
    """A page of drift, newest first, and the sort key before which the next one begins."""

    drift: tuple[PaymentDriftFound, ...]
    next_before: str | None


class DriftList(Protocol):
    """The drift that was found."""

    def list_newest(self, before: str | None, limit: int) -> DriftPage:
        """Return drift with sort keys below `before`, newest first. Eventually consistent."""


def is_unanswered(failure: Exception) -> bool:
    """Whether Razorpay gave no answer; these three kinds answer about one record only."""
    answers = (ProviderRejected, InvalidProviderResponse, ProviderBusy)
    return isinstance(failure, Unavailable) and not isinstance(failure, answers)


class ReconciledPayments(Protocol):
    """The shop's payments."""

    def find(self, payment_id: str) -> Payment | None: ...
    def find_many(self, payment_ids: Collection[str]) -> Sequence[Payment]: ...
    def find_by_razorpay_id(self, razorpay_id: str) -> Payment | None: ...

    def find_by_razorpay_ids(self, razorpay_ids: Collection[str]) -> Mapping[str, Payment]:
        """Return the known payments by the ids of Razorpay orders, or of attempts that took money
        for them, for up to 100 ids.
        """

    def list_with_open_refunds(self, limit: int) -> list[str]:
        """Return ids of payments with open refunds, alternately unsent and sent ones, each in the
        order of their last change or `touch`. Eventually consistent.
        """

    def touch(self, payment_id: str, at: datetime) -> None:
        """Move a payment to the end of the list of those with open refunds."""

    def list_keys_between(self, since: datetime, until: datetime) -> Iterator[str]:
        """Yield the sort keys of all payments that were created in a window, oldest first.
        Eventually consistent.
        """

    def list_unsettled_between(self, since: datetime, until: datetime) -> Sequence[Payment]:
        """Return the payments that were created in a window and are not paid."""


class RazorpayRecords(Protocol):
    """Razorpay's records, pages newest first. Every call may raise `Unavailable`."""

    def list_attempts_between(self, page: RecordPage) -> Records[Attempt]: ...
    def list_refunds_between(self, page: RecordPage) -> Records[RazorpayRefund]: ...
    def list_orders_between(self, page: RecordPage) -> Records[RazorpayOrder]: ...
    def find_order(self, razorpay_order_id: str) -> RazorpayOrder | None: ...
    def get_attempt(self, razorpay_payment_id: str) -> Attempt: ...
    def get_dispute(self, dispute_id: str) -> Dispute: ...

    def list_attempts(self, razorpay_order_id: str) -> Sequence[Attempt]:
        """Return all attempts to pay an order."""

    def list_refunds(self, razorpay_payment_id: str) -> Sequence[RazorpayRefund]:
        """Return the refunds of an attempt."""


class DriftStore(Protocol):
    """The tables of agendas, checkpoints and drift."""

    def find_agenda(self, name: str) -> Agenda | None: ...

    def save_agenda(self, agenda: Agenda) -> None:
        """Save a change. Raises `StaleWrite` unless the stored agenda is the version before."""

    def find_checkpoint(self, name: str) -> Checkpoint | None: ...

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Save a move. Raises `StaleWrite` unless the stored checkpoint is the version before."""

    def add(self, drift: PaymentDriftFound, transaction: Transaction) -> None:
        """Add a drift. Raises `KnownDrift` when it is stored."""
