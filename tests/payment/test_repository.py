"""`Payments` in DynamoDB and in memory: one set of tests, so that the fake cannot lie."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from payment.model import Attempt, AttemptStatus, Failure, Payment
from payment.ports import Overtaken, Payments
from payment.repository import DynamoPayments
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.transaction import BeginTransaction
from support.api import a_caller
from support.in_memory import InMemoryOutbox
from support.payment import NOON, InMemoryPayments, a_payment

LATER = NOON + timedelta(minutes=1)

Store = tuple[Payments, BeginTransaction]


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return InMemoryPayments(), InMemoryOutbox().begin
    request.getfixturevalue("aws")
    return DynamoPayments(), DynamoTransaction


def commit(store: Store, write: Callable[[Payments, Any], None]) -> None:
    payments, begin = store
    transaction = begin()
    write(payments, transaction)
    transaction.commit()


def keep(store: Store, payment: Payment) -> Payment:
    commit(store, lambda payments, transaction: payments.add(payment, transaction))
    return payment


def save(store: Store, read: Payment, changed: Payment) -> Payment:
    commit(store, lambda payments, transaction: payments.save(read, changed, transaction))
    return changed


def attempt(payment: Payment, id_: str = "pay_1") -> Attempt:
    price = payment.price
    status = AttemptStatus.FAILED
    return Attempt(id_, payment.razorpay_order_id, price.minor, price.currency.value, status)


def test_a_payment_is_found_by_itself_its_order_and_its_razorpay_order(store: Store) -> None:
    payments, _ = store
    payment = keep(store, a_payment(a_caller()))
    assert payments.find(payment.id) == payment
    assert payments.find_by_order(payment.order_id) == payment
    assert payments.find_by_razorpay_order(payment.razorpay_order_id) == payment


def test_unknown_ids_find_nothing(store: Store) -> None:
    payments, _ = store
    payment = keep(store, a_payment(a_caller()))
    assert payments.find(payment.order_id) is None
    assert payments.find_by_order(payment.id) is None
    assert payments.find_by_razorpay_order("") is None


def test_every_change_is_kept_whole(store: Store) -> None:
    payments, _ = store
    payment = keep(store, a_payment(a_caller()))
    payment = save(store, payment, payment.declined_by(attempt(payment, "pay_1"), LATER))
    assert payments.find(payment.id) == payment
    payment = save(store, payment, payment.reopened(LATER))
    payment = save(store, payment, payment.declined_by(attempt(payment, "pay_2"), LATER))
    assert payments.find(payment.id) == payment
    payment = save(store, payment, payment.completed(attempt(payment, "pay_3"), LATER))
    assert payments.find_by_order(payment.order_id) == payment


def test_an_order_has_one_payment(store: Store) -> None:
    payments, _ = store
    first, second = a_payment(a_caller()), a_payment(a_caller())
    keep(store, first)
    rival = Payment(**{**vars(second), "order_id": first.order_id})
    with pytest.raises(Overtaken):
        keep(store, rival)
    assert payments.find_by_order(first.order_id) == first
    assert payments.find(rival.id) is None
    assert payments.find_by_razorpay_order(rival.razorpay_order_id) is None


def test_a_change_to_something_read_too_long_ago_is_refused(store: Store) -> None:
    payments, _ = store
    payment = keep(store, a_payment(a_caller()))
    winner = save(store, payment, payment.called_off(Failure.ORDER_EXPIRED, LATER))
    with pytest.raises(Overtaken):
        save(store, payment, payment.completed(attempt(payment), LATER))
    assert payments.find(payment.id) == winner


def test_a_payment_that_was_never_kept_cannot_be_changed(store: Store) -> None:
    payments, _ = store
    payment = a_payment(a_caller())
    with pytest.raises(Overtaken):
        save(store, payment, payment.called_off(Failure.ORDER_CANCELLED, LATER))
    assert payments.find(payment.id) is None
