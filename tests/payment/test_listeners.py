"""The event Lambda of payment, with batches of its queue."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from payment import wiring
from payment.listeners import event_handlers
from payment.model.status import Failure, PaymentStatus
from payment.repository import DynamoPayments
from supermarket.clock import iso, new_id
from supermarket.contracts import Amount, OrderCancelled, OrderLine
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.people import Recipient
from support.api import a_caller
from support.payment import NOON, FakeRazorpay, a_payment

pytestmark = pytest.mark.usefixtures("aws")


def cancelled(order_id: str, by: str) -> OrderCancelled:
    money = Amount.of(Money(49_950, Currency.INR))
    line = {"product_id": new_id(), "title": "Tea", "seller_id": new_id(), "quantity": 1}
    return OrderCancelled.model_validate(
        {
            "order_id": order_id,
            "customer": Recipient(user_id=new_id(), email="a@example.com", first_name="Asha"),
            "lines": [OrderLine(**line, unit_price=money, line_total=money)],
            "total": money,
            "placed_at": iso(NOON),
            "cancelled_at": iso(NOON),
            "cancelled_by": by,
            "was_paid": False,
        }
    )


def batch(*events: OrderCancelled) -> dict[str, Any]:
    return as_batch(*(OutboxRow.of(event) for event in events))


def as_batch(*rows: OutboxRow) -> dict[str, Any]:
    records = []
    for row in rows:
        body = {"detail-type": row.detail_type, "detail": json.loads(row.detail)}
        records.append({"messageId": new_id(), "body": json.dumps(body), "eventSource": "aws:sqs"})
    return {"Records": records}


@pytest.mark.parametrize(
    ("by", "failure"),
    [
        ("customer", Failure.ORDER_CANCELLED),
        ("seller", Failure.ORDER_CANCELLED),
        ("expiry", Failure.ORDER_EXPIRED),
    ],
)
def test_the_open_payment_of_a_cancelled_order_fails_once(by: str, failure: Failure) -> None:
    payments = DynamoPayments()
    payment = a_payment(a_caller())
    transaction = DynamoTransaction()
    payments.add(payment, transaction)
    transaction.commit()
    event = cancelled(payment.order_id, by)
    assert event_handlers(batch(event, event), None) == {"batchItemFailures": []}
    stored = payments.find(payment.id)
    assert stored is not None
    assert (stored.status, stored.failure, stored.version) == (PaymentStatus.FAILED, failure, 2)
    assert [row.detail_type for row in OutboxRow.scan()] == ["PaymentFailed"]


@pytest.mark.parametrize("first", ["capture", "cancellation"])
def test_a_payment_of_a_cancelled_order_is_refunded_once_whichever_comes_first(
    monkeypatch: pytest.MonkeyPatch, razorpay: FakeRazorpay, first: str
) -> None:
    monkeypatch.setattr(wiring, "RazorpayApi", lambda *_, **__: razorpay)
    customer = a_caller()
    payment = a_payment(customer)
    transaction = DynamoTransaction()
    DynamoPayments().add(payment, transaction)
    transaction.commit()
    razorpay.open_known(payment)
    attempt = razorpay.attempts[razorpay.pay(payment.razorpay_order_id).razorpay_payment_id]
    steps: list[Callable[[], object]] = [
        lambda: wiring.payment_service().apply_payment_update(attempt),
        lambda: event_handlers(batch(cancelled(payment.order_id, "customer")), None),
    ]
    for step in steps if first == "capture" else steps[::-1]:
        step()
    completed = [row for row in OutboxRow.scan() if row.detail_type == "PaymentCompleted"]
    for _ in range(2):
        assert event_handlers(as_batch(*completed), None) == {"batchItemFailures": []}
    stored = DynamoPayments().find(payment.id)
    assert stored is not None
    assert stored.status is PaymentStatus.REFUNDED
    assert len(razorpay.refunds) == 1


def test_a_refund_that_razorpay_does_not_accept_is_left_to_the_job_and_no_failure_of_the_event(
    monkeypatch: pytest.MonkeyPatch, razorpay: FakeRazorpay
) -> None:
    monkeypatch.setattr(wiring, "RazorpayApi", lambda *_, **__: razorpay)
    payment = a_payment(a_caller())
    transaction = DynamoTransaction()
    DynamoPayments().add(payment, transaction)
    transaction.commit()
    razorpay.open_known(payment)
    attempt = razorpay.attempts[razorpay.pay(payment.razorpay_order_id).razorpay_payment_id]
    wiring.payment_service().apply_payment_update(attempt)
    razorpay.is_down = True
    event = batch(cancelled(payment.order_id, "customer"))
    assert event_handlers(event, None) == {"batchItemFailures": []}
    assert DynamoPayments().list_with_open_refunds(10) == [payment.id]
    razorpay.is_down = False
    wiring.payment_service().sync_refunds(payment.id)
    assert event_handlers(event, None) == {"batchItemFailures": []}
    assert len(razorpay.refunds) == 1


def test_a_cancelled_order_without_a_payment_is_ignored() -> None:
    assert event_handlers(batch(cancelled(new_id(), "expiry")), None) == {"batchItemFailures": []}
