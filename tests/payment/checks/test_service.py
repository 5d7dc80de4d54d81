"""The checks of payments in transactions of other domains, in memory and in DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from conftest import NOON
from payment.checks.service import NotShippable, PaymentChecks
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.payment import SHOP, Payment
from payment.model.refund import Refund, RefundStatus
from payment.model.status import Failure, PaymentStatus
from payment.ports import Payments
from payment.repository import DynamoPayments
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction
from support.api import a_caller
from support.in_memory import InMemoryOutbox
from support.payment import PRICE, InMemoryPayments, a_payment

type Change = Callable[[Payment], Payment]


@dataclass(frozen=True)
class Store:
    """Stored payments, and the checks of them."""

    payments: Payments
    begin: BeginTransaction

    @property
    def checks(self) -> PaymentChecks:
        return PaymentChecks(self.payments)

    def add(self, payment: Payment) -> Payment:
        transaction = self.begin()
        self.payments.add(payment, transaction)
        transaction.commit()
        return payment

    def change(self, payment: Payment, *changes: Change) -> Payment:
        for change in changes:
            transaction = self.begin()
            before, payment = payment, change(payment)
            self.payments.save(before, payment, transaction)
            transaction.commit()
        return payment


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "in memory":
        return Store(InMemoryPayments(), InMemoryOutbox().begin)
    request.getfixturevalue("aws")
    return Store(DynamoPayments(), DynamoTransaction)


def pay(payment: Payment) -> Payment:
    attempt = Attempt("pay_1", payment.razorpay_order_id, payment.price, AttemptStatus.CAPTURED)
    return payment.completed(attempt, NOON)


def decline(payment: Payment) -> Payment:
    attempt = Attempt("pay_0", payment.razorpay_order_id, payment.price, AttemptStatus.FAILED)
    return payment.with_failed_attempt(attempt, NOON)


def refund(minor: int, status: RefundStatus = RefundStatus.REQUESTED) -> Change:
    amount = Money(minor, Currency.INR)
    one = Refund(new_id(), "pay_1", amount, "broken", "admin", NOON, NOON, status)
    return lambda payment: payment.with_refund(one, NOON)


def cancel(payment: Payment) -> Payment:
    return payment.with_cancelled_order(Failure.ORDER_CANCELLED, new_id(), NOON)


def dispute(status: DisputeStatus, minor: int) -> Change:
    amount = Money(minor, Currency.INR)
    one = Dispute("disp_1", "pay_1", amount, status, "chargeback", "not received", NOON)
    return lambda payment: payment.with_dispute(one, new_id(), NOON)


REFUND_ALL, REFUND_PART = refund(PRICE.minor), refund(100)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ((), PaymentStatus.PENDING),
        ((decline,), PaymentStatus.FAILED),
        ((pay,), PaymentStatus.COMPLETED),
        ((decline, pay), PaymentStatus.COMPLETED),
        ((pay, REFUND_PART), PaymentStatus.REFUND_PENDING),
    ],
)
def test_the_state_holds_when_the_transaction_commits(
    store: Store, changes: tuple[Change, ...], status: PaymentStatus
) -> None:
    payment = store.change(store.add(a_payment(a_caller())), *changes)
    transaction = store.begin()
    assert store.checks.pin_status(payment.order_id, transaction) is status
    transaction.commit()


@pytest.mark.parametrize("change", [pay, decline])
def test_a_transaction_is_refused_when_the_payment_changed(store: Store, change: Change) -> None:
    payment = store.add(a_payment(a_caller()))
    transaction = store.begin()
    assert store.checks.pin_status(payment.order_id, transaction) is PaymentStatus.PENDING
    store.change(payment, change)
    with pytest.raises(StaleWrite):
        transaction.commit()


def test_a_transaction_is_refused_when_a_payment_was_opened(store: Store) -> None:
    payment = a_payment(a_caller())
    transactions = [store.begin() for _ in range(2)]
    for transaction in transactions:
        status = store.checks.pin_status(payment.order_id, transaction)
        assert status is PaymentStatus.PENDING
    transactions[0].commit()
    store.add(payment)
    with pytest.raises(StaleWrite):
        transactions[1].commit()


@pytest.mark.parametrize(
    "changes", [(pay,), (pay, REFUND_PART), (pay, dispute(DisputeStatus.WON, PRICE.minor))]
)
def test_a_paid_order_is_shippable(store: Store, changes: tuple[Change, ...]) -> None:
    payment = store.change(store.add(a_payment(a_caller())), *changes)
    transaction = store.begin()
    store.checks.require_shippable(payment.order_id, transaction)
    transaction.commit()


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (decline,),
        (pay, REFUND_ALL),
        (pay, refund(PRICE.minor, RefundStatus.PROCESSED)),
        (pay, refund(PRICE.minor - 100, RefundStatus.PROCESSED), REFUND_PART),
        (pay, cancel),
        (pay, dispute(DisputeStatus.OPEN, 100)),
        (pay, dispute(DisputeStatus.LOST, PRICE.minor)),
    ],
)
def test_an_order_whose_money_does_not_stay_is_not_shippable(
    store: Store, changes: tuple[Change, ...]
) -> None:
    payment = store.change(store.add(a_payment(a_caller())), *changes)
    with pytest.raises(NotShippable):
        store.checks.require_shippable(payment.order_id, store.begin())


def test_an_order_without_a_payment_is_not_shippable(store: Store) -> None:
    with pytest.raises(NotShippable):
        store.checks.require_shippable(new_id(), store.begin())


@pytest.mark.parametrize("change", [REFUND_ALL, REFUND_PART, cancel])
def test_shipping_is_refused_when_a_refund_is_requested_at_the_same_time(
    store: Store, change: Change
) -> None:
    payment = store.change(store.add(a_payment(a_caller())), pay)
    transaction = store.begin()
    store.checks.require_shippable(payment.order_id, transaction)
    store.change(payment, change)
    with pytest.raises(StaleWrite):
        transaction.commit()


def test_a_refund_that_failed_for_good_leaves_the_order_shippable(store: Store) -> None:
    failed = refund(PRICE.minor, RefundStatus.FAILED)
    payment = store.change(store.add(a_payment(a_caller())), pay, failed)
    assert payment.refunds[0].requested_by != SHOP
    store.checks.require_shippable(payment.order_id, store.begin())
