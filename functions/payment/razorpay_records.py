"""Parses the records in Razorpay's responses and webhooks."""

import re
from datetime import UTC, datetime
from typing import Any

from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.order import RazorpayOrder
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.settlement import ItemKind, SettledItem, Settlement, SettlementStatus
from supermarket.money import Currency, Money

REFUND_STATUSES = {
    "created": RefundStatus.PENDING,
    "pending": RefundStatus.PENDING,
    "processed": RefundStatus.PROCESSED,
    "failed": RefundStatus.FAILED,
}
DISPUTE_STATUSES = {
    "open": DisputeStatus.OPEN,
    "action_required": DisputeStatus.OPEN,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "closed": DisputeStatus.CLOSED,
}
ID = re.compile(r"[A-Za-z0-9_]{1,64}")
MAX_MINOR = 10**15
MAX_TEXT = 200

# what a parser raises when a field is missing or has an unexpected value
INVALID_RECORD = (KeyError, TypeError, ValueError, OverflowError, OSError)


class ForeignId(ValueError):
    """An id cannot be one of Razorpay's, so the record is not about a payment of the shop."""


def to_attempt(record: Any) -> Attempt:
    """Parse a payment of Razorpay. Raises one of `INVALID_RECORD`, as all these parsers do."""
    order_id = record["order_id"]
    return Attempt(
        id=_id(record["id"]),
        razorpay_order_id=None if order_id is None else _id(order_id),
        amount=_amount(record),
        status=_attempt_status(record),
        fee=_fee(record, "fee"),
        tax=_fee(record, "tax"),
    )


def to_refund(record: Any) -> RazorpayRefund:
    return RazorpayRefund(
        id=_id(record["id"]),
        payment_id=_id(record["payment_id"]),
        amount=_amount(record),
        status=REFUND_STATUSES[record["status"]],
        our_id=_note(record, "refund_id"),
    )


def to_order(record: Any) -> RazorpayOrder:
    is_paid = _typed(record["status"], str) == "paid"
    created_at = record.get("created_at")
    made_at = None if created_at is None else _time(created_at)
    return RazorpayOrder(_id(record["id"]), _amount(record), is_paid, made_at)


def to_dispute(record: Any) -> Dispute:
    amount = _amount(record)
    if isinstance(amount, ForeignMoney):
        raise ValueError(amount.currency)  # noqa: TRY004 - a record of Razorpay's, not an argument
    respond_by, deducted = record.get("respond_by"), record.get("amount_deducted")
    return Dispute(
        id=_id(record["id"]),
        attempt_id=_id(record["payment_id"]),
        amount=amount,
        status=DISPUTE_STATUSES[record["status"]],
        phase=_text(record, "phase"),
        reason=_text(record, "reason_description") or _text(record, "reason_code"),
        opened_at=_time(record["created_at"]),
        respond_by=None if respond_by is None else _time(respond_by),
        deducted=Money(_minor(deducted), amount.currency) if deducted else None,
    )


def to_settlement(record: Any) -> Settlement:
    """Parse a settlement, which is in the account's currency, rupees."""
    return Settlement(
        id=_id(record["id"]),
        amount=Money(_minor(record["amount"]), Currency.INR),
        status=SettlementStatus(record["status"]),
        created_at=_time(record["created_at"]),
        fees=Money(_minor(record.get("fees") or 0), Currency.INR),
        tax=Money(_minor(record.get("tax") or 0), Currency.INR),
        utr=_text(record, "utr") or None,
    )


def to_settled_item(record: Any) -> SettledItem:
    id_, kind = _id(record["entity_id"]), ItemKind(record["type"])
    attempt_id = id_ if kind is ItemKind.PAYMENT else record["payment_id"]
    return SettledItem(
        id=id_,
        kind=kind,
        amount=_amount(record),
        net=_minor(record["credit"]) - _minor(record["debit"]),
        settlement_id=_text(record, "settlement_id") or None,
        # an adjustment may concern no payment
        attempt_id=None if kind is ItemKind.ADJUSTMENT and not attempt_id else _id(attempt_id),
        dispute_id=_text(record, "dispute_id") or None,
        fee=_fee(record, "fee"),
        tax=_fee(record, "tax"),
    )


def _amount(record: Any) -> Money | ForeignMoney:
    minor, currency = _minor(record["amount"]), _typed(record["currency"], str)
    if currency in set(Currency):
        return Money(minor, Currency(currency))
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError("currency")
    return ForeignMoney(minor, currency)


def _attempt_status(record: Any) -> AttemptStatus:
    status = AttemptStatus(record["status"])
    # an authorized attempt that was never captured is "refunded", too: the shop had no money of it
    was_released = status is AttemptStatus.REFUNDED and record.get("captured") is False
    return AttemptStatus.FAILED if was_released else status


def _fee(record: Any, name: str) -> Money | None:
    """Return the fee, or the tax that is part of it. They are known after the capture and in the
    account's currency, rupees.
    """
    fee, currency = record.get(name), record.get("base_currency") or Currency.INR
    is_known = fee and currency in set(Currency)
    return Money(_minor(fee), Currency(currency)) if is_known else None


def _note(record: Any, name: str) -> str | None:
    notes = record.get("notes")
    # Razorpay writes empty notes as an empty list
    note = notes.get(name) if isinstance(notes, dict) else None
    return note if isinstance(note, str) and ID.fullmatch(note) else None


def _text(record: Any, name: str) -> str:
    text = _typed(record.get(name) or "", str)
    return text.encode(errors="replace").decode()[:MAX_TEXT]


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(_typed(seconds, int), UTC)


def _id(value: Any) -> str:
    """Return an id. Raises `ForeignId`."""
    if not ID.fullmatch(_typed(value, str)):
        raise ForeignId("id")
    return str(value)


def _minor(value: Any) -> int:
    minor = _typed(value, int)
    if not 0 <= minor <= MAX_MINOR:
        raise ValueError("amount")
    return minor


def _typed[Value](value: Any, kind: type[Value]) -> Value:
    if type(value) is not kind:  # a bool is an instance of int
        raise TypeError
    return value
