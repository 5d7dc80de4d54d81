"""Parses the records in Razorpay's responses and webhooks."""

from typing import Any

from payment.model import (
    Attempt,
    AttemptStatus,
    ForeignMoney,
    RazorpayOrder,
    RazorpayRefund,
    RefundStatus,
)
from supermarket.money import Currency, Money

REFUND_STATUSES = {
    "created": RefundStatus.PENDING,
    "pending": RefundStatus.PENDING,
    "processed": RefundStatus.PROCESSED,
    "failed": RefundStatus.FAILED,
}


# what a parser raises when a field is missing or has an unexpected value
INVALID_RECORD = (KeyError, TypeError, ValueError)


def to_attempt(record: Any) -> Attempt:
    """Parse a payment of Razorpay. Raises one of `INVALID_RECORD`, as all three parsers do."""
    return Attempt(
        id=_typed(record["id"], str),
        razorpay_order_id=record["order_id"],
        amount=_amount(record),
        status=_attempt_status(record),
        fee=_fee(record),
    )


def to_refund(record: Any) -> RazorpayRefund:
    return RazorpayRefund(
        id=_typed(record["id"], str),
        payment_id=_typed(record["payment_id"], str),
        amount=_amount(record),
        status=REFUND_STATUSES[record["status"]],
        our_id=_note(record, "refund_id"),
    )


def to_order(record: Any) -> RazorpayOrder:
    is_paid = _typed(record["status"], str) == "paid"
    return RazorpayOrder(_typed(record["id"], str), _amount(record), is_paid)


def _amount(record: Any) -> Money | ForeignMoney:
    minor, currency = _typed(record["amount"], int), _typed(record["currency"], str)
    known = currency in set(Currency)
    return Money(minor, Currency(currency)) if known else ForeignMoney(minor, currency)


def _attempt_status(record: Any) -> AttemptStatus:
    status = AttemptStatus(record["status"])
    # an authorized attempt that was never captured is "refunded", too: the shop had no money of it
    was_released = status is AttemptStatus.REFUNDED and record.get("captured") is False
    return AttemptStatus.FAILED if was_released else status


def _fee(record: Any) -> Money | None:
    """Return the fee, which is known after the capture and in the account's currency, rupees."""
    fee, currency = record.get("fee"), record.get("base_currency") or Currency.INR
    is_known = fee and currency in set(Currency)
    return Money(_typed(fee, int), Currency(currency)) if is_known else None


def _note(record: Any, name: str) -> str | None:
    notes = record.get("notes")
    # Razorpay writes empty notes as an empty list
    note = notes.get(name) if isinstance(notes, dict) else None
    return note if isinstance(note, str) else None


def _typed[Value](value: Any, kind: type[Value]) -> Value:
    if type(value) is not kind:  # a bool is an instance of int
        raise TypeError
    return value
