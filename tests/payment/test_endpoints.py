"""The HTTP Lambdas of payment on moto's DynamoDB, with fakes of Razorpay and orders."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import FrozenClock
from payment import wiring
from payment.endpoints import (
    MAX_WEBHOOK_BYTES,
    create_payment,
    get_order_payment,
    get_payment,
    list_payment_drift,
    receive_webhook,
    refund_payment,
    verify_payment,
)
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.order import PayableOrder
from payment.model.signature import CheckoutSignature
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.repository import DynamoDriftStore
from supermarket import secrets
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from support import cloud
from support.api import Reply, a_caller, api_event, call
from support.payment import (
    KEYS,
    PRICE,
    FakeOrders,
    FakeRazorpay,
    a_payment_webhook,
    a_webhook,
    an_order,
    as_event,
    attempt_record,
)

# a constant, since every worker must collect the same tests
UNUSED_ID = "01M83K9VF68985Q06XKS3Y0MER"
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


def proof_of(
    reply: Reply, razorpay: FakeRazorpay, status: AttemptStatus = AttemptStatus.CAPTURED
) -> CheckoutSignature:
    return razorpay.pay(reply.body["razorpay"]["orderId"], status)


def snake(proof: CheckoutSignature) -> dict[str, str]:
    return {
        "razorpay_order_id": proof.razorpay_order_id,
        "razorpay_payment_id": proof.razorpay_payment_id,
        "razorpay_signature": proof.signature,
    }


def camel(proof: CheckoutSignature) -> dict[str, str]:
    return {
        "razorpayOrderId": proof.razorpay_order_id,
        "paymentId": proof.razorpay_payment_id,
        "signature": proof.signature,
    }


def sent_events() -> list[str]:
    rows = cloud.client("dynamodb").scan(TableName="supermarket-test-outbox")["Items"]
    return sorted(row["detailType"]["S"] for row in rows)


def test_creating_a_payment_returns_the_options_of_the_checkout(
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
        "disputes": [],
        "createdAt": payment["createdAt"],
        "updatedAt": payment["createdAt"],
    }
    assert KEYS.key_secret not in json.dumps(reply.body)


def test_creating_a_payment_again_returns_the_same_response(
    order: PayableOrder, customer: Caller
) -> None:
    first = create(order, customer)
    again = create(order, customer)
    assert (again.status, again.body) == (201, first.body)
    assert sent_events() == ["PaymentInitiated"]


@pytest.mark.parametrize("spelling", [snake, camel])
def test_a_payment_is_verified_with_names_in_snake_case_or_camel_case(
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
def test_an_invalid_verification_is_400_and_changes_nothing(
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


def test_another_person_cannot_see_verify_or_create_a_payment(
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


def test_requests_without_a_session_are_401(order: PayableOrder, customer: Caller) -> None:
    created = create(order, customer)
    assert call(create_payment, path={"orderId": order.id}).status == 401
    assert call(verify_payment, body={}).status == 401
    for endpoint, path in reads(created):
        assert call(endpoint, path=path).status == 401


@pytest.mark.parametrize("id_", ["x", "%00", "é", UNUSED_ID, UNUSED_ID * 100])
def test_unknown_and_malformed_ids_are_404(customer: Caller, id_: str) -> None:
    assert call(get_payment, path={"paymentId": id_}, caller=customer).status == 404
    assert call(get_order_payment, path={"orderId": id_}, caller=customer).status == 404
    assert call(create_payment, path={"orderId": id_}, caller=customer).status == 404


def test_an_unavailable_razorpay_is_503_and_the_request_can_be_repeated(
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


# --- Idempotency-Key ------------------------------------------------------------------------------


def test_a_key_returns_the_same_payment_and_is_422_for_another_order(
    order: PayableOrder, orders: FakeOrders, customer: Caller, razorpay: FakeRazorpay
) -> None:
    key = {"idempotency-key": "key-1"}
    path = {"orderId": order.id}
    first = call(create_payment, path=path, caller=customer, headers=key)
    orders.cancel(order.id)
    razorpay.is_down = True
    again = call(create_payment, path=path, caller=customer, headers=key)
    assert (again.status, again.body) == (201, first.body)
    other = {"orderId": orders.place(an_order(customer)).id}
    assert call(create_payment, path=other, caller=customer, headers=key).status == 422
    assert call(create_payment, path=path, caller=customer, headers=key, body={}).status == 422
    assert call(create_payment, path=path, caller=a_caller(), headers=key).status == 404


def test_a_key_also_returns_a_payment_that_was_open_before(
    order: PayableOrder, orders: FakeOrders, customer: Caller
) -> None:
    first = create(order, customer)
    key = {"idempotency-key": "key-1"}
    for _ in range(2):
        reply = call(create_payment, path={"orderId": order.id}, caller=customer, headers=key)
        assert (reply.status, reply.body) == (201, first.body)
        orders.cancel(order.id)


# --- webhook --------------------------------------------------------------------------------------


def paid(order: PayableOrder, customer: Caller, razorpay: FakeRazorpay) -> str:
    """Pay an order and return the id of the payment."""
    created = create(order, customer)
    call(verify_payment, body=snake(proof_of(created, razorpay)), caller=customer)
    id_: str = created.body["payment"]["id"]
    return id_


def shown(payment_id: str, caller: Caller) -> Any:
    return call(get_payment, path={"paymentId": payment_id}, caller=caller).body


@pytest.mark.parametrize("base64", [True, False])
def test_a_webhook_is_verified_as_the_bytes_that_were_signed_and_completes_a_payment_once(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay, base64: bool
) -> None:
    created = create(order, customer)
    proof = proof_of(created, razorpay)
    sent = a_payment_webhook("payment.captured", razorpay.attempts[proof.razorpay_payment_id])
    event = api_event(receive_webhook, raw=sent.body, headers=sent.headers)
    if not base64:
        event |= {"body": sent.body.decode(), "isBase64Encoded": False}
    for message in ("Done", "Nothing to do"):
        answer = receive_webhook(event, None)
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"message": message})
    assert shown(created.body["payment"]["id"], customer)["payment"]["status"] == "COMPLETED"
    assert call(verify_payment, body=snake(proof), caller=customer).status == 200
    assert sent_events() == ["PaymentCompleted", "PaymentInitiated"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"x-razorpay-signature": ""}, None, 400),
        ({"x-razorpay-signature": "0" * 64}, None, 400),
        ({"x-razorpay-signature": "é"}, None, 400),
        ({}, b"{", 400),
        ({}, b"", 400),
        ({}, b"x" * (MAX_WEBHOOK_BYTES + 1), 413),
    ],
)
def test_a_forged_or_oversized_webhook_is_rejected(
    order: PayableOrder,
    customer: Caller,
    razorpay: FakeRazorpay,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
) -> None:
    proof = proof_of(create(order, customer), razorpay)
    sent = a_payment_webhook("payment.captured", razorpay.attempts[proof.razorpay_payment_id])
    if body is not None:
        sent = a_webhook(body)
    reply = call(receive_webhook, raw=sent.body, headers={**sent.headers, **headers})
    assert reply.status == status
    assert sent_events() == ["PaymentInitiated"]


def test_a_rotated_secret_takes_effect_and_the_previous_one_is_valid_until_it_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = [0.0]
    monkeypatch.setattr(secrets, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    secrets._remembered.clear()

    def rotate(**keys: str) -> None:
        secret = json.dumps({**cloud.RAZORPAY_KEYS, **keys})
        cloud.client("secretsmanager").put_secret_value(
            SecretId="supermarket/test/razorpay", SecretString=secret
        )
        passed[0] += secrets.REMEMBERED_FOR_SECONDS + 1

    def statuses() -> list[int]:
        sent = [
            a_webhook(as_event("payment.captured", unknown), secret)
            for secret in ("old", "new", "")
        ]
        return [call(receive_webhook, raw=one.body, headers=one.headers).status for one in sent]

    attempt = Attempt("pay_1", "order_1", PRICE, AttemptStatus.CAPTURED)
    unknown = {"payment": {"entity": attempt_record(attempt)}}
    rotate(webhookSecret="old")
    assert statuses() == [200, 400, 400]
    rotate(webhookSecret="new", previousWebhookSecret="old")
    assert statuses() == [200, 200, 400]
    rotate(webhookSecret="new", previousWebhookSecret="")  # no secret, not an empty one
    assert statuses() == [400, 200, 400]
    secrets._remembered.clear()


def test_a_webhook_without_headers_is_rejected() -> None:
    assert call(receive_webhook, raw=b"{}").status == 400


# --- refund ---------------------------------------------------------------------------------------


def refund(payment_id: str, caller: Caller, body: Any = None, key: str | None = None) -> Reply:
    headers = {"idempotency-key": key or new_id()}
    path = {"paymentId": payment_id}
    return call(refund_payment, path=path, caller=caller, body=body, headers=headers)


def test_an_admin_refunds_a_part_and_then_the_rest(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id, admin = paid(order, customer, razorpay), a_caller(Role.ADMIN)
    part = refund(payment_id, admin, {"amount": 99.5})
    assert part.status == 200
    assert part.body["payment"]["status"] == "COMPLETED"
    assert part.body["payment"]["refunded"] == {"amount": 99.5, "currency": "INR"}
    (made,) = part.body["payment"]["refunds"]
    assert (made["status"], made["amount"]["amount"]) == ("PROCESSED", 99.5)
    assert refund(payment_id, admin, {"amount": 400.01}).status == 409
    rest = refund(payment_id, admin)
    assert (rest.status, rest.body["payment"]["status"]) == (200, "REFUNDED")
    assert refund(payment_id, admin).status == 409
    assert shown(payment_id, customer)["payment"] == rest.body["payment"]
    assert sent_events().count("PaymentRefunded") == 2


def test_a_refund_without_a_key_is_400_and_moves_no_money(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id, admin = paid(order, customer, razorpay), a_caller(Role.ADMIN)
    path = {"paymentId": payment_id}
    for headers, code in (({}, "IDEMPOTENCY_KEY_REQUIRED"), ({"idempotency-key": ""}, "INVALID")):
        reply = call(refund_payment, path=path, caller=admin, body={}, headers=headers)
        assert (reply.status, reply.body["code"]) == (400, code)
        assert [error["field"] for error in reply.body["errors"]] == ["Idempotency-Key"]
    assert not razorpay.refunds


def test_a_refund_that_razorpay_cannot_make_now_or_later_is_409_and_writes_nothing(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id, admin = paid(order, customer, razorpay), a_caller(Role.ADMIN)
    before = shown(payment_id, admin)
    for amount in (0.01, 0.99, 499.49, 498.51):
        reply = refund(payment_id, admin, {"amount": amount})
        assert (reply.status, reply.body["code"]) == (409, "REFUND_TOO_SMALL")
    assert shown(payment_id, admin) == before
    assert not razorpay.refunds
    assert refund(payment_id, admin, {"amount": 498.5}).status == 200
    assert refund(payment_id, admin, {"amount": 1}).status == 200


def test_a_key_makes_one_refund(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id, admin = paid(order, customer, razorpay), a_caller(Role.ADMIN)
    first = refund(payment_id, admin, {"amount": 1}, "key-1")
    again = refund(payment_id, admin, {"amount": 1}, "key-1")
    assert (again.status, again.body) == (first.status, first.body)
    assert refund(payment_id, admin, {"amount": 2}, "key-1").status == 422
    assert len(razorpay.refunds) == 1


def test_a_refund_is_202_while_razorpay_is_down_and_502_when_it_is_rejected(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id, admin = paid(order, customer, razorpay), a_caller(Role.ADMIN)
    razorpay.refund_fails = True
    assert refund(payment_id, admin).status == 502
    razorpay.refund_fails, razorpay.is_down = False, True
    waiting = refund(payment_id, admin, key="key-1")
    assert (waiting.status, waiting.body["payment"]["status"]) == (202, "REFUND_PENDING")
    razorpay.is_down = False
    assert refund(payment_id, admin, key="key-1").status == 200
    assert len(razorpay.refunds) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"amount": 0},
            {"amount": -1},
            {"amount": 1.001},
            {"amount": "x"},
            {"amount": "10"},
            {"amount": None},
        ),
        *({"all": True}, []),
    ],
)
def test_a_refund_of_an_invalid_amount_is_400(body: Any) -> None:
    assert refund(UNUSED_ID, a_caller(Role.ADMIN), body).status == 400


def test_only_admins_can_refund(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id = paid(order, customer, razorpay)
    for caller in (customer, a_caller(Role.SELLER)):
        assert refund(payment_id, caller).status == 403
    assert call(refund_payment, path={"paymentId": payment_id}).status == 401
    assert refund(UNUSED_ID, a_caller(Role.ADMIN)).status == 404
    assert not razorpay.refunds


def test_only_admins_see_the_ledger(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id, admin = paid(order, customer, razorpay), a_caller(Role.ADMIN)
    refund(payment_id, admin, {"amount": 99.5})
    assert "ledger" not in shown(payment_id, customer)
    entries = shown(payment_id, admin)["ledger"]
    assert sorted(entry["kind"] for entry in entries) == ["capture", "refund"]
    for entry in entries:
        assert sum(line["amount"]["amount"] for line in entry["lines"]) == 0


def test_every_change_is_audited_with_the_id_of_its_request(
    order: PayableOrder, customer: Caller, razorpay: FakeRazorpay
) -> None:
    payment_id = paid(order, customer, razorpay)
    refund(payment_id, a_caller(Role.ADMIN))
    rows = cloud.client("dynamodb").scan(TableName="supermarket-test-audit")["Items"]
    assert {row["pk"]["S"] for row in rows} == {f"payment#{payment_id}"}
    rows.sort(key=lambda row: row["sk"]["S"])
    assert [row["action"]["S"] for row in rows] == [
        *("payment opened", "payment captured", "refund requested", "refund processed"),
    ]
    assert all(row["correlationId"]["S"] for row in rows)
    assert json.loads(rows[0]["before"]["S"]) == {}
    assert json.loads(rows[-1]["after"]["S"])["status"] == "REFUNDED"
    assert customer.email not in str(rows)


def test_an_admin_lists_drift_newest_first() -> None:
    clock = FrozenClock()
    reporter = DriftReporter(DynamoDriftStore(clock), DynamoTransaction, clock)
    for number in range(3):
        clock.advance(timedelta(seconds=1))
        reporter.report("missing_there", f"pay_{number}", "Razorpay has no such payment", None)
    admin, found, query = a_caller(Role.ADMIN), [], {"limit": "1"}
    for _ in range(3):
        reply = call(list_payment_drift, query=query, caller=admin)
        assert reply.status == 200
        found += [each["subject"] for each in reply.body["drift"]]
        query = {"limit": "1", "cursor": reply.body["nextCursor"]}
    assert (found, reply.body["nextCursor"]) == (["pay_2", "pay_1", "pay_0"], None)
    assert call(list_payment_drift, caller=a_caller(Role.SELLER)).status == 403
