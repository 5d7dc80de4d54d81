"""The ledger: double entries for every movement of money, written once and never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payment.model import Payment
from supermarket.money import Money


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
    """The change of one account; negative when money leaves it."""

    account: Account
    amount: Money


@dataclass(frozen=True)
class Entry:
    """One movement of money. A payment has one entry per kind and reference.

    `reference` is the id of the attempt (captures and fees) or of the refund. Raises `Unbalanced`.
    """

    payment_id: str
    kind: Kind
    reference: str
    lines: tuple[Line, ...]
    at: datetime

    def __post_init__(self) -> None:
        total = sum(line.amount.minor for line in self.lines)
        currencies = {line.amount.currency for line in self.lines}
        if len(self.lines) < 2 or len(currencies) > 1 or total != 0:
            raise Unbalanced(f"{self.kind} {self.reference}")


def entries_between(before: Payment | None, after: Payment) -> Iterator[Entry]:
    """Yield the entries of a change of a payment."""

    def transfer(kind: Kind, id_: str, amount: Money, source: Account, target: Account) -> Entry:
        lines = (Line(target, amount), Line(source, amount * -1))
        return Entry(after.id, kind, id_, lines, after.updated_at)

    captured = before.attempt_ids if before else frozenset()
    for capture in after.captures:
        id_ = capture.attempt_id
        if id_ not in captured:
            source = Account.SALES if id_ == after.razorpay_payment_id else Account.OWED
            yield transfer(Kind.CAPTURE, id_, after.price, source, Account.RAZORPAY)
        if capture.fee and (before is None or before.fee_of(id_) is None):
            yield transfer(Kind.FEE, id_, capture.fee, Account.RAZORPAY, Account.FEES)
    for refund in after.refunds_processed_since(before):
        target = Account.OWED if after.is_duplicate(refund) else Account.SALES
        yield transfer(Kind.REFUND, refund.id, refund.amount, Account.RAZORPAY, target)
