"""Parses requests and refuses what Razorpay refuses, with its messages."""

import json
import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from simulators.razorpay.errors import refusal
from simulators.razorpay.model import Notes

CURRENCIES = ("INR", "USD")
MINIMUM_AMOUNT = 100
_PAGE_SIZE = 10
_LARGEST_PAGE = 100
_LARGEST_SETTLED_PAGE = 1_000
_INDIA = timezone(timedelta(hours=5, minutes=30))
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{10,}")


@dataclass(frozen=True)
class NewOrder:
    amount: int
    currency: str
    receipt: str | None
    notes: Notes
    auto_capture: bool


@dataclass(frozen=True)
class NewRefund:
    amount: int | None
    receipt: str | None
    notes: Notes
    speed: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Page:
    """A page of a list, newest first; `since` and `until` are included, seconds since 1970."""

    count: int = _PAGE_SIZE
    skip: int = 0
    since: int | None = None
    until: int | None = None
    receipt: str | None = None


def parse_json(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object; an empty body is an empty object."""
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        raise refusal("The request body is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise refusal("The request body must be a JSON object")
    return parsed


def parse_order(body: dict[str, Any]) -> NewOrder:
    _refuse_extras(body, {"amount", "currency", "receipt", "notes", "payment_capture", "payment"})
    currency = parse_currency(body)
    return NewOrder(
        amount=parse_amount(body, currency),
        currency=currency,
        receipt=_parse_receipt(body),
        notes=_parse_notes(body),
        auto_capture=_parse_capture(body),
    )


def parse_refund(body: dict[str, Any], currency: str, key: str | None = None) -> NewRefund:
    _refuse_extras(body, {"amount", "receipt", "notes", "speed"})
    speed = body.get("speed", "normal")
    if speed not in ("normal", "optimum"):
        raise refusal("The selected speed is invalid.", field="speed")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise refusal("The idempotency key is invalid.")
    return NewRefund(
        amount=parse_amount(body, currency) if "amount" in body else None,
        receipt=_parse_receipt(body),
        notes=_parse_notes(body),
        speed=speed,
        idempotency_key=key,
    )


def parse_capture(body: dict[str, Any]) -> tuple[int, str]:
    _refuse_extras(body, {"amount", "currency"})
    currency = parse_currency(body) if "currency" in body else "INR"
    return parse_amount(body, currency), currency


def parse_currency(body: dict[str, Any]) -> str:
    currency = _required(body, "currency")
    if currency not in CURRENCIES:
        raise refusal("Currency is not supported", field="currency")
    return str(currency)


def parse_amount(body: dict[str, Any], currency: str) -> int:
    """Parse an amount in minor units; like Razorpay, accept digits in a string."""
    amount = _required(body, "amount")
    if isinstance(amount, str) and amount.isascii() and amount.isdigit():
        amount = int(amount)
    if type(amount) is not int:
        raise refusal("The amount must be an integer.", field="amount")
    if amount < MINIMUM_AMOUNT:
        raise refusal(f"The amount must be at least {currency} 1.00", field="amount")
    return amount


def parse_page(query: Mapping[str, str], *, with_receipt: bool = False) -> Page:
    allowed = {"count", "skip", "from", "to"}
    _refuse_extras(query, allowed | {"receipt"} if with_receipt else allowed)
    count = _whole(query, "count", _PAGE_SIZE, least=1)
    if count > _LARGEST_PAGE:
        raise refusal(f"The count may not be greater than {_LARGEST_PAGE}.", field="count")
    return Page(
        count=count,
        skip=_whole(query, "skip", 0),
        since=_whole(query, "from", 0) if "from" in query else None,
        until=_whole(query, "to", 0) if "to" in query else None,
        receipt=query.get("receipt"),
    )


def parse_settled(query: Mapping[str, str]) -> Page:
    """Parse a page of what was settled on a day or in a month, in India's time."""
    _refuse_extras(query, {"year", "month", "day", "count", "skip"})
    year, month = (_whole(query, name, 0, least=1) for name in ("year", "month"))
    count, day = _whole(query, "count", _PAGE_SIZE, least=1), _whole(query, "day", 0)
    if count > _LARGEST_SETTLED_PAGE:
        raise refusal(f"The count may not be greater than {_LARGEST_SETTLED_PAGE}.", field="count")
    try:
        first = datetime(year, month, day or 1, tzinfo=_INDIA)
    except ValueError:
        raise refusal("The date is invalid.", field="day" if day else "month") from None
    days = 1 if day else monthrange(year, month)[1]
    last = first + timedelta(days=days, seconds=-1)
    skip = _whole(query, "skip", 0)
    return Page(count, skip, int(first.timestamp()), int(last.timestamp()))


def _refuse_extras(given: Mapping[str, Any], allowed: set[str]) -> None:
    extras = ", ".join(name for name in given if name not in allowed)
    if extras:
        raise refusal(f"{extras} is/are not required and should not be sent")


def _required(body: dict[str, Any], name: str) -> Any:
    value = body.get(name)
    if value is None or value == "":
        raise refusal(f"The {name} field is required.", field=name)
    return value


def _whole(query: Mapping[str, str], name: str, default: int, *, least: int = 0) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise refusal(f"The {name} must be an integer.", field=name)
    if int(text) < least:
        raise refusal(f"The {name} must be at least {least}.", field=name)
    return int(text)


def _parse_receipt(body: dict[str, Any]) -> str | None:
    receipt = body.get("receipt")
    if not isinstance(receipt, str | None):
        raise refusal("The receipt must be a string.", field="receipt")
    if receipt and len(receipt) > 40:
        raise refusal("The receipt may not be greater than 40 characters.", field="receipt")
    return receipt


def _parse_notes(body: dict[str, Any]) -> Notes:
    notes = body.get("notes") or {}
    if not isinstance(notes, dict):
        raise refusal("The notes must be an array.", field="notes")
    if len(notes) > 15:
        raise refusal("The number of keys in notes must be at most 15.", field="notes")
    for value in notes.values():
        if isinstance(value, (dict, list)) or len(str(value)) > 256:
            message = "Each value in notes must be a string of at most 256 characters."
            raise refusal(message, field="notes")
    return {name: str(value) for name, value in notes.items()}


def _parse_capture(body: dict[str, Any]) -> bool:
    """Parse whether payments are captured automatically, which is the default."""
    if "payment" in body:
        capture = body["payment"].get("capture") if isinstance(body["payment"], dict) else None
        if capture not in ("automatic", "manual"):
            raise refusal("The selected capture is invalid.", field="capture")
        return bool(capture == "automatic")
    wanted = body.get("payment_capture", True)
    if wanted not in (True, "1", False, "0"):
        raise refusal("The payment capture field must be true or false.", field="payment_capture")
    return wanted in (True, "1")
