"""The Razorpay of a deployed shop in the hands of a test: what it knows, tells and suffers.

Everything here is about one payment, so that tests side by side leave each other alone.
"""

from dataclasses import dataclass
from typing import Any

import httpx

from supermarket.clock import new_id
from support.payment import SentWebhook, a_webhook, as_event, signed
from support.shop import client


@dataclass(frozen=True)
class Razorpay:
    """The simulator, and the shop's door for its webhooks."""

    endpoints: dict[str, Any]

    def look_up(self, path: str) -> dict[str, Any]:
        """A record, as the owner of the account reads it."""
        keys = (self.endpoints["razorpayKeyId"], self.endpoints["razorpayKeySecret"])
        answer = self._simulator.get(f"/v1/{path}", auth=keys)
        assert answer.status_code == 200, answer.text
        record: dict[str, Any] = answer.json()
        return record

    def attempts_of(self, razorpay_order_id: str) -> list[dict[str, Any]]:
        attempts: list[dict[str, Any]] = self.look_up(f"orders/{razorpay_order_id}/payments")[
            "items"
        ]
        return attempts

    def refunds_of(self, razorpay_payment_id: str) -> list[dict[str, Any]]:
        refunds: list[dict[str, Any]] = self.look_up(f"payments/{razorpay_payment_id}/refunds")[
            "items"
        ]
        return refunds

    def is_paid(
        self, razorpay_order_id: str, *, webhook: bool = False, again: bool = False
    ) -> httpx.Response:
        """Its customer pays, or pays `again`. Without `webhook`, nobody tells the shop of it."""
        how = {"outcome": "success", "webhook": webhook, "again": again}
        attempt = {"orderId": razorpay_order_id, **how}
        return self._simulator.post("/simulator/pay", json=attempt)

    def fails(self, path: str, status: int | str, **how: Any) -> None:
        """The next request to this path; `about` narrows that to those with a text in the body."""
        fault = {"path": f"/v1/{path}", "status": status, **how}
        assert self._simulator.post("/simulator/faults", json=fault).status_code == 200

    def webhook(self, razorpay_payment_id: str, secret: str | None = None) -> SentWebhook:
        """What Razorpay sends about a captured payment, signed by itself or by somebody else."""
        record = self.look_up(f"payments/{razorpay_payment_id}")
        body = as_event("payment.captured", {"payment": {"entity": record}})
        return self.signed(body, secret)

    def signed(self, body: bytes, secret: str | None = None) -> SentWebhook:
        """Any bytes as a webhook."""
        return a_webhook(body, secret or self.endpoints["razorpayWebhookSecret"], new_id())

    def proof(self, razorpay_order_id: str, razorpay_payment_id: str) -> dict[str, str]:
        """What the browser of a customer brings back from the checkout."""
        key = self.endpoints["razorpayKeySecret"]
        proof = signed(razorpay_order_id, razorpay_payment_id, key)
        return {
            "razorpay_order_id": proof.razorpay_order_id,
            "razorpay_payment_id": proof.razorpay_payment_id,
            "razorpay_signature": proof.signature,
        }

    def delivers(self, webhook: SentWebhook, **headers: str) -> httpx.Response:
        """Through the front door of the shop."""
        return client(self.endpoints["api"]).post(
            "/api/payments/webhook", content=webhook.body, headers={**webhook.headers, **headers}
        )

    @property
    def _simulator(self) -> httpx.Client:
        return client(self.endpoints["razorpay"])
