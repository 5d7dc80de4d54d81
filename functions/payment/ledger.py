"""The ledger: what each movement of money did to the shop's accounts, in entries that sum to zero
and are written once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from payment.model import Payment, Surplus
from supermarket.money import Currency, Money


class Account(StrEnum):
    """Where money is, or where it came from: a plus is money that is there."""

    RAZORPAY = "razorpay"
    SALES = "sales"
    OWED = "owed"  # what customers paid once too often and get back
    FEES = "fees"


class Kind(StrEnum):
    """What moved the money."""

    CAPTURE = "capture"
    FEE = "fee"
    REFUND = "refund"


class Unbalanced(ValueError):
    """The lines of an entry do not sum to zero: a defect, which must not be written down."""


@dataclass(frozen=True)
class Line:
    """What one account gains, or loses if it is negative."""

    account: Account
    minor: int


@dataclass(frozen=True)
class Entry:
    """One movement of money. There is one of each kind and reference per payment."""

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
    def moving(
        cls,
        payment: Payment,
        kind: Kind,
        reference: str,
        amount: Money,
        source: Account,
        target: Account,
    ) -> Self:
        """`amount` leaves the source and arrives at the target."""
        lines = (Line(target, amount.minor), Line(source, -amount.minor))
        return cls(payment.id, kind, reference, amount.currency, lines, payment.updated_at)


def entries_between(before: Payment | None, after: Payment) -> Iterator[Entry]:
    """All that a change of a payment did to the accounts."""
    attempt = after.razorpay_payment_id
    if attempt is not None and (before is None or not before.is_paid):
        yield Entry.moving(
            after, Kind.CAPTURE, attempt, after.price, Account.SALES, Account.RAZORPAY
        )
    if attempt is not None and after.fee and (before is None or before.fee is None):
        yield Entry.moving(after, Kind.FEE, attempt, after.fee, Account.RAZORPAY, Account.FEES)
    for one in after.surplus:
        yield from _of_surplus(before, after, one)
    known = before.refunds if before else ()
    done = {refund.id for refund in known if refund.is_processed}
    for refund in after.refunds:
        if refund.is_processed and refund.id not in done:
            target = Account.OWED if refund.is_of_surplus else Account.SALES
            yield Entry.moving(
                after, Kind.REFUND, refund.id, refund.amount, Account.RAZORPAY, target
            )


def _of_surplus(before: Payment | None, after: Payment, surplus: Surplus) -> Iterator[Entry]:
    """Nothing was sold for money that was paid once too often: it is owed."""
    attempt = surplus.attempt_id
    if before is None or attempt not in before.attempts:
        yield Entry.moving(
            after, Kind.CAPTURE, attempt, after.price, Account.OWED, Account.RAZORPAY
        )
    if surplus.fee and (before is None or before.fee_of(attempt) is None):
        yield Entry.moving(after, Kind.FEE, attempt, surplus.fee, Account.RAZORPAY, Account.FEES)
