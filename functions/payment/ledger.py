"""The ledger: double entries for every movement of money, written once and never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from payment.model import Payment
from supermarket.money import Currency, Money


class Account(StrEnum):
    """The shop's accounts. Positive amounts are money that is there."""

    RAZORPAY = "razorpay"
    SALES = "sales"
    OWED = "owed"  # duplicate payments, which customers get back
    FEES = "fees"


class Kind(StrEnum):
    """The kinds of movement."""

    CAPTURE = "capture"
    FEE = "fee"
    REFUND = "refund"


class Unbalanced(ValueError):
    """The lines of an entry do not sum to zero: a defect, which must not be stored."""


@dataclass(frozen=True)
class Line:
    """The change of one account, in minor units; negative when money leaves it."""

    account: Account
    minor: int


@dataclass(frozen=True)
class Entry:
    """One movement of money. A payment has one entry per kind and reference.

    `reference` is the id of the attempt (captures and fees) or of the refund. Raises `Unbalanced`.
    """

    payment_id: str
    kind: Kind
    reference: str
    currency: Currency
    lines: tuple[Line, ...]
    at: datetime

    def __post_init__(self) -> None:
        if len(self.lines) < 2 or sum(line.minor for line in self.lines) != 0:
            raise Unbalanced(f"{self.kind} {self.reference}")

    @classmethod
    def transfer(
        cls,
        payment: Payment,
        kind: Kind,
        reference: str,
        amount: Money,
        source: Account,
        target: Account,
    ) -> Self:
        """Move `amount` from the source to the target."""
        lines = (Line(target, amount.minor), Line(source, -amount.minor))
        return cls(payment.id, kind, reference, amount.currency, lines, payment.updated_at)


def entries_between(before: Payment | None, after: Payment) -> Iterator[Entry]:
    """Yield the entries of a change of a payment."""
    captured = before.attempt_ids if before else frozenset()
    for capture in after.captures:
        id_ = capture.attempt_id
        if id_ not in captured:
            source = Account.SALES if id_ == after.razorpay_payment_id else Account.OWED
            yield Entry.transfer(after, Kind.CAPTURE, id_, after.price, source, Account.RAZORPAY)
        if capture.fee and (before is None or before.fee_of(id_) is None):
            yield Entry.transfer(after, Kind.FEE, id_, capture.fee, Account.RAZORPAY, Account.FEES)
    for refund in after.refunds_processed_since(before):
        target = Account.OWED if after.is_duplicate(refund) else Account.SALES
        yield Entry.transfer(after, Kind.REFUND, refund.id, refund.amount, Account.RAZORPAY, target)
