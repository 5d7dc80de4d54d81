"""Razorpay's orders, payments, refunds, disputes and settlements, and their JSON."""

import secrets
import string
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Notes = dict[str, str]
OrderStatus = Literal["created", "attempted", "paid"]
PaymentStatus = Literal["authorized", "captured", "refunded", "failed"]
RefundStatus = Literal["pending", "processed", "failed"]
DisputeStatus = Literal["open", "under_review", "won", "lost", "closed"]
DisputePhase = Literal["fraud", "retrieval", "chargeback", "pre_arbitration", "arbitration"]

_ID_ALPHABET = string.ascii_letters + string.digits
_FEE_PERCENT = {"INR": 2}
_INTERNATIONAL_FEE_PERCENT = 3
_BASE_CURRENCY = "INR"  # of the account: fees are charged in it
_PERCENT_OF_RATE = 8_500  # every foreign currency is worth 85 rupees
_TAX_PERCENT_OF_FEE = 18


def new_id(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(14))


def percent_of(amount: int, percent: int) -> int:
    """Return a percentage of an amount in minor units, half a unit rounded up."""
    return (amount * percent + 50) // 100


def in_base_currency(amount: int, currency: str) -> int:
    """Convert an amount to the currency of the account."""
    return amount if currency == _BASE_CURRENCY else percent_of(amount, _PERCENT_OF_RATE)


@dataclass(frozen=True)
class Order:
    id: str
    amount: int
    currency: str
    receipt: str | None
    notes: Notes
    auto_capture: bool
    created_at: int
    status: OrderStatus = "created"
    attempts: int = 0
    amount_paid: int = 0

    def attempted(self) -> "Order":
        return replace(self, status="attempted", attempts=self.attempts + 1)

    def paid(self) -> "Order":
        return replace(self, status="paid", amount_paid=self.amount)

    def to_json(self) -> dict[str, Any]:
        return {
            **_without(asdict(self), "auto_capture"),
            "entity": "order",
            "amount_due": self.amount - self.amount_paid,
            "offer_id": None,
            "notes": self.notes or [],
        }


@dataclass(frozen=True)
class Payment:
    id: str
    order_id: str
    amount: int
    currency: str
    status: PaymentStatus
    created_at: int
    fee: int | None = None
    tax: int | None = None
    amount_refunded: int = 0

    @property
    def refundable(self) -> int:
        return self.amount - self.amount_refunded

    @property
    def is_international(self) -> bool:
        return self.currency != _BASE_CURRENCY

    @property
    def base_amount(self) -> int:
        """The amount in the currency of the account."""
        return in_base_currency(self.amount, self.currency)

    def captured(self) -> "Payment":
        percent = _FEE_PERCENT.get(self.currency, _INTERNATIONAL_FEE_PERCENT)
        fee = percent_of(self.base_amount, percent)
        tax = percent_of(fee, _TAX_PERCENT_OF_FEE)
        return replace(self, status="captured", fee=fee + tax, tax=tax)

    def refunded(self, amount: int) -> "Payment":
        total = self.amount_refunded + amount
        status: PaymentStatus = "refunded" if total == self.amount else self.status
        return replace(self, status=status, amount_refunded=total)

    def unrefunded(self, amount: int) -> "Payment":
        """Return the payment after a refund has failed."""
        return replace(self, status="captured", amount_refunded=self.amount_refunded - amount)

    @property
    def refund_status(self) -> str | None:
        if not self.amount_refunded:
            return None
        return "partial" if self.refundable else "full"

    def to_json(self) -> dict[str, Any]:
        base = {"base_amount": self.base_amount, "base_currency": _BASE_CURRENCY}
        return {
            **asdict(self),
            "entity": "payment",
            "invoice_id": None,
            "international": self.is_international,
            "refund_status": self.refund_status,
            "captured": self.status in ("captured", "refunded"),
            "description": None,
            "email": "void@razorpay.com",
            "contact": "+919999999999",
            "notes": [],
            **(base if self.is_international else {}),
            **self._method(),
            **self._failure(),
        }

    def _method(self) -> dict[str, Any]:
        """Return the method of payment: the UPI addresses of Razorpay's test mode."""
        failed = self.status == "failed"
        address = "failure@razorpay" if failed else "success@razorpay"
        digits = str(int.from_bytes(self.id.encode()) % 10**12).zfill(12)
        return {
            "method": "upi",
            "card_id": None,
            "bank": None,
            "wallet": None,
            "vpa": address,
            "upi": {"vpa": address},
            "acquirer_data": {"rrn": None if failed else digits},
        }

    def _failure(self) -> dict[str, str | None]:
        failed = self.status == "failed"
        error = {
            "error_code": "BAD_REQUEST_ERROR",
            "error_description": "Payment was unsuccessful due to a temporary issue.",
            "error_source": "gateway",
            "error_step": "payment_response",
            "error_reason": "payment_failed",
        }
        return {name: value if failed else None for name, value in error.items()}


@dataclass(frozen=True)
class Refund:
    id: str
    payment_id: str
    amount: int
    currency: str
    receipt: str | None
    created_at: int
    speed: str = "normal"
    notes: Notes = field(default_factory=dict)
    status: RefundStatus = "processed"
    idempotency_key: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            **_without(asdict(self), "speed", "idempotency_key"),
            "entity": "refund",
            "notes": self.notes or [],
            "acquirer_data": {"arn": None},
            "batch_id": None,
            "speed_processed": "normal",
            "speed_requested": self.speed,
        }


@dataclass(frozen=True)
class Dispute:
    id: str
    payment_id: str
    amount: int
    currency: str
    reason_code: str
    phase: DisputePhase
    respond_by: int
    created_at: int
    status: DisputeStatus = "open"
    amount_deducted: int = 0

    @property
    def is_open(self) -> bool:
        return self.status in ("open", "under_review")

    @property
    def withheld(self) -> int:
        """What the merchant is not paid because of it."""
        return self.amount if self.is_open else self.amount_deducted

    def changed(self, status: DisputeStatus, deducted: int | None) -> "Dispute":
        """Return it with a status; a lost one costs its amount, or less."""
        lost = 0
        if status == "lost":
            lost = self.amount if deducted is None else deducted
        return replace(self, status=status, amount_deducted=lost)

    def to_json(self) -> dict[str, Any]:
        words = self.reason_code.replace("_", " ")
        return {
            **asdict(self),
            "entity": "dispute",
            "gateway_dispute_id": None,
            "reason_description": words.capitalize(),
            "evidence": {"amount": 0, "summary": None, "submitted_at": None},
        }


@dataclass(frozen=True)
class Settlement:
    """Money that was paid to the bank account of the merchant."""

    id: str
    amount: int
    utr: str
    created_at: int
    fees: int = 0
    tax: int = 0
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, balance: int, fees: int, created_at: int) -> "Settlement":
        """Pay out a balance; `fees` are those of the settlement itself, with the tax on them."""
        tax = round(fees * _TAX_PERCENT_OF_FEE / (100 + _TAX_PERCENT_OF_FEE))
        utr = f"{created_at}{new_id('')[1:7].lower()}"
        return cls(new_id("setl"), balance - fees, utr, created_at, fees, tax)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "entity": "settlement"}


@dataclass(frozen=True)
class SettledItem:
    """A movement that a settlement contains: a payment, a refund, or an adjustment by a dispute.

    `created_at` is when it was settled.
    """

    id: str
    settlement_id: str
    entity_id: str
    type: Literal["payment", "refund", "adjustment"]
    net: int
    fee: int
    tax: int
    created_at: int
    settlement_utr: str
    entity_created_at: int
    order_id: str | None = None
    payment_id: str | None = None
    dispute_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        hidden = ("id", "net", "entity_created_at")
        return {
            **_without(asdict(self), *hidden),
            "debit": max(-self.net, 0),
            "credit": max(self.net, 0),
            "amount": abs(self.net) + self.fee,
            "currency": _BASE_CURRENCY,
            "on_hold": False,
            "settled": True,
            "created_at": self.entity_created_at,
            "settled_at": self.created_at,
            "description": None,
            "notes": "{}",
            "order_receipt": None,
            "method": "upi" if self.type == "payment" else None,
            "card_network": None,
            "card_issuer": None,
            "card_type": None,
        }


Record = Order | Payment | Refund | Dispute | Settlement | SettledItem


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
