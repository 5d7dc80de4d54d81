"""`Payments` in DynamoDB and in memory: one set of tests, so that the fake cannot lie."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from conftest import FrozenClock
from payment.model import (
    Attempt,
    AttemptStatus,
    Failure,
    Payment,
    RazorpayRefund,
    Refund,
    RefundStatus,
)
from payment.ports import HandledWebhooks, Overtaken, Payments
from payment.repository import DynamoHandledWebhooks, DynamoPayments
from supermarket.clock import new_id
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.transaction import BeginTransaction
from support.api import a_caller
from support.in_memory import InMemoryOutbox
from support.payment import NOON, InMemoryHandledWebhooks, InMemoryPayments, a_payment

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


def test_a_fee_is_kept_in_the_money_that_it_was_charged_in(store: Store) -> None:
    payments, _ = store
    payment = keep(store, a_payment(a_caller(), Money(1_000, Currency.USD)))
    fee = Money(3_009, Currency.INR)
    taken = replace(attempt(payment), status=AttemptStatus.CAPTURED, fee=fee)
    paid = save(store, payment, payment.completed(taken, LATER))
    twice = save(store, paid, paid.taken_again(replace(taken, id="pay_2"), LATER))
    assert payments.find(payment.id) == twice
    assert (twice.fee, twice.fee_of("pay_2")) == (fee, fee)


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


def paid(store: Store) -> Payment:
    payment = keep(store, a_payment(a_caller()))
    captured = replace(attempt(payment), fee=Money(7, payment.price.currency))
    return save(store, payment, payment.completed(captured, LATER))


def test_a_paid_payment_is_found_by_its_attempt_and_keeps_its_fee(store: Store) -> None:
    payments, _ = store
    payment = paid(store)
    assert payments.find_by_attempt("pay_1") == payment
    assert payments.find_by_attempt("pay_2") is None


def test_refunds_are_kept_whole_and_listed_until_their_end(store: Store) -> None:
    payments, _ = store
    payment = paid(store)
    assert payments.refunding(10) == []
    part = Money(100, payment.price.currency)
    refund = Refund.requested(new_id(), part, "why", "admin", LATER)
    payment = save(store, payment, payment.with_refund(refund, LATER))
    assert payments.find(payment.id) == payment
    assert payments.refunding(10) == [payment.id]
    done = refund.moved(RefundStatus.PROCESSED, LATER, "rfnd_1")
    payment = save(store, payment, payment.with_refund(done, LATER))
    assert payments.find(payment.id) == payment
    assert payments.refunding(10) == []


def test_a_surplus_is_kept_whole_and_found_by_its_attempt(store: Store) -> None:
    payments, _ = store
    payment = paid(store)
    fee = Money(9, payment.price.currency)
    wanted = payment.taken_again(attempt(payment, "pay_2"), LATER)
    wanted = wanted.surplus_given_back("pay_2", new_id(), "why", "shop", LATER)
    payment = save(store, payment, wanted)
    assert payments.find_by_attempt("pay_2") == payments.find_by_attempt("pay_1") == payment
    assert payments.refunding(10) == [payment.id]
    charged = payment.charged(replace(attempt(payment, "pay_2"), fee=fee), LATER)
    payment = save(store, payment, charged)
    assert payments.find(payment.id) == payment
    assert payment.fee_of("pay_2") == fee


def test_a_refund_that_waits_to_be_sent_comes_before_all_that_are_on_their_way(
    store: Store,
) -> None:
    payments, _ = store
    sent, unsent = paid(store), keep(store, a_payment(a_caller()))
    on_its_way = sent.told_of(
        RazorpayRefund("rfnd_1", "pay_1", Money(100, sent.price.currency), RefundStatus.PENDING),
        new_id(),
        NOON,
    )
    save(store, sent, on_its_way)
    captured = replace(attempt(unsent), id="pay_2")
    wanted = unsent.completed(captured, LATER).given_back(new_id(), "why", "shop", LATER)
    save(store, unsent, wanted)
    assert payments.refunding(10) == [unsent.id, sent.id]
    assert payments.refunding(1) == [unsent.id]


def wanting_back(store: Store, minutes: int, *, is_sent: bool = False) -> str:
    """The id of a payment with a refund that was asked for so many minutes after noon."""
    payment = keep(store, a_payment(a_caller()))
    at = NOON + timedelta(minutes=minutes)
    captured = replace(attempt(payment), id=f"pay_{minutes}")
    wanted = payment.completed(captured, at).given_back(new_id(), "why", "shop", at)
    if is_sent:
        (refund,) = wanted.refunds
        wanted = wanted.with_refund(refund.moved(RefundStatus.PENDING, at, f"rfnd_{minutes}"), at)
    return save(store, payment, wanted).id


def test_of_those_with_open_refunds_the_oldest_come_first(store: Store) -> None:
    payments, _ = store
    found = {minutes: wanting_back(store, minutes) for minutes in (3, 1, 2)}
    assert payments.refunding(2) == [found[1], found[2]]


def test_refunds_that_wait_to_be_sent_and_those_on_their_way_take_turns(store: Store) -> None:
    payments, _ = store
    unsent = [wanting_back(store, minutes) for minutes in (1, 2, 3)]
    sent = [wanting_back(store, minutes, is_sent=True) for minutes in (4, 5)]
    in_turn = [unsent[0], sent[0], unsent[1], sent[1], unsent[2]]
    assert payments.refunding(10) == in_turn
    assert payments.refunding(3) == in_turn[:3]


def test_one_that_was_asked_after_comes_last_the_next_time_and_can_be_changed_as_before(
    store: Store,
) -> None:
    payments, _ = store
    first, second = (wanting_back(store, minutes) for minutes in (1, 2))
    read = payments.find(first)
    assert read is not None
    at = NOON + timedelta(minutes=3)
    payments.put_last(first, at)
    assert payments.refunding(10) == [second, first]
    assert payments.find(first) == replace(read, updated_at=at)
    (refund,) = read.refunds
    done = read.with_refund(refund.moved(RefundStatus.PROCESSED, at, "rfnd_1"), at)
    save(store, read, done)
    payments.put_last(first, at + timedelta(minutes=1))  # nothing of it is open any more
    assert payments.find(first) == done
    payments.put_last(new_id(), at)
    assert payments.refunding(10) == [second]


def test_it_is_kept_since_when_razorpay_refuses_what_is_owed(store: Store) -> None:
    payments, _ = store
    read = payments.find(wanting_back(store, 1))
    assert read is not None
    refused = save(store, read, read.refused(read.refunds[0].id, LATER))
    assert payments.find(read.id) == refused
    assert refused.refunds[0].refused_at == LATER
    assert refused.refused(read.refunds[0].id, LATER + timedelta(hours=1)) == refused


@pytest.mark.parametrize("kind", ["memory", "dynamodb"])
def test_a_handled_webhook_is_known_by_its_id_and_its_body(
    request: pytest.FixtureRequest, clock: FrozenClock, kind: str
) -> None:
    handled: HandledWebhooks = InMemoryHandledWebhooks()
    if kind == "dynamodb":
        request.getfixturevalue("aws")
        handled = DynamoHandledWebhooks(clock)
    assert not handled.has("event_1", "digest")
    for _ in range(2):
        handled.add("event_1", "digest")
    assert handled.has("event_1", "digest")
    assert not handled.has("event_1", "another")
    assert not handled.has("event_2", "digest")
