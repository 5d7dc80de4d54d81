"""The ledger: double entries for every movement of money, written once and never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payment.model.dispute import Dispute
from payment.model.payment import Payment
from payment.model.settlement import Settlement
from supermarket.money import Money


class Account(StrEnum):
    """The shop's accounts. Positive amounts are money that is there."""

    RAZORPAY = "razorpay"
    BANK = "bank"  # what Razorpay paid out
    DISPUTED = "disputed"  # held at Razorpay while a dispute is open
    SALES = "sales"
    OWED = "owed"  # surplus, which customers get back
    CHARGEBACKS = "chargebacks"  # lost disputes
    FEES = "fees"
    TAX = "tax"  # on fees


class Kind(StrEnum):
    """The kinds of movement."""

    CAPTURE = "capture"
    FEE = "fee"
    REFUND = "refund"
    DISPUTE = "dispute"
    DISPUTE_END = "dispute_end"
    CHARGEBACK = "chargeback"
    SETTLEMENT = "settlement"


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

    `reference` is the id of the attempt (captures and fees), of the refund, of the dispute, or of
    the settlement, which belongs to no payment. Raises `Unbalanced`.
    """

    payment_id: str | None
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
    captured = before.attempt_ids if before else frozenset()
    for capture in after.captures:
        id_ = capture.attempt_id
        if id_ not in captured:
            source = Account.SALES if id_ == after.completed_by else Account.OWED
            lines = _transfer(capture.amount, source, Account.RAZORPAY)
            yield Entry(after.id, Kind.CAPTURE, id_, lines, after.updated_at)
        if capture.fee and (before is None or before.fee_of(id_) is None):
            lines = _fee_lines(capture.fee, capture.tax)
            yield Entry(after.id, Kind.FEE, id_, lines, after.updated_at)
    for refund in after.refunds_processed_since(before):
        target = Account.OWED if after.is_surplus(refund) else Account.SALES
        lines = _transfer(refund.amount, Account.RAZORPAY, target)
        yield Entry(after.id, Kind.REFUND, refund.id, lines, after.updated_at)
    known = {one.id: _movements(one) for one in before.disputes} if before else {}
    for dispute in after.disputes:
        for kind, lines in _movements(dispute).items():
            if kind not in known.get(dispute.id, {}):
                yield Entry(after.id, kind, dispute.id, lines, after.updated_at)


def _movements(dispute: Dispute) -> dict[Kind, tuple[Line, ...]]:
    """Return the movements of money by a dispute so far; their order does not matter."""
    amount, lost = dispute.amount, dispute.lost
    lines = {Kind.DISPUTE: _transfer(amount, Account.RAZORPAY, Account.DISPUTED)}
    if not dispute.is_open:
        lines[Kind.DISPUTE_END] = _transfer(amount, Account.DISPUTED, Account.RAZORPAY)
    if lost.minor:
        lines[Kind.CHARGEBACK] = _transfer(lost, Account.RAZORPAY, Account.CHARGEBACKS)
    return lines


def _transfer(amount: Money, source: Account, target: Account) -> tuple[Line, ...]:
    return Line(target, amount), Line(source, amount * -1)


def entry_of(settlement: Settlement) -> Entry:
    """Return the entry of money that Razorpay paid to the bank."""
    fees = _fee_lines(settlement.fees, settlement.tax) if settlement.fees.minor else ()
    paid = _transfer(settlement.amount, Account.RAZORPAY, Account.BANK)
    return Entry(None, Kind.SETTLEMENT, settlement.id, (*paid, *fees), settlement.created_at)


def _fee_lines(fee: Money, tax: Money | None) -> tuple[Line, ...]:
    """Return the lines of a fee of Razorpay, which includes its tax."""
    charged = (Line(Account.RAZORPAY, fee * -1),)
    if not tax or not tax.minor:
        return (*charged, Line(Account.FEES, fee))
    return (*charged, Line(Account.FEES, fee - tax), Line(Account.TAX, tax))
