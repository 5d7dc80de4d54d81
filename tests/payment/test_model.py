"""A payment's table of states, and the proof that it was made."""

from dataclasses import replace
from datetime import timedelta

import pytest
import razorpay
from hypothesis import given
from hypothesis import strategies as st

from payment.model import (
    TRANSITIONS,
    Attempt,
    AttemptStatus,
    Failure,
    IllegalTransition,
    Payment,
    PaymentStatus,
    Proof,
)
from supermarket.caller import Role
from support.api import a_caller
from support.payment import KEYS, NOON, a_payment, signed

LATER = NOON + timedelta(minutes=1)

CHANGES = {
    "complete": PaymentStatus.COMPLETED,
    "decline": PaymentStatus.FAILED,
    "reopen": PaymentStatus.PENDING,
}
ids = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


def attempt_at(payment: Payment, status: AttemptStatus = AttemptStatus.CAPTURED) -> Attempt:
    price = payment.price
    return Attempt("pay_1", payment.razorpay_order_id, price.minor, price.currency, status)


def change(payment: Payment, name: str) -> Payment:
    match name:
        case "complete":
            return payment.completed(attempt_at(payment), LATER)
        case "decline":
            return payment.declined_by(attempt_at(payment), LATER)
        case _:
            return payment.reopened(LATER)


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=12))
def test_a_payment_moves_only_along_its_table_of_states(names: list[str]) -> None:
    payment = a_payment(a_caller())
    for name in names:
        if CHANGES[name] in TRANSITIONS[payment.status]:
            moved = change(payment, name)
            assert moved.status is CHANGES[name]
            assert moved.version == payment.version + 1
            assert moved.updated_at == LATER
            payment = moved
        else:
            with pytest.raises(IllegalTransition):
                change(payment, name)


def called_off(payment: Payment) -> Payment:
    return payment.called_off(Failure.ORDER_CANCELLED, LATER)


def test_a_payment_is_called_off_also_after_it_was_declined() -> None:
    payment = change(a_payment(a_caller()), "decline")
    failed = called_off(payment)
    assert (failed.status, failed.failure) == (PaymentStatus.FAILED, Failure.ORDER_CANCELLED)
    assert failed.version == payment.version + 1
    with pytest.raises(IllegalTransition):
        called_off(change(payment, "complete"))


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_undoes_a_completed_payment(name: str) -> None:
    with pytest.raises(IllegalTransition):
        change(change(a_payment(a_caller()), "complete"), name)


def test_every_state_is_in_the_table_and_no_state_leads_to_itself() -> None:
    assert TRANSITIONS.keys() == set(PaymentStatus)
    assert all(state not in reachable for state, reachable in TRANSITIONS.items())


def test_money_that_arrives_late_completes_a_failed_payment() -> None:
    failed = called_off(a_payment(a_caller()))
    assert change(failed, "complete").razorpay_payment_id == "pay_1"


def test_every_declined_attempt_is_remembered() -> None:
    payment = a_payment(a_caller())
    first = payment.declined_by(replace(attempt_at(payment), id="pay_1"), LATER).reopened(LATER)
    second = first.declined_by(replace(attempt_at(payment), id="pay_2"), LATER)
    assert second.declined == {"pay_1", "pay_2"}


@pytest.mark.parametrize(
    "differs",
    [
        {"razorpay_order_id": "order_other"},
        {"razorpay_order_id": None},
        {"minor": 49_949},
        {"currency": "USD"},
        {"currency": "EUR"},
    ],
)
def test_an_attempt_over_anything_else_is_not_meant_for_this_payment(
    differs: dict[str, object],
) -> None:
    payment = a_payment(a_caller())
    fitting = attempt_at(payment)
    assert payment.is_meant_by(fitting)
    assert not payment.is_meant_by(replace(fitting, **differs))  # type: ignore[arg-type]


def test_only_a_payment_whose_order_is_gone_is_called_off() -> None:
    payment = a_payment(a_caller())
    assert not payment.is_called_off
    assert not change(payment, "decline").is_called_off
    assert called_off(payment).is_called_off
    assert not change(called_off(payment), "complete").is_called_off


def test_a_payment_is_seen_by_its_owner_and_by_admins_alone() -> None:
    owner = a_caller()
    payment = a_payment(owner)
    assert payment.may_be_seen_by(owner)
    assert payment.may_be_seen_by(a_caller(Role.ADMIN))
    assert not payment.may_be_seen_by(a_caller())
    assert not payment.may_be_seen_by(a_caller(Role.SELLER))
    assert not payment.is_of(a_caller(Role.ADMIN))


@given(order_id=ids, payment_id=ids, secret=ids)
def test_a_proof_is_genuine_exactly_when_razorpays_own_sdk_says_so(
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
    assert proof.is_signed_with(secret)
    assert not proof.is_signed_with(secret + "x")
    assert not replace(proof, razorpay_payment_id=payment_id + "x").is_signed_with(secret)
    assert not replace(proof, razorpay_order_id="x" + order_id).is_signed_with(secret)


@pytest.mark.parametrize("signature", ["", "é", "0" * 64, "F" * 64, "x" * 1000])
def test_no_signature_whatever_breaks_the_check(signature: str) -> None:
    assert not Proof("order_1", "pay_1", signature).is_signed_with(KEYS.key_secret)
