"""Receives Razorpay's webhooks, and applies those with a valid signature."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from payment.model.refund import RazorpayRefund
from payment.model.signature import is_signed
from payment.razorpay_records import (
    INVALID_RECORD,
    ForeignId,
    to_attempt,
    to_dispute,
    to_refund,
    to_settlement,
)
from payment.service import AttemptMismatch, PaymentService
from payment.settlements import Settlements
from supermarket import telemetry
from supermarket.errors import Conflict, Invalid, Unavailable
from supermarket.idempotency import IdempotencyKey, KeyInUse

INVALID_WEBHOOK = "The webhook is not valid"

PAYMENT_EVENTS = ("payment.authorized", "payment.captured", "payment.failed", "order.paid")
REFUND_EVENTS = ("refund.created", "refund.processed", "refund.failed")
DISPUTE_EVENTS = tuple(
    f"payment.dispute.{change}"
    for change in ("created", "action_required", "under_review", "won", "lost", "closed")
)
SETTLEMENT_EVENTS = ("settlement.processed",)
MAX_EVENT_NAME = 64


@dataclass(frozen=True)
class Webhooks:
    """Receives webhooks. `secrets` returns the secrets that Razorpay may sign with now."""

    payments: PaymentService
    secrets: Callable[[], Iterable[str]]
    settlements: Settlements

    def receive(self, body: bytes, signature: str, event_id: str | None) -> bool:
        """Apply a webhook; returns whether it concerned a payment of the shop.

        It is remembered after it was applied, so that none is lost, and for a day, since Razorpay
        repeats it for so long. Raises `Invalid`; `Unavailable` when Razorpay should send it again.
        """
        if not any(is_signed(body, signature, secret) for secret in self.secrets()):
            telemetry.count("InvalidWebhookSignatures")
            raise Invalid("The signature of the webhook is not valid")
        # the id is not signed, so only the id together with the body identifies a webhook
        digest = sha256((event_id or "").encode() + b"#" + body).hexdigest()
        key = IdempotencyKey(f"webhook#{digest}", digest) if event_id else None
        if key and self.payments.idempotency_keys.find_result(key):
            return False
        try:
            applied = self._apply(_parse(body))
        except ForeignId:
            return False
        except Conflict as conflict:
            raise Unavailable("The webhook could not be handled now. Send it again.") from conflict
        if key:
            with suppress(KeyInUse):  # the same webhook was applied at the same time
                self.payments.changes.save_result(key, "applied")
        return applied

    def _apply(self, webhook: dict[str, Any]) -> bool:
        event = webhook.get("event")
        if not isinstance(event, str):
            raise Invalid(INVALID_WEBHOOK)
        telemetry.logger.info("webhook", extra={"razorpay_event": event[:MAX_EVENT_NAME]})
        if event in PAYMENT_EVENTS:
            return self._apply_attempt(webhook)
        if event in REFUND_EVENTS:
            return self._apply_refund(webhook)
        if event in DISPUTE_EVENTS:
            return self._apply_dispute(webhook)
        if event in SETTLEMENT_EVENTS:
            return self.settlements.record(_read(to_settlement, webhook, "settlement"))
        return False

    def _apply_attempt(self, webhook: dict[str, Any], *refunds: RazorpayRefund) -> bool:
        attempt = _read(to_attempt, webhook, "payment")
        try:
            return bool(self.payments.apply_payment_update(attempt, refunds))
        except AttemptMismatch:
            # it is logged and counted, and would not match if it were sent again
            return False

    def _apply_refund(self, webhook: dict[str, Any]) -> bool:
        refund = _read(to_refund, webhook, "refund")
        if _has_attempt(webhook) and not self._apply_attempt(webhook, refund):
            return False
        if self.payments.apply_refund_update(refund):
            return True
        if _has_attempt(webhook) and not _read(to_attempt, webhook, "payment").was_captured:
            return False  # an authorization was released, so the shop had no money
        self.payments.keep_early_report(refund)
        return True

    def _apply_dispute(self, webhook: dict[str, Any]) -> bool:
        dispute = _read(to_dispute, webhook, "dispute")
        if _has_attempt(webhook) and not self._apply_attempt(webhook):
            return False
        if not self.payments.apply_dispute_update(dispute):
            self.payments.keep_early_report(dispute)
        return True


def _parse(body: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        webhook = json.loads(body)
        if isinstance(webhook, dict):
            return webhook
    raise Invalid(INVALID_WEBHOOK)


def _has_attempt(webhook: dict[str, Any]) -> bool:
    """Whether a refund or dispute comes with its attempt, which the shop may not know yet."""
    return "payment" in webhook["payload"]


def _read[R](convert: Callable[[Any], R], webhook: dict[str, Any], kind: str) -> R:
    """Parse a record of a webhook. Raises `Invalid`; `ForeignId` when it is not about the shop."""
    try:
        return convert(webhook["payload"][kind]["entity"])
    except ForeignId:
        telemetry.logger.warning("a webhook has an id that Razorpay cannot have made")
        raise
    except INVALID_RECORD:
        telemetry.logger.exception("a webhook has no valid record")
        raise Invalid(INVALID_WEBHOOK) from None
