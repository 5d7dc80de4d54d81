"""The Razorpay simulator's webhooks, sent to a real receiver, and its control API."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import razorpay
from requests.exceptions import ReadTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.razorpay import create_app

Serve = Callable[[Starlette, str], str]

http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)

KEY_ID, KEY_SECRET = "rzp_test_key", "the-secret-of-the-key"
SECRET = "the-secret-of-the-webhooks"
REFUND_KEY = "01JD9E0000000000000REFUND1"


@dataclass(frozen=True)
class ReceivedWebhook:
    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> str:
        return str(json.loads(self.body)["event"])

    @property
    def id(self) -> str:
        return self.headers["x-razorpay-event-id"]


class Receiver:
    """A shop that receives webhooks; `answers` are the statuses of its first responses."""

    def __init__(self) -> None:
        self.received: list[ReceivedWebhook] = []
        self.answers: list[int] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/webhook", self._listen, methods=["POST"])])

    async def _listen(self, request: Request) -> Response:
        self.received.append(ReceivedWebhook(await request.body(), dict(request.headers)))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    @property
    def events(self) -> list[str]:
        return sorted(webhook.event for webhook in self.received)


def simulator(directory: Path, webhook_url: str) -> Starlette:
    return create_app(
        directory,
        key_id=KEY_ID,
        key_secret=KEY_SECRET,
        webhook_url=webhook_url,
        webhook_secret=SECRET,
    )


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def address(tmp_path: Path, serve: Serve, receiver: Receiver) -> str:
    url = f"{serve(receiver.app(), '/shop')}/webhook"
    return serve(simulator(tmp_path, url), "/razorpay")


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    client = razorpay.Client(auth=(KEY_ID, KEY_SECRET), base_url=address)
    yield client
    client.session.close()


def control(address: str, what: str, **body: Any) -> dict[str, Any]:
    answer = http.post(f"{address}/simulator/{what}", json=body)
    assert answer.status_code == 200, answer.text
    response: dict[str, Any] = answer.json()
    return response


def paid(address: str, client: Any, outcome: str = "success", **options: Any) -> str:
    order = client.order.create({"amount": 49_950, "currency": "INR"})
    pay = {"orderId": order["id"], "outcome": outcome, **options}
    return str(control(address, "pay", **pay)["razorpay_payment_id"])


def deliveries(address: str) -> list[dict[str, Any]]:
    """Wait until no webhook is queued, and return the reports of all deliveries."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = http.get(f"{address}/simulator/webhooks").json()
        if not state["waiting"]:
            reports: list[dict[str, Any]] = state["deliveries"]
            return reports
        time.sleep(0.01)
    raise AssertionError("webhooks are still queued")


def refund(client: Any, payment_id: str, amount: int, key: str = REFUND_KEY) -> dict[str, Any]:
    headers = {"X-Refund-Idempotency": key}
    made: dict[str, Any] = client.payment.refund(payment_id, {"amount": amount}, headers=headers)
    return made


def test_the_webhooks_of_a_payment_have_razorpays_envelope_and_a_valid_signature(
    address: str, client: Any, receiver: Receiver
) -> None:
    payment_id = paid(address, client)
    deliveries(address)
    assert receiver.events == ["order.paid", "payment.authorized", "payment.captured"]
    for webhook in receiver.received:
        signature = webhook.headers["x-razorpay-signature"]
        assert client.utility.verify_webhook_signature(webhook.body.decode(), signature, SECRET)
        envelope = json.loads(webhook.body)
        assert envelope.keys() == {
            *("entity", "account_id", "event", "contains", "payload", "created_at")
        }
        assert envelope["entity"] == "event"
        assert list(envelope["payload"]) == envelope["contains"]
        assert envelope["payload"]["payment"]["entity"]["id"] == payment_id
    by_event = {webhook.event: json.loads(webhook.body)["payload"] for webhook in receiver.received}
    assert by_event["payment.authorized"]["payment"]["entity"]["status"] == "authorized"
    assert by_event["payment.captured"]["payment"]["entity"] == client.payment.fetch(payment_id)
    assert by_event["order.paid"]["order"]["entity"]["status"] == "paid"
    assert len({webhook.id for webhook in receiver.received}) == 3


def test_a_body_that_was_serialised_again_does_not_match_its_signature(
    address: str, client: Any, receiver: Receiver
) -> None:
    paid(address, client)
    deliveries(address)
    webhook = receiver.received[0]
    serialised = json.dumps(json.loads(webhook.body))
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        client.utility.verify_webhook_signature(
            serialised, webhook.headers["x-razorpay-signature"], SECRET
        )


def test_a_failed_payment_and_a_manual_capture_send_webhooks(
    address: str, client: Any, receiver: Receiver
) -> None:
    paid(address, client, "failure")
    order = client.order.create({"amount": 500, "currency": "INR", "payment_capture": False})
    signed = control(address, "pay", orderId=order["id"], outcome="success")
    client.payment.capture(signed["razorpay_payment_id"], 500, {"currency": "INR"})
    deliveries(address)
    assert receiver.events == [
        *("order.paid", "payment.authorized", "payment.captured", "payment.failed")
    ]


def test_webhooks_can_be_dropped_or_left_out_for_one_payment(
    address: str, client: Any, receiver: Receiver
) -> None:
    paid(address, client, webhook=False)
    assert deliveries(address) == []
    control(address, "webhooks", mode="drop")
    paid(address, client)
    assert [delivery["outcome"] for delivery in deliveries(address)] == ["dropped"] * 3
    assert receiver.received == []


def test_a_webhook_that_is_sent_twice_has_the_same_id_and_body(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "webhooks", mode="twice")
    paid(address, client, "failure")
    deliveries(address)
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


def test_a_late_webhook_is_sent_when_the_clock_reaches_its_time(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "webhooks", mode="late", delaySeconds=3600)
    paid(address, client, "failure")
    control(address, "webhooks", mode="normal")
    order = client.order.create({"amount": 100, "currency": "INR"})
    control(address, "pay", orderId=order["id"], outcome="failure")
    while http.get(f"{address}/simulator/webhooks").json()["waiting"] > 1:
        time.sleep(0.01)
    assert len(receiver.received) == 1
    control(address, "clock", advanceSeconds=3600)
    deliveries(address)
    late = json.loads(receiver.received[1].body)
    assert late["payload"]["payment"]["entity"]["order_id"] != order["id"]


def test_shuffled_webhooks_arrive_in_another_order(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "webhooks", mode="shuffled", delaySeconds=0.3)
    sent = [paid(address, client, "failure") for _ in range(12)]
    deliveries(address)
    arrived = [
        json.loads(webhook.body)["payload"]["payment"]["entity"]["id"]
        for webhook in receiver.received
    ]
    assert sorted(arrived) == sorted(sent)
    assert arrived != sent


def test_a_failed_delivery_is_retried_with_the_same_event(
    address: str, client: Any, receiver: Receiver
) -> None:
    receiver.answers = [503, 500]
    paid(address, client, "failure")
    [delivery] = deliveries(address)
    assert (delivery["outcome"], delivery["answers"]) == ("delivered", [503, 500, 200])
    assert len({webhook.id for webhook in receiver.received}) == 1


def test_the_api_works_without_a_receiver(tmp_path: Path, serve: Serve) -> None:
    address = serve(simulator(tmp_path, "http://127.0.0.1:9/"), "/razorpay")
    auth = (KEY_ID, KEY_SECRET)
    order = http.post(
        f"{address}/v1/orders", json={"amount": 100, "currency": "INR"}, auth=auth
    ).json()
    control(address, "pay", orderId=order["id"], outcome="failure")
    [delivery] = deliveries(address)
    assert (delivery["outcome"], delivery["answers"]) == ("failed", ["ConnectError"] * 5)


def test_one_idempotency_key_creates_one_refund(
    address: str, client: Any, receiver: Receiver
) -> None:
    payment_id = paid(address, client)
    made = refund(client, payment_id, 20_000)
    assert refund(client, payment_id, 20_000) == made
    assert client.payment.fetch(payment_id)["amount_refunded"] == 20_000
    deliveries(address)
    assert [e for e in receiver.events if e.startswith("refund")] == [
        "refund.created",
        "refund.processed",
    ]
    with pytest.raises(razorpay.errors.BadRequestError, match="same idempotency key"):
        refund(client, payment_id, 10_000)
    assert refund(client, payment_id, 10_000, "another-key")["id"] != made["id"]
    with pytest.raises(razorpay.errors.BadRequestError, match="key is invalid"):
        refund(client, payment_id, 10_000, "short")


def test_a_failed_refund_leaves_the_payment_captured(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "refunds", outcome="failed")
    payment_id = paid(address, client)
    assert refund(client, payment_id, 49_950)["status"] == "failed"
    payment = client.payment.fetch(payment_id)
    assert (payment["status"], payment["amount_refunded"]) == ("captured", 0)
    deliveries(address)
    assert "refund.failed" in receiver.events
    control(address, "refunds", outcome="processed")
    assert refund(client, payment_id, 49_950, "another-key")["status"] == "processed"


@pytest.mark.parametrize(("outcome", "status"), [("processed", "refunded"), ("failed", "captured")])
def test_a_pending_refund_is_settled_later(
    address: str, client: Any, receiver: Receiver, outcome: str, status: str
) -> None:
    control(address, "refunds", outcome="pending")
    payment_id = paid(address, client)
    pending = refund(client, payment_id, 49_950)
    assert pending["status"] == "pending"
    for _ in range(2):
        control(address, "refunds", outcome=outcome, refundId=pending["id"])
    assert client.refund.fetch(pending["id"])["status"] == outcome
    assert client.payment.fetch(payment_id)["status"] == status
    deliveries(address)
    refunds = [e for e in receiver.events if e.startswith("refund")]
    assert refunds == sorted(["refund.created", f"refund.{outcome}"])


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, razorpay.errors.ServerError), (429, razorpay.errors.BadRequestError)],
)
def test_a_fault_applies_as_often_as_ordered(
    address: str, client: Any, status: int, error: type[Exception]
) -> None:
    control(address, "faults", status=status, times=2, path="/v1/orders")
    for _ in range(2):
        with pytest.raises(error):
            client.order.create({"amount": 100, "currency": "INR"})
    client.order.create({"amount": 100, "currency": "INR"})
    assert client.order.all()["count"] == 1


def test_a_fault_applies_to_its_path_only(address: str, client: Any) -> None:
    payment_id = paid(address, client)
    control(address, "faults", status=500, path="/v1/payments/*/refund")
    client.payment.fetch(payment_id)
    with pytest.raises(razorpay.errors.ServerError):
        refund(client, payment_id, 100)
    refund(client, payment_id, 100)


def test_a_fault_applies_only_to_requests_with_its_text(address: str, client: Any) -> None:
    order = {"amount": 100, "currency": "INR"}
    control(address, "faults", status=503, path="/v1/orders", about="one-of-many")
    client.order.create({**order, "receipt": "another"})
    with pytest.raises(razorpay.errors.ServerError):
        client.order.create({**order, "receipt": "one-of-many"})
    client.order.create({**order, "receipt": "one-of-many"})
    assert client.order.all()["count"] == 2


def test_a_response_can_be_lost_after_the_request_took_effect(address: str, client: Any) -> None:
    payment_id = paid(address, client)
    control(address, "faults", status=504, path="/v1/payments/*/refund", done=True)
    with pytest.raises(razorpay.errors.ServerError):
        refund(client, payment_id, 100)
    assert client.payment.fetch(payment_id)["amount_refunded"] == 100
    refund(client, payment_id, 100)
    assert client.payment.fetch(payment_id)["amount_refunded"] == 100


def test_the_api_can_leave_a_request_without_response(address: str, client: Any) -> None:
    control(address, "faults", status="timeout", path="/v1/orders")
    with pytest.raises(ReadTimeout):
        client.order.create({"amount": 100, "currency": "INR"}, timeout=0.2)
    assert client.order.all()["count"] == 0


def test_faults_can_be_removed(address: str, client: Any) -> None:
    control(address, "faults", status=503, times=100, path="/v1/orders")
    control(address, "faults", status=503, times=0, path="/v1/orders")
    assert client.order.all()["count"] == 0


def test_records_have_the_time_of_the_clock(address: str, client: Any) -> None:
    before = client.order.create({"amount": 100, "currency": "INR"})["created_at"]
    control(address, "clock", advanceSeconds=86_400)
    after = client.order.create({"amount": 100, "currency": "INR"})["created_at"]
    assert after - before >= 86_400


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("webhooks", {"mode": "sometimes"}),
        ("webhooks", {"mode": "late", "delaySeconds": -1}),
        ("faults", {"status": 200}),
        ("faults", {"status": "never"}),
        ("refunds", {"outcome": "lost"}),
        ("refunds", {"outcome": "failed", "refundId": "rfnd_unknown"}),
        ("clock", {"advanceSeconds": "soon"}),
    ],
)
def test_an_invalid_control_request_is_refused(
    address: str, what: str, body: dict[str, Any]
) -> None:
    assert http.post(f"{address}/simulator/{what}", json=body).status_code == 400


# --- late authorizations, disputes and settlements -----------------------------------------------


def test_a_late_authorization_is_not_captured_automatically(address: str, client: Any) -> None:
    payment = client.payment.fetch(paid(address, client, "authorized"))
    assert (payment["status"], payment["captured"]) == ("authorized", False)
    assert client.payment.capture(payment["id"], 49_950)["status"] == "captured"


def test_a_payment_can_be_over_another_amount_than_its_order(address: str, client: Any) -> None:
    payment = client.payment.fetch(paid(address, client, amount=45_000))
    assert (payment["amount"], payment["status"]) == (45_000, "captured")
    assert client.order.fetch(payment["order_id"])["amount"] == 49_950


@pytest.mark.parametrize(
    ("status", "deducted", "costs"),
    [("won", None, 0), ("closed", None, 0), ("lost", None, 20_000), ("lost", 5_000, 5_000)],
)
def test_a_dispute_is_opened_reviewed_and_ended_with_a_webhook_for_each_step(
    address: str, client: Any, receiver: Receiver, status: str, deducted: int | None, costs: int
) -> None:
    payment_id = paid(address, client, webhook=False)
    opened = control(address, "disputes", paymentId=payment_id, amount=20_000)
    assert (opened["entity"], opened["status"], opened["phase"]) == (
        "dispute",
        "open",
        "chargeback",
    )
    assert opened["respond_by"] > opened["created_at"]
    control(address, f"disputes/{opened['id']}", status="under_review")
    ended = control(address, f"disputes/{opened['id']}", status=status, deducted=deducted)
    assert (ended["status"], ended["amount_deducted"]) == (status, costs)
    assert client.dispute.fetch(opened["id"]) == ended
    assert client.dispute.all()["items"] == [ended]
    deliveries(address)
    steps = ("created", "under_review", status)
    assert receiver.events == sorted(f"payment.dispute.{step}" for step in steps)
    for webhook in receiver.received:
        payload = json.loads(webhook.body)["payload"]
        assert payload["payment"]["entity"]["id"] == payment_id
        assert payload["dispute"]["entity"]["payment_id"] == payment_id
    again = http.post(f"{address}/simulator/disputes/{opened['id']}", json={"status": "won"})
    assert again.status_code == 400


def test_a_merchant_accepts_a_dispute_and_loses_it(address: str, client: Any) -> None:
    opened = control(address, "disputes", paymentId=paid(address, client, webhook=False))
    assert client.dispute.accept(opened["id"])["status"] == "lost"


def test_only_captured_payments_can_be_disputed(address: str, client: Any) -> None:
    failed = paid(address, client, "failure")
    answer = http.post(f"{address}/simulator/disputes", json={"paymentId": failed})
    assert answer.status_code == 400


def test_a_settlement_pays_out_what_is_due_once(
    address: str, client: Any, receiver: Receiver
) -> None:
    first, second = (paid(address, client, webhook=False) for _ in range(2))
    refund(client, first, 10_000)
    opened = control(address, "disputes", paymentId=second, amount=20_000)
    fees = sum(client.payment.fetch(one)["fee"] for one in (first, second))
    due = 2 * 49_950 - fees - 10_000 - 20_000
    settled = control(address, "settlements", fees=118)
    assert (settled["entity"], settled["status"]) == ("settlement", "processed")
    assert (settled["amount"], settled["fees"], settled["tax"]) == (due - 118, 118, 18)
    assert settled["utr"]
    assert http.post(f"{address}/simulator/settlements").status_code == 400
    control(address, f"disputes/{opened['id']}", status="won")
    assert control(address, "settlements")["amount"] == 20_000
    listed = client.settlement.all()["items"]
    assert [one["amount"] for one in listed] == [20_000, due - 118]
    assert client.settlement.fetch(settled["id"]) == settled
    day = datetime.fromtimestamp(settled["created_at"], timezone(timedelta(hours=5, minutes=30)))
    month = {"year": day.year, "month": day.month, "count": 100}
    items = client.settlement.report({**month, "day": day.day})["items"]
    assert client.settlement.report(month)["items"] == items
    assert client.settlement.report({**month, "month": day.month % 12 + 1})["items"] == []
    own = [one for one in items if one["settlement_id"] == settled["id"]]
    assert sum(one["credit"] - one["debit"] for one in own) == due
    assert sorted(one["type"] for one in own) == ["adjustment", "payment", "payment", "refund"]
    paid_first = next(one for one in own if one["entity_id"] == first)
    assert (paid_first["amount"], paid_first["fee"]) == (49_950, fees // 2)
    released = next(one for one in items if one["settlement_id"] != settled["id"])
    assert (released["credit"], released["dispute_id"]) == (20_000, opened["id"])
    assert released["payment_id"] == second
    deliveries(address)
    assert receiver.events.count("settlement.processed") == 2
