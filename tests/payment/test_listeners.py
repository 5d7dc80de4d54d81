"""Payment's event Lambda, fed with a queue's batches."""

import json
from typing import Any

import pytest

from payment.listeners import reactions
from payment.model import Failure, PaymentStatus
from payment.repository import DynamoPayments
from supermarket.clock import iso, new_id
from supermarket.contracts import Amount, OrderCancelled, OrderLine, Recipient
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from support.api import a_caller
from support.payment import NOON, a_payment

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
    records = []
    for event in events:
        row = OutboxRow.of(event)
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
def test_the_payment_of_a_cancelled_order_fails_once(by: str, failure: Failure) -> None:
    payments = DynamoPayments()
    payment = a_payment(a_caller())
    transaction = DynamoTransaction()
    payments.add(payment, transaction)
    transaction.commit()
    event = cancelled(payment.order_id, by)
    assert reactions(batch(event, event), None) == {"batchItemFailures": []}
    kept = payments.find(payment.id)
    assert kept is not None
    assert (kept.status, kept.failure, kept.version) == (PaymentStatus.FAILED, failure, 2)
    assert [row.detail_type for row in OutboxRow.scan()] == ["PaymentFailed"]


def test_the_cancellation_of_an_order_without_a_payment_is_no_failure() -> None:
    assert reactions(batch(cancelled(new_id(), "expiry")), None) == {"batchItemFailures": []}
