"""Payment's use cases on fakes: once, at the same time, out of order, and when things go wrong."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.model import Attempt, AttemptStatus, Failure, Payment, PaymentStatus, Proof
from supermarket.caller import Caller, Role
from supermarket.contracts import PaymentCompleted, PaymentFailed, PaymentInitiated
from supermarket.errors import Conflict, DomainError, Invalid, NotFound, Unavailable
from supermarket.money import Currency, Money
from support.api import a_caller
from support.payment import KEYS, Shop, an_order, signed

# no new id per run: every worker must collect the same tests
A_FREE_ID = "01M83K9VF68985Q06XKS3Y0MER"


@pytest.fixture
def shop() -> Shop:
    return Shop()


# --- create ---------------------------------------------------------------------------------------


def test_a_payment_is_opened_over_the_orders_exact_total(shop: Shop) -> None:
    checkout = shop.service.create(shop.order.id, shop.customer)
    payment = checkout.payment
    assert checkout.key_id == KEYS.key_id
    assert (payment.order_id, payment.price) == (shop.order.id, shop.order.total)
    assert payment.status is PaymentStatus.PENDING
    assert shop.razorpay.orders[payment.razorpay_order_id].minor == shop.order.total.minor
    assert shop.kept == payment


def test_opening_tells_everybody_once(shop: Shop) -> None:
    payment = shop.create()
    (event,) = shop.outbox.of(PaymentInitiated)
    assert isinstance(event, PaymentInitiated)
    assert (event.payment_id, event.order_id) == (payment.id, shop.order.id)
    assert event.amount.money() == shop.order.total
    assert event.customer.email == shop.customer.email


def test_an_open_payment_is_returned_as_it_is(shop: Shop) -> None:
    first = shop.create()
    shop.clock.advance(timedelta(minutes=5))
    assert shop.create() == first
    assert len(shop.razorpay.orders) == 1
    assert shop.events() == ["PaymentInitiated"]


def test_of_two_who_open_at_once_both_get_the_winners_payment(shop: Shop) -> None:
    winners: list[Payment] = []
    shop.razorpay.meanwhile = lambda: winners.append(shop.create())
    loser = shop.create()
    assert winners == [loser]
    assert shop.kept == loser
    assert shop.events() == ["PaymentInitiated"]


def test_an_order_that_cannot_be_paid_gets_no_payment(shop: Shop) -> None:
    shop.orders.close(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert not shop.razorpay.orders
    assert not shop.events()


@pytest.mark.parametrize("role", Role)
def test_another_persons_order_does_not_exist(shop: Shop, role: Role) -> None:
    with pytest.raises(NotFound):
        shop.service.create(shop.order.id, a_caller(role))


def test_a_paid_order_is_not_paid_again_even_before_it_is_confirmed(shop: Shop) -> None:
    shop.verify(shop.pay())
    with pytest.raises(Conflict):
        shop.create()
    assert len(shop.razorpay.orders) == 1


def test_an_order_below_what_razorpay_takes_is_refused_in_clear_words(shop: Shop) -> None:
    shop.order = shop.orders.place(an_order(shop.customer, Money(99, Currency.INR)))
    with pytest.raises(Conflict, match=r"1\.00 INR"):
        shop.create()
    assert not shop.razorpay.orders


def test_while_razorpay_is_down_nothing_is_half_made_and_later_it_works(shop: Shop) -> None:
    shop.razorpay.is_down = True
    with pytest.raises(Unavailable):
        shop.create()
    assert shop.payments.find_by_order(shop.order.id) is None
    assert not shop.events()
    shop.razorpay.is_down = False
    assert shop.create().status is PaymentStatus.PENDING


def test_a_declined_payment_is_tried_again_through_the_same_razorpay_order(shop: Shop) -> None:
    first = shop.create()
    shop.decline()
    again = shop.create()
    assert (again.id, again.razorpay_order_id) == (first.id, first.razorpay_order_id)
    assert again.status is PaymentStatus.PENDING
    assert shop.verify(shop.pay()).status is PaymentStatus.COMPLETED
    assert len(shop.razorpay.orders) == 1


def test_a_declined_payment_of_a_cancelled_order_stays_failed(shop: Shop) -> None:
    shop.decline()
    shop.orders.close(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert shop.kept.status is PaymentStatus.FAILED


def test_an_order_that_runs_out_of_time_meanwhile_keeps_its_payment_until_it_is_cancelled(
    shop: Shop,
) -> None:
    """Or else money that still comes would go back while the order is confirmed by it."""
    shop.razorpay.meanwhile = lambda: shop.orders.run_out_of_time(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert shop.kept.status is PaymentStatus.PENDING
    paid = shop.verify(shop.razorpay.pay(shop.kept.razorpay_order_id))
    assert (paid.status, paid.refunds) == (PaymentStatus.COMPLETED, ())


def test_an_order_that_is_cancelled_meanwhile_has_its_payment_called_off(shop: Shop) -> None:
    shop.razorpay.meanwhile = lambda: shop.orders.close(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert shop.kept.failure is Failure.ORDER_CANCELLED


# --- verify ---------------------------------------------------------------------------------------


def test_a_captured_payment_is_paid_and_announced(shop: Shop) -> None:
    proof = shop.pay()
    payment = shop.verify(proof)
    assert payment.status is PaymentStatus.COMPLETED
    assert payment.razorpay_payment_id == proof.razorpay_payment_id
    assert shop.kept == payment
    (event,) = shop.outbox.of(PaymentCompleted)
    assert isinstance(event, PaymentCompleted)
    assert (event.order_id, event.amount.money()) == (shop.order.id, shop.order.total)
    assert event.razorpay_payment_id == proof.razorpay_payment_id


def test_a_replay_gets_the_same_answer_and_has_no_second_effect(shop: Shop) -> None:
    proof = shop.pay()
    first = shop.verify(proof)
    shop.clock.advance(timedelta(hours=1))
    shop.razorpay.is_down = True
    assert shop.verify(proof) == first
    assert len(shop.outbox.of(PaymentCompleted)) == 1


def test_of_two_who_verify_at_once_both_succeed_with_one_effect(shop: Shop) -> None:
    proof = shop.pay()
    faster: list[Payment] = []
    shop.razorpay.meanwhile = lambda: faster.append(shop.verify(proof))
    assert shop.verify(proof) == faster[0]
    assert len(shop.outbox.of(PaymentCompleted)) == 1


@pytest.mark.parametrize(
    "forged",
    [
        lambda proof: replace(proof, signature="0" * 64),
        lambda proof: replace(proof, signature=proof.signature.upper()),
        lambda proof: replace(proof, razorpay_payment_id="pay_other"),
        lambda proof: replace(proof, razorpay_order_id="order_other"),
        lambda proof: signed(proof.razorpay_order_id, proof.razorpay_payment_id, "another key"),
    ],
)
def test_a_forged_proof_is_refused_before_anybody_is_asked(shop: Shop, forged: object) -> None:
    assert callable(forged)
    proof = forged(shop.pay())
    before = shop.kept
    shop.razorpay.is_down = True
    with pytest.raises(Invalid):
        shop.verify(proof)
    assert shop.kept == before
    assert shop.events() == ["PaymentInitiated"]


@pytest.mark.parametrize("role", Role)
def test_somebody_elses_genuine_proof_is_worth_nothing(shop: Shop, role: Role) -> None:
    proof = shop.pay()
    with pytest.raises(NotFound):
        shop.service.verify(proof, a_caller(role))
    assert shop.kept.status is PaymentStatus.PENDING


def test_a_genuine_proof_of_an_order_we_never_opened_finds_no_payment(shop: Shop) -> None:
    with pytest.raises(NotFound):
        shop.verify(signed("order_of_another_shop", "pay_1"))


@pytest.mark.parametrize(
    "differs",
    [
        {"minor": 1},
        {"currency": "USD"},
        {"razorpay_order_id": "order_other"},
        {"razorpay_order_id": None},
    ],
)
@pytest.mark.parametrize("status", [AttemptStatus.CAPTURED, AttemptStatus.AUTHORIZED])
def test_a_record_over_anything_else_completes_nothing(
    shop: Shop, differs: dict[str, object], status: AttemptStatus
) -> None:
    proof = shop.pay(status)
    record = shop.razorpay.attempts[proof.razorpay_payment_id]
    shop.razorpay.attempts[record.id] = replace(record, **differs)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        shop.verify(proof)
    assert shop.kept.status is PaymentStatus.PENDING
    assert not shop.razorpay.captures
    assert shop.events() == ["PaymentInitiated"]


def test_an_authorized_payment_is_captured_once_and_then_completed(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    assert shop.verify(proof).status is PaymentStatus.COMPLETED
    shop.verify(proof)
    assert shop.razorpay.captures == [proof.razorpay_payment_id]


def test_a_payment_that_cannot_be_captured_yet_may_be_verified_later(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    shop.razorpay.capture_fails = True
    with pytest.raises(Unavailable):
        shop.verify(proof)
    assert shop.kept.status is PaymentStatus.PENDING
    shop.razorpay.capture_fails = False
    assert shop.verify(proof).status is PaymentStatus.COMPLETED


def test_a_declined_payment_fails_and_says_so(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.FAILED)
    with pytest.raises(Invalid, match="declined"):
        shop.verify(proof)
    assert shop.kept.status is PaymentStatus.FAILED
    (event,) = shop.outbox.of(PaymentFailed)
    assert isinstance(event, PaymentFailed)
    assert event.reason == Failure.DECLINED.reason


def test_one_declined_attempt_sends_one_mail_however_often_it_is_reported(shop: Shop) -> None:
    proof = shop.decline()
    for _ in range(3):
        with pytest.raises(Invalid):
            shop.verify(proof)
        shop.create()
    assert len(shop.outbox.of(PaymentFailed)) == 1
    assert shop.kept.status is PaymentStatus.PENDING


def test_an_attempt_that_was_declined_and_then_captured_after_all_completes(shop: Shop) -> None:
    proof = shop.decline()
    record = shop.razorpay.attempts[proof.razorpay_payment_id]
    shop.razorpay.attempts[record.id] = replace(record, status=AttemptStatus.CAPTURED)
    assert shop.verify(proof).status is PaymentStatus.COMPLETED


def test_a_payment_that_was_given_back_completes_nothing(shop: Shop) -> None:
    with pytest.raises(Invalid):
        shop.verify(shop.pay(AttemptStatus.REFUNDED))
    assert shop.kept.status is PaymentStatus.PENDING


def test_while_razorpay_is_down_a_proof_changes_nothing_and_later_it_works(shop: Shop) -> None:
    proof = shop.pay()
    shop.razorpay.is_down = True
    with pytest.raises(Unavailable):
        shop.verify(proof)
    assert shop.kept.status is PaymentStatus.PENDING
    assert shop.events() == ["PaymentInitiated"]
    shop.razorpay.is_down = False
    assert shop.verify(proof).status is PaymentStatus.COMPLETED


# --- what reconciliation asks for -----------------------------------------------------------------


def test_only_the_order_of_a_complete_payment_is_confirmed(shop: Shop) -> None:
    payment = shop.create()
    assert shop.service.agree_with_order(payment.id) is False
    shop.paid()
    assert shop.service.agree_with_order(payment.id) is True
    assert shop.service.agree_with_order(payment.id) is False
    assert shop.orders.confirmed == [shop.order.id]
    shop.orders.confirmed.clear()
    shop.refund()
    assert shop.service.agree_with_order(payment.id) is False


def test_what_was_set_aside_is_taken_as_long_as_it_is_wanted(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    for _ in range(2):
        taken = shop.service.take(proof.razorpay_order_id, attempt)
        assert taken is not None
        assert taken.status is PaymentStatus.COMPLETED
    assert shop.razorpay.captures == [attempt.id]
    assert shop.service.take("order_of_another", attempt) is None


def test_what_was_set_aside_for_an_order_that_is_gone_is_not_taken(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    shop.service.call_off(shop.order.id, Failure.ORDER_EXPIRED)
    shop.service.take(proof.razorpay_order_id, shop.razorpay.attempts[proof.razorpay_payment_id])
    assert shop.razorpay.captures == []
    assert shop.kept.is_called_off


# --- call off -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Failure.ORDER_CANCELLED, Failure.ORDER_EXPIRED])
def test_the_open_payment_of_a_cancelled_order_fails(shop: Shop, failure: Failure) -> None:
    shop.create()
    for _ in range(2):
        shop.service.call_off(shop.order.id, failure)
    assert (shop.kept.status, shop.kept.failure) == (PaymentStatus.FAILED, failure)
    (event,) = shop.outbox.of(PaymentFailed)
    assert isinstance(event, PaymentFailed)
    assert event.reason == failure.reason


def test_an_order_without_a_payment_has_nothing_to_call_off(shop: Shop) -> None:
    shop.service.call_off(shop.order.id, Failure.ORDER_EXPIRED)
    assert not shop.events()


def test_the_completed_payment_of_a_cancelled_order_goes_back_once(shop: Shop) -> None:
    shop.paid()
    for _ in range(3):
        shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.kept.status is PaymentStatus.REFUNDED
    (refund,) = shop.kept.refunds
    assert refund.reason == Failure.ORDER_CANCELLED.refund_reason
    assert len(shop.razorpay.refunds) == 1
    assert not shop.outbox.of(PaymentFailed)


def test_money_that_arrives_for_a_cancelled_order_is_taken_in_and_goes_back(shop: Shop) -> None:
    proof = shop.pay()
    shop.service.call_off(shop.order.id, Failure.ORDER_EXPIRED)
    payment = shop.verify(proof)
    assert payment.status is PaymentStatus.REFUND_PENDING
    assert payment.refundable.minor == 0
    assert len(shop.outbox.of(PaymentCompleted)) == 1
    assert shop.service.drive_refunds(payment.id).status is PaymentStatus.REFUNDED


def test_money_that_is_only_set_aside_for_a_cancelled_order_is_not_taken(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    with pytest.raises(Conflict):
        shop.verify(proof)
    assert not shop.razorpay.captures
    assert shop.kept.status is PaymentStatus.FAILED


def test_a_cancellation_in_the_midst_of_a_verification_does_not_lose_the_money(shop: Shop) -> None:
    proof = shop.pay()
    shop.razorpay.meanwhile = lambda: shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.verify(proof).status is PaymentStatus.REFUND_PENDING
    assert shop.events() == [
        "PaymentInitiated",
        "PaymentFailed",
        "PaymentCompleted",
        "PaymentRefundProgressed",
    ]


# --- reads ----------------------------------------------------------------------------------------


def test_a_payment_is_shown_to_its_owner_and_to_admins(shop: Shop) -> None:
    payment = shop.create()
    for caller in (shop.customer, a_caller(Role.ADMIN)):
        assert shop.service.get(payment.id, caller) == payment
        assert shop.service.get_of_order(shop.order.id, caller) == payment


@pytest.mark.parametrize("stranger", [a_caller(), a_caller(Role.SELLER)])
def test_a_payment_does_not_exist_for_anybody_else(shop: Shop, stranger: Caller) -> None:
    payment = shop.create()
    with pytest.raises(NotFound):
        shop.service.get(payment.id, stranger)
    with pytest.raises(NotFound):
        shop.service.get_of_order(shop.order.id, stranger)


@pytest.mark.parametrize("id_", ["", "x", "é" * 2000, "../x", A_FREE_ID + "x", A_FREE_ID])
def test_malformed_and_unknown_ids_are_not_found(shop: Shop, id_: str) -> None:
    for read in (shop.service.get, shop.service.get_of_order):
        with pytest.raises(NotFound):
            read(id_, shop.customer)


# --- whatever comes in whatever order -------------------------------------------------------------

steps = st.sampled_from(["create", "paid", "authorized", "declined", "replay", "cancel", "down"])


@given(st.lists(steps, max_size=15))
def test_whatever_happens_money_that_was_taken_is_announced_exactly_once(names: list[str]) -> None:
    shop = Shop()
    proofs: list[Proof] = []
    for name in names:
        try:
            _step(shop, proofs, name)
        except DomainError:
            continue
    payment = shop.payments.find_by_order(shop.order.id)
    completed = shop.outbox.of(PaymentCompleted)
    assert len(completed) == (payment is not None and payment.is_paid)
    assert len(shop.razorpay.captures) <= 1
    declined = [a for a in shop.razorpay.attempts.values() if a.status is AttemptStatus.FAILED]
    assert len(shop.outbox.of(PaymentFailed)) <= len(declined) + 1


def _step(shop: Shop, proofs: list[Proof], name: str) -> None:
    shop.razorpay.is_down = name == "down"
    match name:
        case "create" | "down":
            shop.create()
        case "replay":
            for proof in proofs:
                _verify_whatever_comes(shop, proof)
        case "cancel":
            shop.orders.close(shop.order.id)
            shop.service.call_off(shop.order.id, Failure.ORDER_CANCELLED)
        case _:
            proof = shop.pay(OUTCOMES[name])
            proofs.append(proof)
            _verify_whatever_comes(shop, proof)


def _verify_whatever_comes(shop: Shop, proof: Proof) -> None:
    try:
        assert shop.verify(proof).is_paid
    except DomainError:
        record: Attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
        assert record.status is not AttemptStatus.CAPTURED


OUTCOMES = {
    "paid": AttemptStatus.CAPTURED,
    "authorized": AttemptStatus.AUTHORIZED,
    "declined": AttemptStatus.FAILED,
}
