"""Money that moves at Razorpay by itself: late authorizations, disputes and settlements."""

import os
from pathlib import Path
from typing import Any

import pytest

from local.locks import locked
from support.deployed import rows_of, run_job
from support.local_cloud import HOME
from support.payment import as_event
from support.razorpay import Razorpay
from support.shop import Person, eventually

pytestmark = pytest.mark.e2e

RECONCILIATION = "payment.jobs.reconcile_payments"


def test_late_disputed_and_settled_money_is_booked(endpoints: dict[str, Any]) -> None:
    razorpay = Razorpay(endpoints)
    seller, customer = Person.register(endpoints, "seller"), Person.register(endpoints)
    product = seller.sells(stock=2)
    cancelled, paid = an_order(customer, product), an_order(customer, product)

    late = customer.payment_proof(endpoints, cancelled, "authorized")["razorpay_payment_id"]
    assert customer.post(f"/api/orders/{cancelled}/cancel").status_code == 200
    waits_for_payment(customer, cancelled, "FAILED")
    authorized = {"payment": {"entity": razorpay.look_up(f"payments/{late}")}}
    webhook = razorpay.signed(as_event("payment.authorized", authorized))
    assert razorpay.delivers(webhook).status_code == 200
    waits_for_payment(customer, cancelled, "REFUNDED")
    [refund] = razorpay.list_refunds(late)
    assert refund["amount"] == authorized["payment"]["entity"]["amount"]

    taken = customer.payment_proof(endpoints, paid)
    assert customer.post("/api/payments/verify", taken).status_code == 200
    customer.waits_for_status(paid, "CONFIRMED")
    dispute = razorpay.control("disputes", paymentId=taken["razorpay_payment_id"])
    waits_for_dispute(customer, paid, "OPEN")
    refused = seller.post(f"/api/orders/{paid}/ship")
    assert refused.status_code == 409
    assert "disputed" in refused.json()["message"]
    razorpay.control(f"disputes/{dispute['id']}", status="won")
    waits_for_dispute(customer, paid, "WON")
    assert seller.post(f"/api/orders/{paid}/ship").status_code == 200

    settlement = razorpay.control("settlements")
    entries = f"settlement#{settlement['id']}"
    eventually(lambda: rows_of(endpoints, "ledger", entries), "the settlement is booked")
    settled = as_event("settlement.processed", {"settlement": {"entity": settlement}})
    assert razorpay.delivers(razorpay.signed(settled)).json()["message"] == "Nothing to do"
    with locked(Path(os.environ[HOME]) / "reconciling"):
        assert run_job(endpoints, RECONCILIATION)["stopped"] == 0
    assert len(rows_of(endpoints, "ledger", entries)) == 1


def an_order(customer: Person, product: dict[str, Any]) -> str:
    customer.takes(product)
    order_id: str = customer.orders().json()["order"]["id"]
    return order_id


def payment_of(customer: Person, order_id: str) -> dict[str, Any]:
    payment: dict[str, Any] = customer.get(f"/api/payments/order/{order_id}").json()["payment"]
    return payment


def waits_for_payment(customer: Person, order_id: str, status: str) -> None:
    eventually(lambda: payment_of(customer, order_id)["status"] == status, f"payment is {status}")


def waits_for_dispute(customer: Person, order_id: str, status: str) -> None:
    def has_arrived() -> bool:
        return [one["status"] for one in payment_of(customer, order_id)["disputes"]] == [status]

    eventually(has_arrived, f"dispute is {status}")
