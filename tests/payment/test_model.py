"""The states of a payment, and the signature of Razorpay's checkout."""

from dataclasses import replace
from datetime import timedelta

import pytest
import razorpay
from hypothesis import given
from hypothesis import strategies as st

from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.payment import Payment
from payment.model.signature import CheckoutSignature
from payment.model.status import TRANSITIONS, Failure, IllegalTransition, PaymentStatus
from supermarket.money import Currency, Money
from support.api import a_caller
from support.payment import KEYS, NOON, a_payment, signed

LATER = NOON + timedelta(minutes=1)

CHANGES = {
    "complete": PaymentStatus.COMPLETED,
    "decline": PaymentStatus.FAILED,
    "reopen": PaymentStatus.PENDING,
}
ids = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


def attempt_of(payment: Payment, status: AttemptStatus = AttemptStatus.CAPTURED) -> Attempt:
    return Attempt("pay_1", payment.razorpay_order_id, payment.price, status)


def change(payment: Payment, name: str) -> Payment:
    match name:
        case "complete":
            return payment.completed(attempt_of(payment), LATER)
        case "decline":
            return payment.with_failed_attempt(attempt_of(payment), LATER)
        case _:
            return payment.reopened(LATER)


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=12))
def test_a_payment_changes_only_to_states_in_its_table(names: list[str]) -> None:
    payment = a_payment(a_caller())
    for name in names:
        if CHANGES[name] in TRANSITIONS[payment.status]:
            changed = change(payment, name)
            assert changed.status is CHANGES[name]
            assert changed.version == payment.version + 1
            assert changed.updated_at == LATER
            payment = changed
        else:
            with pytest.raises(IllegalTransition):
                change(payment, name)


def cancelled(payment: Payment) -> Payment:
    return payment.cancelled(Failure.ORDER_CANCELLED, LATER)


def test_a_declined_payment_can_be_cancelled() -> None:
    payment = change(a_payment(a_caller()), "decline")
    failed = cancelled(payment)
    assert (failed.status, failed.failure) == (PaymentStatus.FAILED, Failure.ORDER_CANCELLED)
    assert failed.version == payment.version + 1
    with pytest.raises(IllegalTransition):
        cancelled(change(payment, "complete"))


@pytest.mark.parametrize("name", CHANGES)
def test_a_completed_payment_cannot_be_completed_declined_or_reopened(name: str) -> None:
    with pytest.raises(IllegalTransition):
        change(change(a_payment(a_caller()), "complete"), name)


def test_every_state_is_in_the_table_and_leads_to_other_states_only() -> None:
    assert TRANSITIONS.keys() == set(PaymentStatus)
    assert all(state not in reachable for state, reachable in TRANSITIONS.items())


def test_a_late_capture_completes_a_failed_payment() -> None:
    failed = cancelled(a_payment(a_caller()))
    assert change(failed, "complete").razorpay_payment_id == "pay_1"


def test_a_payment_remembers_every_failed_attempt() -> None:
    payment = a_payment(a_caller())
    first = payment.with_failed_attempt(replace(attempt_of(payment), id="pay_1"), LATER).reopened(
        LATER
    )
    second = first.with_failed_attempt(replace(attempt_of(payment), id="pay_2"), LATER)
    assert second.failed_attempts == {"pay_1", "pay_2"}


@pytest.mark.parametrize(
    "differs",
    [
        {"razorpay_order_id": "order_other"},
        {"razorpay_order_id": None},
        {"amount": Money(49_949, Currency.INR)},
        {"amount": Money(49_950, Currency.USD)},
        {"amount": ForeignMoney(49_950, "EUR")},
    ],
)
def test_an_attempt_with_another_order_or_amount_does_not_match(
    differs: dict[str, object],
) -> None:
    payment = a_payment(a_caller())
    fitting = attempt_of(payment)
    assert payment.matches(fitting)
    assert not payment.matches(replace(fitting, **differs))  # type: ignore[arg-type]


def test_only_an_unpaid_payment_with_a_cancelled_order_is_cancelled() -> None:
    payment = a_payment(a_caller())
    assert not payment.is_cancelled
    assert not change(payment, "decline").is_cancelled
    assert cancelled(payment).is_cancelled
    assert not change(cancelled(payment), "complete").is_cancelled


@given(order_id=ids, payment_id=ids, secret=ids)
def test_a_checkout_signature_is_valid_exactly_when_the_sdk_of_razorpay_accepts_it(
    order_id: str, payment_id: str, secret: str
) -> None:
    proof = signed(order_id, payment_id, secret)
    sdk = razorpay.Client(auth=("key", secret)).utility
    assert sdk.verify_payment_signature(
        {
            "razorpay_order_id": order_id,
            "razorpay_payment_id": payment_id,
            "razorpay_signature": proof.signature,
        }
    )
    assert proof.is_valid(secret)
    assert not proof.is_valid(secret + "x")
    assert not replace(proof, razorpay_payment_id=payment_id + "x").is_valid(secret)
    assert not replace(proof, razorpay_order_id="x" + order_id).is_valid(secret)


@pytest.mark.parametrize("signature", ["", "é", "0" * 64, "F" * 64, "x" * 1000])
def test_a_malformed_signature_is_not_valid(signature: str) -> None:
    assert not CheckoutSignature("order_1", "pay_1", signature).is_valid(KEYS.key_secret)
