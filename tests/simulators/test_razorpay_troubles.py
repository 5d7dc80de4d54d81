"""The Razorpay simulator's webhooks, heard by a real receiver, and its troubles on order."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
class Heard:
    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> str:
        return str(json.loads(self.body)["event"])

    @property
    def id(self) -> str:
        return self.headers["x-razorpay-event-id"]


class Receiver:
    """A shop that listens; its first answers may be bad ones."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: list[int] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/webhook", self._listen, methods=["POST"])])

    async def _listen(self, request: Request) -> Response:
        self.heard.append(Heard(await request.body(), dict(request.headers)))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    @property
    def events(self) -> list[str]:
        return sorted(heard.event for heard in self.heard)


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
    told: dict[str, Any] = answer.json()
    return told


def paid(address: str, client: Any, outcome: str = "success", **options: Any) -> str:
    order = client.order.create({"amount": 49_950, "currency": "INR"})
    pay = {"orderId": order["id"], "outcome": outcome, **options}
    return str(control(address, "pay", **pay)["razorpay_payment_id"])


def calm(address: str) -> list[dict[str, Any]]:
    """What became of all deliveries, once nothing is under way."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = http.get(f"{address}/simulator/webhooks").json()
        if not state["waiting"]:
            deliveries: list[dict[str, Any]] = state["deliveries"]
            return deliveries
        time.sleep(0.01)
    raise AssertionError("webhooks are still under way")


def refund(client: Any, payment_id: str, amount: int, key: str = REFUND_KEY) -> dict[str, Any]:
    headers = {"X-Refund-Idempotency": key}
    made: dict[str, Any] = client.payment.refund(payment_id, {"amount": amount}, headers=headers)
    return made


def test_a_payment_is_told_in_razorpays_envelope_and_its_sdk_takes_the_signature(
    address: str, client: Any, receiver: Receiver
) -> None:
    payment_id = paid(address, client)
    calm(address)
    assert receiver.events == ["order.paid", "payment.authorized", "payment.captured"]
    for heard in receiver.heard:
        signature = heard.headers["x-razorpay-signature"]
        assert client.utility.verify_webhook_signature(heard.body.decode(), signature, SECRET)
        envelope = json.loads(heard.body)
        assert envelope.keys() == {
            *("entity", "account_id", "event", "contains", "payload", "created_at")
        }
        assert envelope["entity"] == "event"
        assert list(envelope["payload"]) == envelope["contains"]
        assert envelope["payload"]["payment"]["entity"]["id"] == payment_id
    by_event = {heard.event: json.loads(heard.body)["payload"] for heard in receiver.heard}
    assert by_event["payment.authorized"]["payment"]["entity"]["status"] == "authorized"
    assert by_event["payment.captured"]["payment"]["entity"] == client.payment.fetch(payment_id)
    assert by_event["order.paid"]["order"]["entity"]["status"] == "paid"
    assert len({heard.id for heard in receiver.heard}) == 3


def test_a_body_that_is_written_anew_no_longer_fits_its_signature(
    address: str, client: Any, receiver: Receiver
) -> None:
    paid(address, client)
    calm(address)
    heard = receiver.heard[0]
    anew = json.dumps(json.loads(heard.body))
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        client.utility.verify_webhook_signature(anew, heard.headers["x-razorpay-signature"], SECRET)


def test_a_declined_payment_and_a_capture_by_hand_are_told_too(
    address: str, client: Any, receiver: Receiver
) -> None:
    paid(address, client, "failure")
    order = client.order.create({"amount": 500, "currency": "INR", "payment_capture": False})
    proof = control(address, "pay", orderId=order["id"], outcome="success")
    client.payment.capture(proof["razorpay_payment_id"], 500, {"currency": "INR"})
    calm(address)
    assert receiver.events == [
        *("order.paid", "payment.authorized", "payment.captured", "payment.failed")
    ]


def test_webhooks_can_be_dropped_or_kept_from_one_payment(
    address: str, client: Any, receiver: Receiver
) -> None:
    paid(address, client, webhook=False)
    assert calm(address) == []
    control(address, "webhooks", mode="drop")
    paid(address, client)
    assert [delivery["outcome"] for delivery in calm(address)] == ["dropped"] * 3
    assert receiver.heard == []


def test_a_webhook_sent_twice_is_the_very_same(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "webhooks", mode="twice")
    paid(address, client, "failure")
    calm(address)
    first, second = receiver.heard
    assert (first.id, first.body) == (second.id, second.body)


def test_a_late_webhook_waits_until_the_clock_says_so(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "webhooks", mode="late", delaySeconds=3600)
    paid(address, client, "failure")
    control(address, "webhooks", mode="normal")
    order = client.order.create({"amount": 100, "currency": "INR"})
    control(address, "pay", orderId=order["id"], outcome="failure")
    while len(receiver.heard) < 1:
        time.sleep(0.01)
    state = http.get(f"{address}/simulator/webhooks").json()
    assert state["waiting"] == 1
    control(address, "clock", advanceSeconds=3600)
    calm(address)
    late = json.loads(receiver.heard[1].body)
    assert late["payload"]["payment"]["entity"]["order_id"] != order["id"]


def test_shuffled_webhooks_all_arrive_out_of_order(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "webhooks", mode="shuffled", delaySeconds=0.3)
    sent = [paid(address, client, "failure") for _ in range(12)]
    calm(address)
    arrived = [json.loads(h.body)["payload"]["payment"]["entity"]["id"] for h in receiver.heard]
    assert sorted(arrived) == sorted(sent)
    assert arrived != sent


def test_a_receiver_that_fails_is_asked_again_with_the_same_event(
    address: str, client: Any, receiver: Receiver
) -> None:
    receiver.answers = [503, 500]
    paid(address, client, "failure")
    [delivery] = calm(address)
    assert (delivery["outcome"], delivery["answers"]) == ("delivered", [503, 500, 200])
    assert len({heard.id for heard in receiver.heard}) == 1


def test_nobody_listens_and_the_api_does_not_mind(tmp_path: Path, serve: Serve) -> None:
    address = serve(simulator(tmp_path, "http://127.0.0.1:9/"), "/razorpay")
    auth = (KEY_ID, KEY_SECRET)
    order = http.post(
        f"{address}/v1/orders", json={"amount": 100, "currency": "INR"}, auth=auth
    ).json()
    control(address, "pay", orderId=order["id"], outcome="failure")
    [delivery] = calm(address)
    assert (delivery["outcome"], delivery["answers"]) == ("failed", ["ConnectError"] * 5)


def test_the_same_idempotency_key_makes_one_refund(
    address: str, client: Any, receiver: Receiver
) -> None:
    payment_id = paid(address, client)
    made = refund(client, payment_id, 20_000)
    assert refund(client, payment_id, 20_000) == made
    assert client.payment.fetch(payment_id)["amount_refunded"] == 20_000
    calm(address)
    assert [e for e in receiver.events if e.startswith("refund")] == [
        "refund.created",
        "refund.processed",
    ]
    with pytest.raises(razorpay.errors.BadRequestError, match="same idempotency key"):
        refund(client, payment_id, 10_000)
    assert refund(client, payment_id, 10_000, "another-key")["id"] != made["id"]
    with pytest.raises(razorpay.errors.BadRequestError, match="key is invalid"):
        refund(client, payment_id, 10_000, "short")


def test_a_failed_refund_gives_the_money_back_to_the_merchant(
    address: str, client: Any, receiver: Receiver
) -> None:
    control(address, "refunds", outcome="failed")
    payment_id = paid(address, client)
    assert refund(client, payment_id, 49_950)["status"] == "failed"
    payment = client.payment.fetch(payment_id)
    assert (payment["status"], payment["amount_refunded"]) == ("captured", 0)
    calm(address)
    assert "refund.failed" in receiver.events
    control(address, "refunds", outcome="processed")
    assert refund(client, payment_id, 49_950, "another-key")["status"] == "processed"


@pytest.mark.parametrize(("fate", "status"), [("processed", "refunded"), ("failed", "captured")])
def test_a_pending_refund_is_settled_later(
    address: str, client: Any, receiver: Receiver, fate: str, status: str
) -> None:
    control(address, "refunds", outcome="pending")
    payment_id = paid(address, client)
    pending = refund(client, payment_id, 49_950)
    assert pending["status"] == "pending"
    for _ in range(2):
        control(address, "refunds", outcome=fate, refundId=pending["id"])
    assert client.refund.fetch(pending["id"])["status"] == fate
    assert client.payment.fetch(payment_id)["status"] == status
    calm(address)
    refunds = [e for e in receiver.events if e.startswith("refund")]
    assert refunds == sorted(["refund.created", f"refund.{fate}"])


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, razorpay.errors.ServerError), (429, razorpay.errors.BadRequestError)],
)
def test_the_api_fails_as_often_as_it_is_told_to(
    address: str, client: Any, status: int, error: type[Exception]
) -> None:
    control(address, "faults", status=status, times=2, path="/v1/orders")
    for _ in range(2):
        with pytest.raises(error):
            client.order.create({"amount": 100, "currency": "INR"})
    client.order.create({"amount": 100, "currency": "INR"})
    assert client.order.all()["count"] == 1


def test_only_the_path_that_was_named_fails(address: str, client: Any) -> None:
    payment_id = paid(address, client)
    control(address, "faults", status=500, path="/v1/payments/*/refund")
    client.payment.fetch(payment_id)
    with pytest.raises(razorpay.errors.ServerError):
        refund(client, payment_id, 100)
    refund(client, payment_id, 100)


def test_only_requests_about_what_was_named_fail(address: str, client: Any) -> None:
    order = {"amount": 100, "currency": "INR"}
    control(address, "faults", status=503, path="/v1/orders", about="one-of-many")
    client.order.create({**order, "receipt": "another"})
    with pytest.raises(razorpay.errors.ServerError):
        client.order.create({**order, "receipt": "one-of-many"})
    client.order.create({**order, "receipt": "one-of-many"})
    assert client.order.all()["count"] == 2


def test_an_answer_can_be_lost_after_the_work_is_done(address: str, client: Any) -> None:
    payment_id = paid(address, client)
    control(address, "faults", status=504, path="/v1/payments/*/refund", done=True)
    with pytest.raises(razorpay.errors.ServerError):
        refund(client, payment_id, 100)
    assert client.payment.fetch(payment_id)["amount_refunded"] == 100
    refund(client, payment_id, 100)
    assert client.payment.fetch(payment_id)["amount_refunded"] == 100


def test_the_api_can_say_nothing_at_all(address: str, client: Any) -> None:
    control(address, "faults", status="timeout", path="/v1/orders")
    with pytest.raises(ReadTimeout):
        client.order.create({"amount": 100, "currency": "INR"}, timeout=0.2)
    assert client.order.all()["count"] == 0


def test_faults_can_be_called_off(address: str, client: Any) -> None:
    control(address, "faults", status=503, times=100, path="/v1/orders")
    control(address, "faults", status=503, times=0, path="/v1/orders")
    assert client.order.all()["count"] == 0


def test_the_clock_dates_what_happens(address: str, client: Any) -> None:
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
def test_an_order_that_makes_no_sense_is_refused(
    address: str, what: str, body: dict[str, Any]
) -> None:
    assert http.post(f"{address}/simulator/{what}", json=body).status_code == 400
