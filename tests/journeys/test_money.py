"""Payments and refunds end to end: repeated, lost, forged and late reports, and failures of
Razorpay.

Every test uses its own orders and payments, also for the failures of the simulator.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.locks import locked
from payment.endpoints import receive_webhook, refund_payment, verify_payment
from supermarket.clock import new_id
from supermarket.http import Endpoint
from support import crashing
from support.api import api_event
from support.deployed import (
    function_environment,
    let_reservation_run_out,
    lose_news_of_payment,
    no_relay,
    rows,
    rows_of,
    run_job,
)
from support.local_cloud import HOME
from support.razorpay import Razorpay
from support.shop import Person, at_once, eventually

pytestmark = pytest.mark.e2e

EXPIRY = "order.jobs.release_expired_reservations"
RECONCILIATION = "payment.jobs.reconcile_payments"
REFUNDS = "payment.jobs.send_refunds"
RUNS = 10
CONFIRMED = "is confirmed"
OPENED_AND_PAID = ["payment opened", "payment captured"]


@pytest.fixture(scope="module")
def razorpay(endpoints: dict[str, Any]) -> Razorpay:
    return Razorpay(endpoints)


@pytest.fixture(scope="module")
def admin(endpoints: dict[str, Any]) -> Person:
    return Person.administer(endpoints)


@dataclass
class Purchase:
    """An order of one product with its open payment."""

    endpoints: dict[str, Any]
    customer: Person
    product: dict[str, Any]
    order_id: str
    payment_id: str
    razorpay_order_id: str

    @classmethod
    def begin(
        cls,
        endpoints: dict[str, Any],
        customer: Person | None = None,
        product: dict[str, Any] | None = None,
    ) -> "Purchase":
        customer = customer or Person.register(endpoints)
        product = product or Person.register(endpoints, "seller").sells(stock=1)
        order_id = an_order(customer, product)
        created = customer.post(f"/api/payments/create/{order_id}")
        assert created.status_code == 201, created.text
        payment = created.json()["payment"]
        known = (order_id, payment["id"], payment["razorpayOrderId"])
        return cls(endpoints, customer, product, *known)

    @property
    def status(self) -> str:
        status: str = self.customer.order(self.order_id)["status"]
        return status

    @property
    def payment(self) -> dict[str, Any]:
        payment: dict[str, Any] = self.customer.get(f"/api/payments/{self.payment_id}").json()
        return payment["payment"]  # type: ignore[no-any-return]

    @property
    def history(self) -> list[str]:
        """The audited actions on the payment, one for each change."""
        return [
            row["action"]["S"]
            for row in rows_of(self.endpoints, "audit", f"payment#{self.payment_id}")
        ]

    @property
    def stock(self) -> int:
        shown = self.customer.get(f"/api/products/{self.product['id']}").json()
        stock: int = shown["product"]["stock"]
        return stock

    def mails_about(self, subject: str, mails: list[dict[str, Any]] | None = None) -> int:
        return sum(
            subject in mail["subject"] and self.order_id in mail["text"]
            for mail in mails or self.customer.mails(self.endpoints)
        )

    def waits_for(self, status: str) -> None:
        self.customer.waits_for_status(self.order_id, status)

    def waits_for_payment(self, status: str) -> None:
        eventually(lambda: self.payment["status"] == status, f"payment is {status}")

    def waits_for_mail(self, subject: str) -> None:
        eventually(lambda: self.mails_about(subject), f"a mail about “{subject}”")

    def books(self, admin: Person) -> dict[str, int]:
        """Count the ledger's entries by kind and sum its accounts in minor units."""
        answer = admin.get(f"/api/payments/{self.payment_id}").json()
        accounts = Counter(capture=0, fee=0, refund=0)
        for entry in answer["ledger"]:
            lines = [(line["account"], minor(line["amount"])) for line in entry["lines"]]
            assert sum(amount for _, amount in lines) == 0
            accounts[entry["kind"]] += 1
            for account, amount in lines:
                accounts[account] += amount
        return dict(accounts)


def an_order(customer: Person, product: dict[str, Any]) -> str:
    customer.takes(product)
    placed = customer.orders()
    assert placed.status_code == 201, placed.text
    order_id: str = placed.json()["order"]["id"]
    return order_id


def minor(amount: dict[str, Any]) -> int:
    paise: int = round(amount["amount"] * 100)
    return paise


def proof_of(paid: httpx.Response) -> dict[str, str]:
    assert paid.status_code == 200, paid.text
    proof: dict[str, str] = paid.json()
    return proof


def reconcile(endpoints: dict[str, Any]) -> dict[str, Any]:
    """Send refunds, and compare everything that happened until now."""
    time.sleep(2.1)  # a run ends before the last full second
    run_job(endpoints, REFUNDS)
    with locked(Path(os.environ[HOME]) / "reconciling"):
        for _ in range(RUNS):
            report = run_job(endpoints, RECONCILIATION)
            assert report["stopped"] == 0, report
            if report["finished"]:
                return report
    raise AssertionError(f"not finished after {RUNS} runs: {report}")


# --- one effect of several reports ----------------------------------------------------------------


def test_webhooks_confirm_orders_without_callbacks(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    product, customer = (
        Person.register(endpoints, "seller").sells(stock=5),
        Person.register(endpoints),
    )
    purchases = [Purchase.begin(endpoints, customer, product) for _ in range(5)]
    for purchase in purchases:
        proof_of(razorpay.is_paid(purchase.razorpay_order_id, webhook=True))
    for purchase in purchases:
        purchase.waits_for("CONFIRMED")
        assert purchase.history == OPENED_AND_PAID


def test_one_reconciliation_confirms_orders_without_callbacks_and_webhooks(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    product, customer = (
        Person.register(endpoints, "seller").sells(stock=5),
        Person.register(endpoints),
    )
    purchases = [Purchase.begin(endpoints, customer, product) for _ in range(5)]
    for purchase in purchases[1:]:
        proof_of(razorpay.is_paid(purchase.razorpay_order_id))

    reconcile(endpoints)  # the scheduled run may have repaired some before

    assert [one.payment["status"] for one in purchases] == ["PENDING"] + ["COMPLETED"] * 4
    for purchase in purchases[1:]:
        purchase.waits_for("CONFIRMED")
    reconcile(endpoints)
    assert [one.history for one in purchases[1:]] == [OPENED_AND_PAID] * 4
    assert purchases[0].status == "PENDING"


def test_the_reconciliation_confirms_a_paid_order_whose_event_was_lost(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    purchase = Purchase.begin(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    assert purchase.customer.post("/api/payments/verify", proof).status_code == 200
    purchase.waits_for("CONFIRMED")
    lose_news_of_payment(endpoints, purchase.order_id)
    assert purchase.status == "PENDING"
    reconcile(endpoints)
    order = purchase.customer.order(purchase.order_id)
    assert [step["status"] for step in order["timeline"]] == ["PENDING", "CONFIRMED"]
    assert (order["status"], order["payment"]["status"]) == ("CONFIRMED", "COMPLETED")
    assert purchase.history == OPENED_AND_PAID


@pytest.mark.long
def test_no_paid_order_expires_while_the_bus_takes_no_events(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    seller = Person.register(endpoints, "seller")
    product = seller.sells(stock=50)
    customers = [Person.register(endpoints) for _ in range(5)]
    with no_relay(endpoints):
        purchases = [Purchase.begin(endpoints, one, product) for one in customers * 10]
        for purchase in purchases:
            razorpay.is_paid(purchase.razorpay_order_id, webhook=True)
        eventually(
            lambda: all(one.payment["status"] == "COMPLETED" for one in purchases),
            "all payments are complete",
        )
        for purchase in purchases:
            let_reservation_run_out(endpoints, purchase.order_id)
        for _ in range(3):
            run_job(endpoints, EXPIRY)
            assert "CANCELLED" not in {purchase.status for purchase in purchases}
    for purchase in purchases:
        purchase.waits_for("CONFIRMED")
        steps = purchase.customer.order(purchase.order_id)["timeline"]
        assert [step["status"] for step in steps] == ["PENDING", "CONFIRMED"]
    assert purchases[0].stock == 0


# --- late payments --------------------------------------------------------------------------------


def an_expired_purchase(endpoints: dict[str, Any]) -> Purchase:
    purchase = Purchase.begin(endpoints)
    let_reservation_run_out(endpoints, purchase.order_id)
    run_job(endpoints, EXPIRY)
    assert (purchase.status, purchase.stock) == ("CANCELLED", 1)
    purchase.waits_for_payment("FAILED")
    return purchase


def check_full_refund(purchase: Purchase, razorpay: Razorpay, admin: Person) -> None:
    """Check one full refund in payment, Razorpay, ledger, mail and order, and the stock."""
    payment = purchase.payment
    assert payment["refunded"] == payment["price"]
    [refund] = payment["refunds"]
    [record] = razorpay.list_refunds(payment["razorpayPaymentId"])
    assert (record["id"], record["amount"]) == (
        refund["razorpayRefundId"],
        minor(payment["price"]),
    )
    books = purchase.books(admin)
    assert (books["capture"], books["refund"], books["sales"]) == (1, 1, 0)
    purchase.waits_for_mail("on the way back to you")
    eventually(
        lambda: (
            purchase.customer.order(purchase.order_id)["payment"]["status"] == "REFUNDED" or None
        ),
        "the order is refunded",
    )
    assert purchase.mails_about("on the way back to you") == 1
    assert (purchase.status, purchase.stock) == ("CANCELLED", 1)


def test_one_run_of_the_job_refunds_the_payment_of_an_expired_order(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person
) -> None:
    purchase = an_expired_purchase(endpoints)
    proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    reconcile(endpoints)
    assert purchase.payment["status"] == "REFUNDED"
    check_full_refund(purchase, razorpay, admin)


@pytest.mark.parametrize("report", ["callback", "webhook"])
def test_a_reported_payment_of_an_expired_order_is_refunded(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person, report: str
) -> None:
    purchase = an_expired_purchase(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    if report == "callback":
        answer = purchase.customer.post("/api/payments/verify", proof)
        assert answer.json()["message"] == "The payment is refunded to you"
    else:
        answer = razorpay.delivers(razorpay.webhook(proof["razorpay_payment_id"]))
    assert answer.status_code == 200, answer.text
    purchase.waits_for_payment("REFUNDED")
    check_full_refund(purchase, razorpay, admin)


# --- duplicate payments ---------------------------------------------------------------------------


@pytest.mark.parametrize("report", ["callback", "webhook", "none"])
def test_the_second_payment_of_an_order_is_refunded_and_the_order_stays_confirmed(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person, report: str
) -> None:
    purchase = Purchase.begin(endpoints)
    first, second = (
        proof_of(razorpay.is_paid(purchase.razorpay_order_id, again=again))
        for again in (False, True)
    )
    assert purchase.customer.post("/api/payments/verify", first).status_code == 200
    for _ in range(2):
        if report == "callback":
            answer = purchase.customer.post("/api/payments/verify", second)
            assert answer.json()["message"] == "The payment is complete"
        elif report == "webhook":
            answer = razorpay.delivers(razorpay.webhook(second["razorpay_payment_id"]))
            assert answer.status_code == 200
    reconcile(endpoints)
    purchase.waits_for("CONFIRMED")
    purchase.waits_for_mail("on the way back to you")
    [record] = razorpay.list_refunds(second["razorpay_payment_id"])
    assert razorpay.list_refunds(first["razorpay_payment_id"]) == []
    payment = purchase.payment
    assert (payment["status"], payment["razorpayPaymentId"]) == (
        "COMPLETED",
        first["razorpay_payment_id"],
    )
    [refund] = payment["refunds"]
    assert (refund["status"], refund["razorpayRefundId"]) == ("PROCESSED", record["id"])
    assert refund["amount"] == payment["price"]
    assert payment["refunded"]["amount"] == 0
    books = purchase.books(admin)
    assert (books["capture"], books["fee"], books["refund"], books["owed"]) == (2, 2, 1, 0)
    assert books["sales"] == -minor(payment["price"])
    [mail] = [
        mail["text"]
        for mail in purchase.customer.mails(endpoints)
        if "on the way back to you" in mail["subject"]
    ]
    assert "a payment that your order did not need" in mail
    assert "paid twice" in mail
    assert (purchase.status, purchase.stock) == ("CONFIRMED", 0)


# --- invalid and repeated webhooks ----------------------------------------------------------------


def test_a_webhook_that_razorpay_did_not_sign_changes_nothing(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    purchase = Purchase.begin(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    genuine = razorpay.webhook(proof["razorpay_payment_id"])
    forged = razorpay.webhook(proof["razorpay_payment_id"], secret="guessed")
    signature = genuine.headers["x-razorpay-signature"]

    def sent(body: bytes, **headers: str) -> int:
        return razorpay.delivers(type(genuine)(body, genuine.headers), **headers).status_code

    assert razorpay.delivers(forged).status_code == 400
    assert sent(genuine.body, **{"x-razorpay-signature": ""}) == 400
    assert sent(genuine.body, **{"x-razorpay-signature": proof["razorpay_signature"]}) == 400
    serialised_again = json.dumps(json.loads(genuine.body)).encode()
    assert json.loads(serialised_again) == json.loads(genuine.body)
    assert sent(serialised_again) == 400
    assert sent(genuine.body[:-1]) == 400
    assert sent(b"", **{"x-razorpay-signature": signature}) == 400

    assert purchase.history == ["payment opened"]
    assert (purchase.status, purchase.payment["status"]) == ("PENDING", "PENDING")


def test_a_webhook_that_is_too_large_is_rejected(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    purchase = Purchase.begin(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    genuine = razorpay.webhook(proof["razorpay_payment_id"])
    padded = json.loads(genuine.body) | {"padding": "x" * 256 * 1024}
    large = razorpay.signed(json.dumps(padded).encode())
    assert razorpay.delivers(large).status_code == 413
    as_bytes = razorpay.delivers(large, **{"content-type": "application/octet-stream"})
    assert as_bytes.status_code == 413
    assert purchase.history == ["payment opened"]


def test_a_webhook_in_base64_is_accepted(endpoints: dict[str, Any], razorpay: Razorpay) -> None:
    purchase = Purchase.begin(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    webhook = razorpay.webhook(proof["razorpay_payment_id"])
    answer = razorpay.delivers(webhook, **{"content-type": "application/octet-stream"})
    assert answer.json() == {"message": "Done"}
    purchase.waits_for("CONFIRMED")


def test_a_repeated_webhook_has_no_second_effect(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    purchase = Purchase.begin(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    webhook = razorpay.webhook(proof["razorpay_payment_id"])
    again = razorpay.webhook(proof["razorpay_payment_id"])  # with its own event id

    assert razorpay.delivers(webhook).json() == {"message": "Done"}
    assert razorpay.delivers(webhook).json() == {"message": "Nothing to do"}
    at_once([partial(razorpay.delivers, one) for one in (webhook, again, again)])

    assert purchase.history == OPENED_AND_PAID
    purchase.waits_for("CONFIRMED")


def test_webhooks_about_unknown_payments_and_events_are_accepted_and_ignored(
    razorpay: Razorpay,
) -> None:
    unknown = {"id": "pay_00000000000001", "order_id": "order_00000000000001", "amount": 100}
    record = {**unknown, "currency": "INR", "status": "captured"}
    for event in ("payment.captured", "invoice.expired"):
        body = {"event": event, "payload": {"payment": {"entity": record}}}
        answer = razorpay.delivers(razorpay.signed(json.dumps(body).encode()))
        assert (answer.status_code, answer.json()) == (200, {"message": "Nothing to do"})


# --- Razorpay is down -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 503}, 502),
        ({"status": 429}, 502),
        ({"status": "timeout"}, 503),
        ({"status": "timeout", "done": True}, 503),
    ],
    ids=["failing", "too-often", "silent", "answer-lost"],
)
def test_a_payment_that_razorpay_did_not_open_can_be_opened_later(
    endpoints: dict[str, Any], razorpay: Razorpay, fault: dict[str, Any], status: int
) -> None:
    customer = Person.register(endpoints)
    order_id = an_order(customer, Person.register(endpoints, "seller").sells(stock=1))
    razorpay.fails("orders", **fault, about=order_id)
    key = {"idempotency-key": new_id()}

    began = time.monotonic()
    refused = customer.post(f"/api/payments/create/{order_id}", headers=key)
    assert time.monotonic() - began < 10
    assert (refused.status_code, refused.json().keys()) == (
        status,
        {"message", "code", "requestId"},
    )
    assert "try again" in refused.json()["message"]
    assert customer.get(f"/api/payments/order/{order_id}").status_code == 404
    assert customer.order(order_id)["status"] == "PENDING"

    opened = customer.post(f"/api/payments/create/{order_id}", headers=key)
    assert opened.status_code == 201, opened.text
    proof = proof_of(razorpay.is_paid(opened.json()["razorpay"]["orderId"]))
    assert customer.post("/api/payments/verify", proof).status_code == 200
    customer.waits_for_status(order_id, "CONFIRMED")


def a_key() -> dict[str, str]:
    """Make the header with a key that no other request has."""
    return {"idempotency-key": new_id()}


def a_paid_purchase(endpoints: dict[str, Any], razorpay: Razorpay) -> tuple[Purchase, str]:
    """Return a paid purchase and the id of its attempt."""
    purchase = Purchase.begin(endpoints)
    proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
    assert purchase.customer.post("/api/payments/verify", proof).status_code == 200
    purchase.waits_for("CONFIRMED")
    return purchase, proof["razorpay_payment_id"]


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"status": 429}, {"status": "timeout"}, {"status": 504, "done": True}],
    ids=["failing", "too-often", "silent", "answer-lost"],
)
def test_a_refund_that_razorpay_did_not_confirm_is_made_later_and_once(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person, fault: dict[str, Any]
) -> None:
    purchase, paid = a_paid_purchase(endpoints, razorpay)
    razorpay.fails(f"payments/{paid}/refund", **fault)

    asked = admin.post(f"/api/payments/{purchase.payment_id}/refund", {}, headers=a_key())
    assert asked.status_code == 202, asked.text
    assert "kept" in asked.json()["message"]
    assert asked.json()["payment"]["status"] == "REFUND_PENDING"

    reconcile(endpoints)
    assert purchase.payment["status"] == "REFUNDED"
    reconcile(endpoints)
    purchase.waits_for("CANCELLED")
    check_full_refund(purchase, razorpay, admin)


# --- refunds by admins ----------------------------------------------------------------------------


def test_an_admin_refunds_a_payment_in_full_once(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person
) -> None:
    purchase, _ = a_paid_purchase(endpoints, razorpay)
    path = f"/api/payments/{purchase.payment_id}/refund"
    key = {"idempotency-key": new_id()}
    assert purchase.customer.post(path, {}).status_code == 403

    answers = at_once([lambda: admin.post(path, {}, headers=key)] * 3)

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert admin.post(path, {}, headers=key).json()["payment"]["status"] == "REFUNDED"
    assert admin.post(path, {"amount": 1}, headers=key).status_code == 422
    assert admin.post(path, {}, headers=a_key()).status_code == 409
    purchase.waits_for("CANCELLED")
    check_full_refund(purchase, razorpay, admin)
    assert "ledger" not in purchase.customer.get(f"/api/payments/{purchase.payment_id}").json()


def test_partial_refunds_of_an_admin_never_exceed_the_payment(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person
) -> None:
    purchase, paid = a_paid_purchase(endpoints, razorpay)
    path = f"/api/payments/{purchase.payment_id}/refund"
    price = minor(purchase.payment["price"])

    def refund(amount: float) -> httpx.Response:
        return admin.post(path, {"amount": amount}, headers=a_key())

    assert admin.post(path, {"amount": 20.25}).status_code == 400
    first = refund(20.25)
    assert (first.status_code, first.json()["payment"]["status"]) == (200, "COMPLETED")
    assert refund((price - 2024) / 100).status_code == 409
    assert refund((price - 2026) / 100).json()["code"] == "REFUND_TOO_SMALL"
    assert {refund(wrong).status_code for wrong in (0, -1, 1.234)} == {400}
    answers = at_once([lambda: refund(60)] * 3)

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert sorted(one["amount"] for one in razorpay.list_refunds(paid)) == [2025, 6000]
    books = purchase.books(admin)
    assert (books["refund"], books["sales"]) == (2, 8025 - price)
    assert minor(purchase.payment["refunded"]) == 8025
    eventually(lambda: purchase.mails_about("on the way back to you") == 2, "a mail for each")
    assert purchase.status == "CONFIRMED"


# --- crashes --------------------------------------------------------------------------------------


CALLS_AT_LEAST, CALLS_AT_MOST = 3, 20  # verify_payment makes three (docs/round-trips.md)


@dataclass
class Crashes:
    """Requests during which a process is killed, each before another of its DynamoDB calls."""

    endpoints: dict[str, Any]
    product: dict[str, Any]
    customer: Person

    def each(
        self, endpoint: Endpoint, prepare: Callable[[Purchase], dict[str, Any]]
    ) -> list[tuple[Purchase, dict[str, Any]]]:
        """Return the purchases with their requests; only the last request is not interrupted."""
        handler = f"{endpoint.function.__module__}.{endpoint.function.__name__}"
        environment = function_environment(self.endpoints, handler)
        made: list[tuple[Purchase, dict[str, Any]]] = []
        call, unkilled = 1, 0
        while call < CALLS_AT_MOST:
            purchase = Purchase.begin(self.endpoints, self.customer, self.product)
            event = api_event(endpoint, **prepare(purchase))
            made.append((purchase, event))
            answer = crashing.answer_unless_killed(environment, handler, event, call, "before")
            if answer is None:
                call += 1
                continue
            assert answer["statusCode"] == 200, answer
            if call > CALLS_AT_LEAST:
                return made
            unkilled += 1  # a reconciliation was faster, so that there were fewer calls
            assert unkilled < 5, "no process was killed: the calls are not counted"
        raise AssertionError("the request makes too many calls")


def test_a_crash_at_any_call_loses_no_money_and_moves_none_twice(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person
) -> None:
    product = Person.register(endpoints, "seller").sells(stock=60)

    def paid(purchase: Purchase) -> dict[str, str]:
        return proof_of(razorpay.is_paid(purchase.razorpay_order_id))

    def verification(purchase: Purchase) -> dict[str, Any]:
        return {"body": paid(purchase), "headers": signed_in(purchase.customer)}

    def webhook(purchase: Purchase) -> dict[str, Any]:
        sent = razorpay.webhook(paid(purchase)["razorpay_payment_id"])
        return {"raw": sent.body, "headers": sent.headers}

    def refund(purchase: Purchase) -> dict[str, Any]:
        assert purchase.customer.post("/api/payments/verify", paid(purchase)).status_code == 200
        key = {"idempotency-key": purchase.payment_id, **signed_in(admin)}
        return {"body": {}, "path": {"paymentId": purchase.payment_id}, "headers": key}

    ways = ((verify_payment, verification), (receive_webhook, webhook), (refund_payment, refund))
    with ThreadPoolExecutor(len(ways)) as pool:
        crashes = [Crashes(endpoints, product, Person.register(endpoints)) for _ in ways]
        verified, reported, refunded = pool.map(lambda one, way: one.each(*way), crashes, ways)
    reconcile(endpoints)

    for purchase, _ in (*verified, *reported):
        purchase.waits_for("CONFIRMED")
        assert sorted(purchase.history) == sorted(OPENED_AND_PAID)
        assert purchase.books(admin)["capture"] == 1
    for purchase, event in refunded:
        payment = purchase.payment
        assert payment["status"] == ("REFUNDED" if payment["refunds"] else "COMPLETED")
        again = admin.post(event["rawPath"], {}, headers={"idempotency-key": purchase.payment_id})
        assert (again.status_code, again.json()["payment"]["status"]) == (200, "REFUNDED")
        [record] = razorpay.list_refunds(payment["razorpayPaymentId"])
        assert record["amount"] == minor(payment["price"])
        assert (purchase.books(admin)["refund"], purchase.books(admin)["sales"]) == (1, 0)


def signed_in(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person.token}"}


# --- many payments, behind the tests above: each reconciliation compares all payments ------------


def test_a_hundred_callbacks_and_webhooks_four_at_once_have_one_effect_per_order(
    endpoints: dict[str, Any], razorpay: Razorpay
) -> None:
    each = 5
    customers = [Person.register(endpoints) for _ in range(5)]
    product = Person.register(endpoints, "seller").sells(stock=each * len(customers))

    def buy(customer: Person) -> list[Purchase]:
        purchases = []
        for _ in range(each):
            purchase = Purchase.begin(endpoints, customer, product)
            proof = proof_of(razorpay.is_paid(purchase.razorpay_order_id))
            webhook = razorpay.webhook(proof["razorpay_payment_id"])
            callback = partial(customer.post, "/api/payments/verify", proof)
            answers = at_once([callback, partial(razorpay.delivers, webhook)] * 2)
            assert [answer.status_code for answer in answers] == [200] * 4
            purchases.append(purchase)
        return purchases

    with ThreadPoolExecutor(len(customers)) as pool:
        purchases = [one for some in pool.map(buy, customers) for one in some]

    assert len({purchase.order_id for purchase in purchases}) == each * len(customers)
    for customer in customers:
        eventually(partial(has_confirmed, customer, each), "all orders are confirmed")
        eventually(lambda one=customer: receipts(one, endpoints) >= each, "a mail for each")  # type: ignore[misc]
    assert [receipts(customer, endpoints) for customer in customers] == [each] * len(customers)
    assert purchases[0].stock == 0
    ledger, audit = rows(endpoints, "ledger"), rows(endpoints, "audit")
    for subject in (f"payment#{purchase.payment_id}" for purchase in purchases):
        entries = Counter(kind_of(row) for row in ledger if row["pk"]["S"] == subject)
        assert entries == {"capture": 1, "fee": 1}
        history = [row["action"]["S"] for row in audit if row["pk"]["S"] == subject]
        assert sorted(history) == sorted(OPENED_AND_PAID)


def has_confirmed(customer: Person, number: int) -> bool:
    """Whether the customer has so many orders, each confirmed in one step."""
    orders = customer.get("/api/orders/me", params={"limit": 100}).json()["orders"]
    steps = [[step["status"] for step in order["timeline"]] for order in orders]
    return steps == [["PENDING", "CONFIRMED"]] * number


def kind_of(entry: dict[str, Any]) -> str:
    kind: str = entry["sk"]["S"].partition("#")[0]
    return kind


def receipts(customer: Person, endpoints: dict[str, Any]) -> int:
    """Count the orders with exactly one mail that confirms them."""
    mails = [mail["text"] for mail in customer.mails(endpoints) if CONFIRMED in mail["subject"]]
    assert len(mails) == len(set(mails))
    return len(mails)


# --- random concurrent steps ----------------------------------------------------------------------

SEED = 20_261_123
SHIPPING_TRIES = 3
LATER = {
    "callback": 4,
    "webhook": 6,
    "cancel": 2,
    "expire": 2,
    "refund": 1,
    "part": 2,
    "job": 0.4,
    "ship": 4,
}
EXPECTED = {200, 201, 202, 400, 404, 409, 502, 503}


@dataclass
class Deal:
    """An order with random steps, which may come before the steps that they depend on."""

    purchase: Purchase
    razorpay: Razorpay
    admin: Person
    plan: list[list[str]]
    answers: list[tuple[str, int]] = field(default_factory=list)

    def run(self) -> None:
        for moment in self.plan:
            at_once([partial(self._do, step) for step in moment])

    def _do(self, step: str) -> None:
        answer: httpx.Response | None = getattr(self, f"_{step}")()
        if answer is not None:
            self.answers.append((step, answer.status_code))

    def _pay(self) -> httpx.Response:
        return self.razorpay.is_paid(self.purchase.razorpay_order_id)

    def _callback(self) -> httpx.Response:
        paid = self._paid or "pay_00000000000000"
        order = self.purchase.razorpay_order_id
        return self.purchase.customer.post("/api/payments/verify", self.razorpay.proof(order, paid))

    def _webhook(self) -> httpx.Response | None:
        return self.razorpay.delivers(self.razorpay.webhook(self._paid)) if self._paid else None

    def _cancel(self) -> httpx.Response:
        return self.purchase.customer.post(f"/api/orders/{self.purchase.order_id}/cancel")

    def _expire(self) -> None:
        let_reservation_run_out(self.purchase.endpoints, self.purchase.order_id)
        run_job(self.purchase.endpoints, EXPIRY)

    def _refund(self, **amount: float) -> httpx.Response:
        path = f"/api/payments/{self.purchase.payment_id}/refund"
        return self.admin.post(path, amount, headers=a_key())

    def _part(self) -> httpx.Response:
        return self._refund(amount=50.5)

    def _ship(self) -> httpx.Response:
        """Repeat the request while the order is not confirmed."""
        path = f"/api/orders/{self.purchase.order_id}/ship"
        answer = self.admin.post(path, {})
        for _ in range(SHIPPING_TRIES):
            if answer.status_code != 409 or self.purchase.status == "CANCELLED":
                break
            time.sleep(0.3)
            answer = self.admin.post(path, {})
        return answer

    def _job(self) -> None:
        run_job(self.purchase.endpoints, REFUNDS)
        run_job(self.purchase.endpoints, RECONCILIATION)

    @property
    def _paid(self) -> str | None:
        attempts = self.razorpay.list_attempts(self.purchase.razorpay_order_id)
        return attempts[0]["id"] if attempts else None

    def is_settled(self, mails: list[dict[str, Any]]) -> bool:
        try:
            self.check(mails)
        except AssertionError:
            return False
        return True

    def check(self, mails: list[dict[str, Any]]) -> None:
        """Check that order, payment, ledger, mails and Razorpay agree."""
        context = {"plan": self.plan, "answers": self.answers, "history": self.purchase.history}
        order = self.purchase.customer.order(self.purchase.order_id)
        payment, books = self.purchase.payment, self.purchase.books(self.admin)
        attempts = self.razorpay.list_attempts(self.purchase.razorpay_order_id)
        refunds = self.razorpay.list_refunds(attempts[0]["id"]) if attempts else []
        taken = sum(one["amount"] for one in attempts if one["captured"])
        back = sum(one["amount"] for one in refunds)
        fee = sum(one["fee"] for one in attempts)
        story = context | {
            "order": order["status"],
            "payment": payment,
            "taken": taken,
            "back": back,
        }

        assert taken in (0, minor(payment["price"])), story
        assert minor(payment["refunded"]) == back, story
        assert (books["capture"], books["refund"]) == (len(attempts), len(refunds)), story
        assert books.get("razorpay", 0) == taken - back - fee, story
        ours = sorted(str(one["razorpayRefundId"]) for one in payment["refunds"])
        assert ours == sorted(one["id"] for one in refunds), story
        assert order["status"] in allowed(taken, back), story
        assert payment["status"] in PAYMENT_OF[order["status"]], story
        if taken:
            status = "REFUNDED" if taken == back else "COMPLETED"
            assert order["payment"]["status"] == payment["status"] == status, story
        steps = [step["status"] for step in order["timeline"]]
        assert "SHIPPED" not in steps or steps[-2:] == ["CONFIRMED", "SHIPPED"], story
        assert order["refunds"] == refunds_of(payment), story
        mailed = {name: self.purchase.mails_about(name, mails) for name in MAILED}
        confirmations, apologies, refund_mails, shipping_mails, *end_mails = mailed.values()
        # a late payment of a cancelled order gets a mail of its own
        came_late = "payment cancelled" in self.purchase.history
        wanted_first = (int("CONFIRMED" in steps), len(attempts) if came_late else 0)
        assert (confirmations, apologies) == wanted_first, story | mailed
        is_cancelled = int(order["status"] == "CANCELLED")
        is_sent = int(order["status"] == "SHIPPED")
        wanted = (len(refunds), is_sent, is_cancelled)
        assert (refund_mails, shipping_mails, sum(end_mails)) == wanted, story | mailed


MAILED = (
    *(CONFIRMED, "came too late", "on the way back to you"),
    *("is on its way", "is cancelled", "has expired"),
)
PAYMENT_OF = {
    "PENDING": {"PENDING"},
    "CONFIRMED": {"COMPLETED"},
    "SHIPPED": {"COMPLETED", "REFUNDED"},
    "CANCELLED": {"FAILED", "REFUNDED"},
}


def refunds_of(payment: dict[str, Any]) -> dict[str, Any] | None:
    """Return the refunds as the order should show them once none is pending."""
    if not payment["refunds"]:
        return None
    nothing = {"amount": 0.0, "currency": payment["price"]["currency"]}
    return {"refunded": payment["refunded"], "returning": nothing}


def allowed(taken: int, back: int) -> set[str]:
    """Return the states that an order can have with this money; a shipped order stays shipped."""
    if not taken:
        return {"PENDING", "CANCELLED"}
    return {"CANCELLED", "SHIPPED"} if taken == back else {"CONFIRMED", "SHIPPED"}


def a_plan(luck: random.Random) -> list[list[str]]:
    """Plan random steps, up to three of them at the same time."""
    steps = luck.choices([*LATER], [*LATER.values()], k=luck.randint(2, 6))
    steps.insert(luck.choice([0, 0, luck.randint(0, len(steps))]), "pay")
    plan = []
    while steps:
        size = luck.choice([1, 2, 3])
        plan.append(steps[:size])
        steps = steps[size:]
    return plan


def test_random_concurrent_steps_lose_no_money_and_no_stock(
    endpoints: dict[str, Any], razorpay: Razorpay, admin: Person
) -> None:
    luck = random.Random(SEED)
    product = Person.register(endpoints, "seller").sells(stock=60)
    plans = [a_plan(luck) for _ in range(50)]

    def run(some: tuple[list[list[str]], ...]) -> list[Deal]:
        customer = Person.register(endpoints)
        deals = []
        for plan in some:
            purchase = Purchase.begin(endpoints, customer, product)
            deals.append(Deal(purchase, razorpay, admin, plan))
            deals[-1].run()
        return deals

    with ThreadPoolExecutor(4) as pool:
        groups = list(pool.map(run, batched(plans, 13, strict=False)))

    deals = [deal for group in groups for deal in group]
    assert {status for deal in deals for _, status in deal.answers} <= EXPECTED
    took_effect = {step for deal in deals for step, status in deal.answers if status < 300}
    assert took_effect >= {"pay", "callback", "webhook", "cancel", "part", "ship"}
    reconcile(endpoints)
    for group in groups:
        unsettled = list(group)
        with suppress(AssertionError):  # a deal that is not settled fails below with its story
            eventually(partial(all_are_settled, unsettled), "all is settled")
        mails = mails_of(group)
        for deal in group:
            deal.check(mails)
    kept = sum(deal.purchase.status != "CANCELLED" for deal in deals)
    assert deals[0].purchase.stock == 60 - kept
    assert 0 < kept < len(deals)


def mails_of(group: list[Deal]) -> list[dict[str, Any]]:
    """Return the mails of the customer of these deals."""
    purchase = group[0].purchase
    return purchase.customer.mails(purchase.endpoints)


def all_are_settled(unsettled: list[Deal]) -> bool:
    """Remove the deals that are settled; return whether no other is left."""
    mails = mails_of(unsettled)
    while unsettled and unsettled[0].is_settled(mails):
        del unsettled[0]
    return not unsettled
