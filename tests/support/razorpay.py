"""Controls the Razorpay simulator of a deployed shop.

Everything here concerns one payment, so that parallel tests do not disturb each other.
"""

from dataclasses import dataclass
from typing import Any

import httpx

from supermarket.clock import new_id
from support.payment import SentWebhook, a_webhook, as_event, signed
from support.shop import client


@dataclass(frozen=True)
class Razorpay:
    """The simulator, and the shop's endpoint for its webhooks."""

    endpoints: dict[str, Any]

    def look_up(self, path: str) -> dict[str, Any]:
        """Read a record with the keys of the account."""
        keys = (self.endpoints["razorpayKeyId"], self.endpoints["razorpayKeySecret"])
        answer = self._simulator.get(f"/v1/{path}", auth=keys)
        assert answer.status_code == 200, answer.text
        record: dict[str, Any] = answer.json()
        return record

    def list_attempts(self, razorpay_order_id: str) -> list[dict[str, Any]]:
        attempts: list[dict[str, Any]] = self.look_up(f"orders/{razorpay_order_id}/payments")[
            "items"
        ]
        return attempts

    def list_refunds(self, razorpay_payment_id: str) -> list[dict[str, Any]]:
        refunds: list[dict[str, Any]] = self.look_up(f"payments/{razorpay_payment_id}/refunds")[
            "items"
        ]
        return refunds

    def is_paid(
        self, razorpay_order_id: str, *, webhook: bool = False, again: bool = False
    ) -> httpx.Response:
        """Pay an order, or pay it `again`; with or without a webhook to the shop."""
        how = {"outcome": "success", "webhook": webhook, "again": again}
        attempt = {"orderId": razorpay_order_id, **how}
        return self._simulator.post("/simulator/pay", json=attempt)

    def control(self, what: str, **body: Any) -> dict[str, Any]:
        """Have something happen at Razorpay, which sends a webhook about it."""
        answer = self._simulator.post(f"/simulator/{what}", json=body)
        assert answer.status_code == 200, answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    def fails(self, path: str, status: int | str, **how: Any) -> None:
        """Let the next request to a path fail; `about` is a text that its body must contain."""
        fault = {"path": f"/v1/{path}", "status": status, **how}
        assert self._simulator.post("/simulator/faults", json=fault).status_code == 200

    def webhook(self, razorpay_payment_id: str, secret: str | None = None) -> SentWebhook:
        """Make the webhook of a captured payment, signed with Razorpay's or another secret."""
        record = self.look_up(f"payments/{razorpay_payment_id}")
        body = as_event("payment.captured", {"payment": {"entity": record}})
        return self.signed(body, secret)

    def signed(self, body: bytes, secret: str | None = None) -> SentWebhook:
        """Sign any bytes as a webhook."""
        return a_webhook(body, secret or self.endpoints["razorpayWebhookSecret"], new_id())

    def proof(self, razorpay_order_id: str, razorpay_payment_id: str) -> dict[str, str]:
        """Make the body with which a browser verifies a payment."""
        key = self.endpoints["razorpayKeySecret"]
        proof = signed(razorpay_order_id, razorpay_payment_id, key)
        return {
            "razorpay_order_id": proof.razorpay_order_id,
            "razorpay_payment_id": proof.razorpay_payment_id,
            "razorpay_signature": proof.signature,
        }

    def delivers(self, webhook: SentWebhook, **headers: str) -> httpx.Response:
        """Deliver a webhook to the shop."""
        return client(self.endpoints["api"]).post(
            "/api/payments/webhook", content=webhook.body, headers={**webhook.headers, **headers}
        )

    @property
    def _simulator(self) -> httpx.Client:
        return client(self.endpoints["razorpay"])
