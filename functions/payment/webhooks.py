"""Webhooks: what Razorpay reports by itself; believed when it is signed, and let take effect
through the same use cases as everything else.
"""

import hmac
import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from payment.model import RazorpayRefund
from payment.ports import HandledWebhooks
from payment.records import NotARecord, attempt_of, refund_of
from payment.service import Mismatch, PaymentService
from supermarket import telemetry
from supermarket.errors import Conflict, Invalid, Unavailable

NOT_GENUINE = "The webhook's signature is not valid"
NO_SENSE = "The webhook makes no sense"
TRY_AGAIN = "The webhook could not be handled right now. Send it again."

PAYMENT_EVENTS = ("payment.authorized", "payment.captured", "payment.failed", "order.paid")
REFUND_EVENTS = ("refund.created", "refund.processed", "refund.failed")


class Webhooks:
    """Takes webhooks in. `secrets` are those that Razorpay may sign with at the moment."""

    def __init__(
        self,
        payments: PaymentService,
        handled: HandledWebhooks,
        secrets: Callable[[], Iterable[str]],
    ) -> None:
        self._payments = payments
        self._handled = handled
        self._secrets = secrets

    def receive(self, body: bytes, signature: str, event_id: str | None) -> bool:
        """Whether there was anything to do. What was done is remembered only afterwards, so that a
        webhook is never lost; doing it twice is harmless.
        """
        if not is_signed(body, signature, self._secrets()):
            telemetry.count("WebhooksRefused")
            raise Invalid(NOT_GENUINE)
        # the id is not signed: only together with the body does it tell that this was here before
        digest = sha256(body).hexdigest()
        if event_id and self._handled.has(event_id, digest):
            return False
        try:
            taken = self._take(_parsed(body))
        except Conflict as busy:
            raise Unavailable(TRY_AGAIN) from busy
        if event_id:
            self._handled.add(event_id, digest)
        return taken

    def _take(self, webhook: dict[str, Any]) -> bool:
        event = webhook.get("event")
        telemetry.logger.info("webhook", extra={"razorpay_event": event})
        if event in PAYMENT_EVENTS:
            return self._take_attempt(_entity(webhook, "payment"))
        if event not in REFUND_EVENTS:
            return False
        # a refund comes with its payment, which may not be known as paid yet
        refund = _read(refund_of, _entity(webhook, "refund"))
        if "payment" in webhook["payload"]:
            self._take_attempt(_entity(webhook, "payment"), refund)
        return bool(self._payments.learn_of_refund(refund))

    def _take_attempt(self, record: Any, *refunds: RazorpayRefund) -> bool:
        attempt = _read(attempt_of, record)
        if attempt.razorpay_order_id is None:
            return False
        order_id = attempt.razorpay_order_id
        try:
            return bool(self._payments.learn_of_attempt(order_id, attempt, refunds))
        except Mismatch:
            # logged and counted; no repetition would make it fit
            return False


def is_signed(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether the very bytes were signed with one of the secrets; in time that tells nothing."""
    sent = signature.encode()
    expected = [hmac.new(one.encode(), body, sha256).hexdigest() for one in secrets if one]
    return any(hmac.compare_digest(one.encode(), sent) for one in expected)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        webhook = json.loads(body)
    except ValueError:
        raise Invalid(NO_SENSE) from None
    if not isinstance(webhook, dict):
        raise Invalid(NO_SENSE)
    return webhook


def _entity(webhook: dict[str, Any], kind: str) -> Any:
    """What a webhook brings of a kind; Razorpay wraps each once more."""
    try:
        return webhook["payload"][kind]["entity"]
    except (KeyError, TypeError):
        raise Invalid(NO_SENSE) from None


def _read[R](read: Callable[[Any], R], record: Any) -> R:
    try:
        return read(record)
    except NotARecord:
        telemetry.logger.exception("a webhook's record makes no sense")
        raise Invalid(NO_SENSE) from None
