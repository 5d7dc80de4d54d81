"""Payment's Lambdas through the HTTP edge, on moto's DynamoDB, with Razorpay and orders faked."""

import json
from typing import Any

import pytest

from payment import wiring
from payment.endpoints import create_payment, get_order_payment, get_payment, verify_payment
from payment.model import AttemptStatus, PayableOrder, Proof
from supermarket.caller import Caller, Role
from support import cloud
from support.api import Reply, a_caller, call
from support.payment import KEYS, FakeOrders, FakeRazorpay, an_order

# no new id per run: every worker must collect the same tests
A_FREE_ID = "01M83K9VF68985Q06XKS3Y0MER"
pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def customer() -> Caller:
    return a_caller()


@pytest.fixture
def order(orders: FakeOrders, customer: Caller) -> PayableOrder:
    return orders.place(an_order(customer))


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch, orders: FakeOrders, razorpay: FakeRazorpay) -> None:
    monkeypatch.setattr(wiring, "OrderServiceOrders", lambda: orders)
    monkeypatch.setattr(wiring, "RazorpayApi", lambda _: razorpay)


def create(order: PayableOrder, caller: Caller) -> Reply:
    return call(create_payment, path={"orderId": order.id}, caller=caller)


def proof_of(reply: Reply, razorpay: FakeRazorpay, *status: AttemptStatus) -> Proof:
    return razorpay.pay(reply.body["razorpay"]["orderId"], *status)


def snake(proof: Proof) -> dict[str, str]:
    return {
        "razorpay_order_id": proof.razorpay_order_id,
        "razorpay_payment_id": proof.razorpay_payment_id,
        "razorpay_signature": proof.signature,
    }


def camel(proof: Proof) -> dict[str, str]:
    return {
        "razorpayOrderId": proof.razorpay_order_id,
        "paymentId": proof.razorpay_payment_id,
        "signature": proof.signature,
    }


def sent_events() -> list[str]:
    rows = cloud.client("dynamodb").scan(TableName="supermarket-test-outbox")["Items"]
    return sorted(row["detailType"]["S"] for row in rows)


def test_creating_a_payment_gives_the_checkout_what_it_needs(
    order: PayableOrder, customer: Caller
) -> None:
    reply = create(order, customer)
    assert reply.status == 201
    payment = reply.body["payment"]
    assert reply.body["razorpay"] == {
        "keyId": KEYS.key_id,
        "orderId": payment["razorpayOrderId"],
        "amount": 49_950,
        "currency": "INR",
    }
    assert payment == {
        "id": payment["id"],
        "order": order.id,
        "razorpayOrderId": payment["razorpayOrderId"],
        "razorpayPaymentId": None,
        "status": "PENDING",
        "price": {"amount": 499.5, "currency": "INR"},
        "refunded": {"amount": 0.0, "currency": "INR"},
        "refunds": [],
        "createdAt": payment["createdAt"],
        "updatedAt": payment["createdAt"],
    }
    assert KEYS.key_secret not in json.dumps(reply.body)


def test_creating_it_again_gives_the_same_answer(order: PayableOrder, customer: Caller) -> None:
    first = create(order, customer)
    again = create(order, customer)
    assert (again.status, again.body) == (201, first.body)
    assert sent_events() == ["PaymentInitiated"]


@pytest.mark.parametrize("spelling", [snake, camel])
def test_a_payment_is_verified_in_either_spelling(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay, spelling: Any
) -> None:
    proof = proof_of(create(order, customer), razorpay)
    reply = call(verify_payment, body=spelling(proof), caller=customer)
    assert reply.status == 200
    assert reply.body["payment"]["status"] == "COMPLETED"
    assert reply.body["payment"]["razorpayPaymentId"] == proof.razorpay_payment_id
    replay = call(verify_payment, body=spelling(proof), caller=customer)
    assert (replay.status, replay.body) == (200, reply.body)
    assert sent_events() == ["PaymentCompleted", "PaymentInitiated"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: {},
        lambda body: {**body, "razorpay_signature": ""},
        lambda body: {**body, "razorpay_signature": "0" * 64},
        lambda body: {**body, "razorpay_signature": "é"},
        lambda body: {**body, "razorpay_signature": None},
        lambda body: {**body, "razorpay_signature": ["x"]},
        lambda body: {**body, "razorpay_signature": {"$ne": ""}},
        lambda body: {**body, "razorpay_payment_id": 7},
        lambda body: {**body, "razorpay_payment_id": "p" * 5000},
        lambda body: {**body, "razorpay_order_id": "o" * 5000},
        lambda body: {**body, "amount": 1},
        lambda body: {key: value for key, value in body.items() if key != "razorpay_order_id"},
        lambda _: [],
        lambda _: "proof",
    ],
)
def test_a_wrong_or_incomplete_proof_is_400_and_nothing_happens(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay, damage: Any
) -> None:
    created = create(order, customer)
    body = snake(proof_of(created, razorpay))
    reply = call(verify_payment, body=damage(body), caller=customer)
    assert reply.status == 400
    path = {"paymentId": created.body["payment"]["id"]}
    assert call(get_payment, path=path, caller=customer).body["payment"]["status"] == "PENDING"
    assert sent_events() == ["PaymentInitiated"]


def test_a_declined_payment_is_400_with_a_clear_message(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    proof = proof_of(create(order, customer), razorpay, AttemptStatus.FAILED)
    reply = call(verify_payment, body=snake(proof), caller=customer)
    assert reply.status == 400
    assert "declined" in reply.body["message"]
    path = {"orderId": order.id}
    reply = call(get_order_payment, path=path, caller=customer)
    assert reply.body["payment"]["status"] == "FAILED"


def test_another_person_can_neither_see_nor_verify_nor_create(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    created = create(order, customer)
    proof = proof_of(created, razorpay)
    stranger = a_caller()
    assert create(order, stranger).status == 404
    assert call(verify_payment, body=snake(proof), caller=stranger).status == 404
    for endpoint, path in reads(created):
        assert call(endpoint, path=path, caller=stranger).status == 404
        assert call(endpoint, path=path, caller=a_caller(Role.ADMIN)).status == 200


def test_strangers_are_401(order: PayableOrder, customer: Caller) -> None:
    created = create(order, customer)
    assert call(create_payment, path={"orderId": order.id}).status == 401
    assert call(verify_payment, body={}).status == 401
    for endpoint, path in reads(created):
        assert call(endpoint, path=path).status == 401


@pytest.mark.parametrize("id_", ["x", "%00", "é", A_FREE_ID, A_FREE_ID * 100])
def test_unknown_and_malformed_ids_are_404(customer: Caller, id_: str) -> None:
    assert call(get_payment, path={"paymentId": id_}, caller=customer).status == 404
    assert call(get_order_payment, path={"orderId": id_}, caller=customer).status == 404
    assert call(create_payment, path={"orderId": id_}, caller=customer).status == 404


def test_razorpay_in_trouble_is_503_and_a_retry_works(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    razorpay.is_down = True
    reply = create(order, customer)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert sent_events() == []
    razorpay.is_down = False
    proof = proof_of(create(order, customer), razorpay)
    razorpay.is_down = True
    assert call(verify_payment, body=snake(proof), caller=customer).status == 503
    razorpay.is_down = False
    assert call(verify_payment, body=snake(proof), caller=customer).status == 200


def reads(created: Reply) -> list[tuple[Any, dict[str, str]]]:
    payment = created.body["payment"]
    return [
        (get_payment, {"paymentId": payment["id"]}),
        (get_order_payment, {"orderId": payment["order"]}),
    ]
