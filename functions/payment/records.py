"""Razorpay's records as the model knows them; the same ones come as answers and in webhooks."""

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


class NotARecord(ValueError):
    """What should be a record makes no sense."""


def attempt_of(record: Any) -> Attempt:
    """A payment in Razorpay's words."""
    try:
        return Attempt(
            id=_text(record["id"]),
            razorpay_order_id=record["order_id"],
            minor=_whole(record["amount"]),
            currency=_text(record["currency"]),
            status=_status(record),
            fee=_fee(record),
        )
    except (KeyError, TypeError, ValueError):
        raise NotARecord("payment") from None


def refund_of(record: Any) -> RazorpayRefund:
    try:
        return RazorpayRefund(
            id=_text(record["id"]),
            payment_id=_text(record["payment_id"]),
            amount=_amount(_whole(record["amount"]), _text(record["currency"])),
            status=REFUND_STATUSES[record["status"]],
            our_id=_note(record, "refund_id"),
        )
    except (KeyError, TypeError, ValueError):
        raise NotARecord("refund") from None


def order_of(record: Any) -> RazorpayOrder:
    try:
        return RazorpayOrder(
            id=_text(record["id"]),
            minor=_whole(record["amount"]),
            currency=_text(record["currency"]),
            status=_text(record["status"]),
        )
    except (KeyError, TypeError, ValueError):
        raise NotARecord("order") from None


def _amount(minor: int, currency: str) -> Money | ForeignMoney:
    if currency not in set(Currency):
        return ForeignMoney(minor, currency)
    return Money(minor, Currency(currency))


def _status(record: Any) -> AttemptStatus:
    status = AttemptStatus(record["status"])
    # what was only set aside and went back by itself was never taken
    was_taken = status is not AttemptStatus.REFUNDED or record.get("captured") is not False
    return status if was_taken else AttemptStatus.FAILED


def _fee(record: Any) -> Money | None:
    """Known once the money was taken. Razorpay charges it in the money of the account, rupees,
    whatever the customer paid in.
    """
    fee, currency = record.get("fee"), record.get("base_currency") or Currency.INR
    return Money(_whole(fee), Currency(currency)) if fee and currency in set(Currency) else None


def _note(record: Any, name: str) -> str | None:
    notes = record.get("notes")
    # no notes are an empty list, in Razorpay's words
    note = notes.get(name) if isinstance(notes, dict) else None
    return note if isinstance(note, str) else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value
