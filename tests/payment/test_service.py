"""The use cases of payment on fakes: repeated, at the same time, out of order and interrupted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account, Kind
from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.order import CHECKOUT_TIME
from payment.model.payment import Payment
from payment.model.refund import RefundStatus
from payment.model.signature import CheckoutSignature
from payment.model.status import (
    FAILURE_REASONS,
    REFUND_REASONS,
    WRONG_AMOUNT,
    Failure,
    PaymentStatus,
)
from payment.service import AttemptMismatch
from supermarket.caller import Caller, Role
from supermarket.contracts import (
    PaymentAuthorizedLate,
    PaymentCompleted,
    PaymentFailed,
    PaymentInitiated,
    PaymentRefunded,
)
from supermarket.errors import Conflict, DomainError, Invalid, NotFound, Unavailable
from supermarket.money import Currency, Money
from support.api import a_caller
from support.in_memory import InMemoryTransaction
from support.payment import PRICE, Shop, an_order, signed

# a constant, since every worker must collect the same tests
UNUSED_ID = "01M83K9VF68985Q06XKS3Y0MER"


class Crash(BaseException):
    """The process ends at this point."""


@pytest.fixture
def shop() -> Shop:
    return Shop()


# --- create ---------------------------------------------------------------------------------------


def test_a_payment_is_opened_with_the_total_of_its_order(shop: Shop) -> None:
    payment = shop.service.create(shop.order.id, shop.customer)
    assert (payment.order_id, payment.price) == (shop.order.id, shop.order.total)
    assert payment.status is PaymentStatus.PENDING
    assert shop.razorpay.orders[payment.razorpay_order_id].minor == shop.order.total.minor
    assert shop.payment == payment


def test_opening_emits_one_event(shop: Shop) -> None:
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


def test_two_concurrent_requests_open_one_payment(shop: Shop) -> None:
    winners: list[Payment] = []
    shop.razorpay.meanwhile = lambda: winners.append(shop.create())
    loser = shop.create()
    assert winners == [loser]
    assert shop.payment == loser
    assert shop.events() == ["PaymentInitiated"]


def test_a_cancelled_order_gets_no_payment(shop: Shop) -> None:
    shop.orders.cancel(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert not shop.razorpay.orders
    assert not shop.events()


@pytest.mark.parametrize("role", Role)
def test_the_order_of_another_person_is_not_found(shop: Shop, role: Role) -> None:
    with pytest.raises(NotFound):
        shop.service.create(shop.order.id, a_caller(role))


def test_a_paid_order_cannot_be_paid_again_before_it_is_confirmed(shop: Shop) -> None:
    shop.verify(shop.pay())
    with pytest.raises(Conflict):
        shop.create()
    assert len(shop.razorpay.orders) == 1


def test_an_order_below_the_minimum_of_razorpay_is_rejected_with_the_minimum(shop: Shop) -> None:
    shop.order = shop.orders.place(an_order(shop.customer, Money(99, Currency.INR)))
    with pytest.raises(Conflict, match=r"1\.00 INR"):
        shop.create()
    assert not shop.razorpay.orders


def test_a_payment_that_razorpay_did_not_open_can_be_opened_later(shop: Shop) -> None:
    shop.razorpay.is_down = True
    with pytest.raises(Unavailable):
        shop.create()
    assert shop.payments.find_by_order(shop.order.id) is None
    assert not shop.events()
    shop.razorpay.is_down = False
    assert shop.create().status is PaymentStatus.PENDING


def test_a_declined_payment_is_reopened_with_the_same_razorpay_order(shop: Shop) -> None:
    first = shop.create()
    shop.decline()
    again = shop.create()
    assert (again.id, again.razorpay_order_id) == (first.id, first.razorpay_order_id)
    assert again.status is PaymentStatus.PENDING
    assert shop.verify(shop.pay()).status is PaymentStatus.COMPLETED
    assert len(shop.razorpay.orders) == 1


def test_a_declined_payment_of_a_cancelled_order_is_not_reopened(shop: Shop) -> None:
    shop.decline()
    shop.orders.cancel(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert shop.payment.status is PaymentStatus.FAILED


@pytest.mark.parametrize("end", ["cancel", "run_out_of_time"])
def test_an_order_that_cannot_be_paid_any_more_gets_no_payment(shop: Shop, end: str) -> None:
    """The transaction that opens the payment checks the order, after the call to Razorpay."""
    shop.razorpay.meanwhile = lambda: getattr(shop.orders, end)(shop.order.id)
    with pytest.raises(Conflict):
        shop.create()
    assert shop.payments.find_by_order(shop.order.id) is None
    assert not shop.events()


def test_opening_gives_the_time_that_the_checkout_takes(shop: Shop) -> None:
    late = replace(shop.order, reserved_until=shop.clock() + timedelta(seconds=1))
    shop.order = shop.orders.place(late)
    payment = shop.create()
    assert payment.pay_until == shop.clock() + CHECKOUT_TIME
    assert shop.orders.waits_until == {shop.order.id: payment.pay_until}


def test_opening_early_does_not_shorten_the_reservation(shop: Shop) -> None:
    ends = shop.clock() + CHECKOUT_TIME + timedelta(minutes=3)
    shop.order = shop.orders.place(replace(shop.order, reserved_until=ends))
    assert shop.create().pay_until == ends


def test_opening_again_does_not_extend_the_time(shop: Shop) -> None:
    first = shop.create()
    shop.clock.advance(timedelta(minutes=5))
    assert shop.create().pay_until == first.pay_until
    shop.decline()
    assert shop.create().pay_until == first.pay_until


# --- verify ---------------------------------------------------------------------------------------


def test_a_captured_attempt_completes_the_payment(shop: Shop) -> None:
    proof = shop.pay()
    payment = shop.verify(proof)
    assert payment.status is PaymentStatus.COMPLETED
    assert payment.razorpay_payment_id == proof.razorpay_payment_id
    assert shop.payment == payment
    (event,) = shop.outbox.of(PaymentCompleted)
    assert isinstance(event, PaymentCompleted)
    assert (event.order_id, event.amount.money()) == (shop.order.id, shop.order.total)
    assert event.razorpay_payment_id == proof.razorpay_payment_id


def test_a_repeated_verification_returns_the_same_payment_and_has_no_second_effect(
    shop: Shop,
) -> None:
    proof = shop.pay()
    first = shop.verify(proof)
    shop.clock.advance(timedelta(hours=1))
    shop.razorpay.is_down = True
    assert shop.verify(proof) == first
    assert len(shop.outbox.of(PaymentCompleted)) == 1


def test_two_concurrent_verifications_succeed_with_one_effect(shop: Shop) -> None:
    proof = shop.pay()
    first: list[Payment] = []
    shop.razorpay.meanwhile = lambda: first.append(shop.verify(proof))
    assert shop.verify(proof) == first[0]
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
def test_an_invalid_signature_is_rejected_without_a_call_to_razorpay(
    shop: Shop, forged: object
) -> None:
    assert callable(forged)
    proof = forged(shop.pay())
    before = shop.payment
    shop.razorpay.is_down = True
    with pytest.raises(Invalid):
        shop.verify(proof)
    assert shop.payment == before
    assert shop.events() == ["PaymentInitiated"]


@pytest.mark.parametrize("role", Role)
def test_the_valid_signature_of_another_person_is_not_accepted(shop: Shop, role: Role) -> None:
    proof = shop.pay()
    with pytest.raises(NotFound):
        shop.service.verify(proof, a_caller(role))
    assert shop.payment.status is PaymentStatus.PENDING


def test_a_valid_signature_of_an_unknown_order_finds_no_payment(shop: Shop) -> None:
    with pytest.raises(NotFound):
        shop.verify(signed("order_of_another_shop", "pay_1"))


@pytest.mark.parametrize(
    "differs",
    [
        {"amount": Money(49_949, Currency.INR), "status": AttemptStatus.AUTHORIZED},
        {"amount": Money(49_950, Currency.USD), "status": AttemptStatus.FAILED},
        {"amount": ForeignMoney(49_950, "EUR")},
        {"razorpay_order_id": "order_other"},
        {"razorpay_order_id": None},
    ],
)
@pytest.mark.parametrize("status", [AttemptStatus.CAPTURED, AttemptStatus.AUTHORIZED])
def test_an_attempt_that_does_not_match_is_not_captured_and_completes_nothing(
    shop: Shop, differs: dict[str, object], status: AttemptStatus
) -> None:
    proof = shop.pay(status)
    record = shop.razorpay.attempts[proof.razorpay_payment_id]
    shop.razorpay.attempts[record.id] = replace(record, **differs)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        shop.verify(proof)
    assert shop.payment.status is PaymentStatus.PENDING
    assert not shop.razorpay.captures
    assert shop.events() == ["PaymentInitiated"]


@pytest.mark.parametrize(
    "amount", [Money(49_949, Currency.INR), Money(60_000, Currency.INR), Money(100, Currency.USD)]
)
def test_money_over_another_amount_is_booked_and_refunded_once_and_completes_nothing(
    shop: Shop, amount: Money
) -> None:
    proof = shop.razorpay.pay(shop.create().razorpay_order_id, amount=amount)
    for _ in range(3):
        with pytest.raises(AttemptMismatch):
            shop.verify(proof)
        shop.service.apply_payment_update(shop.razorpay.attempts[proof.razorpay_payment_id])
    payment = shop.payment
    assert (payment.status, payment.is_paid) == (PaymentStatus.PENDING, False)
    (refund,) = payment.refunds
    assert (refund.amount, refund.status) == (amount, RefundStatus.PROCESSED)
    (made,) = shop.razorpay.refunds.values()
    assert (made.payment_id, made.amount) == (proof.razorpay_payment_id, amount)
    (event,) = shop.outbox.of(PaymentRefunded)
    assert isinstance(event, PaymentRefunded)
    assert (event.surplus, event.fully, event.reason) == (True, False, WRONG_AMOUNT)
    assert set(shop.balances(amount.currency).values()) == {0}
    assert [entry.kind for entry in shop.ledger.entries.values()] == [Kind.CAPTURE, Kind.REFUND]
    assert PaymentCompleted not in {type(one) for one in shop.outbox.events}


def test_after_money_over_another_amount_the_order_can_still_be_paid(shop: Shop) -> None:
    razorpay_order_id = shop.create().razorpay_order_id
    wrong = shop.razorpay.pay(razorpay_order_id, amount=Money(100, Currency.INR))
    with pytest.raises(AttemptMismatch):
        shop.verify(wrong)
    proof = shop.razorpay.pay(razorpay_order_id)
    payment = shop.verify(proof)
    assert (payment.status, payment.completed_by) == (
        PaymentStatus.COMPLETED,
        proof.razorpay_payment_id,
    )
    assert [one.attempt_id for one in payment.surplus] == [wrong.razorpay_payment_id]
    assert shop.balances()[Account.SALES] == -PRICE.minor
    assert shop.balances()[Account.OWED] == 0


def test_an_authorized_attempt_is_captured_once_and_completes_the_payment(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    assert shop.verify(proof).status is PaymentStatus.COMPLETED
    shop.verify(proof)
    assert shop.razorpay.captures == [proof.razorpay_payment_id]


@pytest.mark.parametrize(
    ("status", "records"), [(AttemptStatus.CAPTURED, 1), (AttemptStatus.AUTHORIZED, 2)]
)
def test_each_record_of_razorpay_is_checked_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, status: AttemptStatus, records: int
) -> None:
    proof = shop.pay(status)
    checked: list[Attempt] = []
    matches = Payment.matches

    def check(payment: Payment, attempt: Attempt) -> bool:
        checked.append(attempt)
        return matches(payment, attempt)

    monkeypatch.setattr(Payment, "matches", check)
    shop.verify(proof)
    assert len(checked) == len(set(checked)) == records


def test_an_attempt_that_cannot_be_captured_yet_can_be_verified_later(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    shop.razorpay.capture_fails = True
    with pytest.raises(Unavailable):
        shop.verify(proof)
    assert shop.payment.status is PaymentStatus.PENDING
    shop.razorpay.capture_fails = False
    assert shop.verify(proof).status is PaymentStatus.COMPLETED


def test_a_declined_attempt_fails_the_payment_with_a_reason(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.FAILED)
    with pytest.raises(Invalid, match="declined"):
        shop.verify(proof)
    assert shop.payment.status is PaymentStatus.FAILED
    (event,) = shop.outbox.of(PaymentFailed)
    assert isinstance(event, PaymentFailed)
    assert event.reason == FAILURE_REASONS[Failure.DECLINED]


def test_a_declined_attempt_emits_one_event_however_often_it_is_reported(shop: Shop) -> None:
    proof = shop.decline()
    for _ in range(3):
        with pytest.raises(Invalid):
            shop.verify(proof)
        shop.create()
    assert len(shop.outbox.of(PaymentFailed)) == 1
    assert shop.payment.status is PaymentStatus.PENDING


def test_a_declined_attempt_that_is_captured_later_completes_the_payment(shop: Shop) -> None:
    proof = shop.decline()
    record = shop.razorpay.attempts[proof.razorpay_payment_id]
    shop.razorpay.attempts[record.id] = replace(record, status=AttemptStatus.CAPTURED)
    assert shop.verify(proof).status is PaymentStatus.COMPLETED


def test_a_refunded_attempt_completes_nothing(shop: Shop) -> None:
    with pytest.raises(Invalid):
        shop.verify(shop.pay(AttemptStatus.REFUNDED))
    assert shop.payment.status is PaymentStatus.PENDING


def test_a_verification_while_razorpay_is_down_changes_nothing_and_can_be_repeated(
    shop: Shop,
) -> None:
    proof = shop.pay()
    shop.razorpay.is_down = True
    with pytest.raises(Unavailable):
        shop.verify(proof)
    assert shop.payment.status is PaymentStatus.PENDING
    assert shop.events() == ["PaymentInitiated"]
    shop.razorpay.is_down = False
    assert shop.verify(proof).status is PaymentStatus.COMPLETED


# --- use cases of reconciliation ------------------------------------------------------------------


def test_only_the_order_of_a_completed_payment_is_confirmed(shop: Shop) -> None:
    payment = shop.create()
    assert shop.service.sync_order(payment.id) is False
    shop.paid()
    assert shop.service.sync_order(payment.id) is True
    assert shop.service.sync_order(payment.id) is False
    assert shop.orders.confirmed == [shop.order.id]
    shop.orders.confirmed.clear()
    shop.refund()
    assert shop.service.sync_order(payment.id) is False


def test_an_authorized_attempt_is_captured_once(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    for _ in range(2):
        captured = shop.service.capture(attempt)
        assert captured is not None
        assert captured.status is PaymentStatus.COMPLETED
    assert shop.razorpay.captures == [attempt.id]
    assert shop.service.capture(replace(attempt, razorpay_order_id="order_unknown")) is None


@pytest.mark.parametrize("amount", [PRICE, Money(60_000, Currency.INR)])
def test_an_authorized_attempt_for_an_expired_order_is_captured_and_refunded_once(
    shop: Shop, amount: Money
) -> None:
    authorized = AttemptStatus.AUTHORIZED
    proof = shop.razorpay.pay(shop.create().razorpay_order_id, authorized, amount)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    for _ in range(2):
        shop.service.capture(attempt)
        shop.service.release_authorization(attempt.id)
    assert shop.razorpay.captures == [attempt.id]
    (made,) = shop.razorpay.refunds.values()
    assert (made.payment_id, made.amount) == (attempt.id, amount)
    assert shop.balances()[Account.RAZORPAY] == 0
    assert shop.payment.has_cancelled_order


def test_a_late_authorization_emits_one_event_and_only_for_a_cancelled_order(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    shop.service.apply_payment_update(attempt)
    assert not shop.outbox.of(PaymentAuthorizedLate)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    for _ in range(3):
        shop.service.apply_payment_update(attempt)
    (event,) = shop.outbox.of(PaymentAuthorizedLate)
    assert isinstance(event, PaymentAuthorizedLate)
    assert event.razorpay_payment_id == attempt.id


@pytest.mark.parametrize("place", range(4))
def test_a_release_that_crashes_before_or_after_a_commit_is_finished_by_the_next_one(
    shop: Shop, place: int
) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    places = iter(range(100))

    class Crashing(InMemoryTransaction):
        def commit(self) -> None:
            if next(places) == place:
                raise Crash
            super().commit()
            if next(places) == place:
                raise Crash

    service = shop.a_service(lambda: Crashing(shop.outbox.events))
    with pytest.raises(Crash):
        service.release_authorization(proof.razorpay_payment_id)
    shop.service.release_authorization(proof.razorpay_payment_id)
    shop.service.sync_refunds(shop.payment.id)
    assert shop.razorpay.captures == [proof.razorpay_payment_id]
    assert len(shop.razorpay.refunds) == 1
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert set(shop.balances().values()) == {0}


# --- cancel ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Failure.ORDER_CANCELLED, Failure.ORDER_EXPIRED])
def test_the_open_payment_of_a_cancelled_order_fails(shop: Shop, failure: Failure) -> None:
    shop.create()
    for _ in range(2):
        shop.service.cancel_payment(shop.order.id, failure)
    assert (shop.payment.status, shop.payment.failure) == (PaymentStatus.FAILED, failure)
    (event,) = shop.outbox.of(PaymentFailed)
    assert isinstance(event, PaymentFailed)
    assert event.reason == FAILURE_REASONS[failure]


def test_an_order_without_a_payment_has_nothing_to_cancel(shop: Shop) -> None:
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    assert not shop.events()


def test_the_completed_payment_of_a_cancelled_order_is_refunded_once(shop: Shop) -> None:
    shop.paid()
    for _ in range(3):
        shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.payment.status is PaymentStatus.REFUNDED
    (refund,) = shop.payment.refunds
    assert refund.reason == REFUND_REASONS[Failure.ORDER_CANCELLED]
    assert len(shop.razorpay.refunds) == 1
    assert not shop.outbox.of(PaymentFailed)


def test_a_late_payment_of_a_cancelled_order_is_completed_and_refunded(shop: Shop) -> None:
    proof = shop.pay()
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    payment = shop.verify(proof)
    assert payment.status is PaymentStatus.REFUND_PENDING
    assert payment.balance.remaining.minor == 0
    assert len(shop.outbox.of(PaymentCompleted)) == 1
    assert shop.service.sync_refunds(payment.id).status is PaymentStatus.REFUNDED


def test_an_authorized_attempt_for_a_cancelled_order_is_captured_and_refunded(shop: Shop) -> None:
    proof = shop.pay(AttemptStatus.AUTHORIZED)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    assert shop.verify(proof).status is PaymentStatus.REFUND_PENDING
    assert shop.razorpay.captures == [proof.razorpay_payment_id]
    (event,) = shop.outbox.of(PaymentCompleted)
    assert isinstance(event, PaymentCompleted)
    assert event.goes_back
    assert shop.service.sync_refunds(shop.payment.id).status is PaymentStatus.REFUNDED


def test_a_payment_whose_order_is_cancelled_during_the_verification_is_refunded(shop: Shop) -> None:
    proof = shop.pay()
    shop.razorpay.meanwhile = lambda: shop.service.cancel_payment(
        shop.order.id, Failure.ORDER_CANCELLED
    )
    assert shop.verify(proof).status is PaymentStatus.REFUND_PENDING
    assert shop.events() == [
        "PaymentInitiated",
        "PaymentFailed",
        "PaymentCompleted",
        "PaymentRefundProgressed",
    ]


# --- reads ----------------------------------------------------------------------------------------


def test_a_payment_is_returned_to_its_owner_and_to_admins(shop: Shop) -> None:
    payment = shop.create()
    for caller in (shop.customer, a_caller(Role.ADMIN)):
        assert shop.service.get_payment(payment.id, caller) == payment
        assert shop.service.get_order_payment(shop.order.id, caller) == payment


@pytest.mark.parametrize("stranger", [a_caller(), a_caller(Role.SELLER)])
def test_the_payment_of_another_person_is_not_found(shop: Shop, stranger: Caller) -> None:
    payment = shop.create()
    with pytest.raises(NotFound):
        shop.service.get_payment(payment.id, stranger)
    with pytest.raises(NotFound):
        shop.service.get_order_payment(shop.order.id, stranger)


@pytest.mark.parametrize("id_", ["", "x", "é" * 2000, "../x", UNUSED_ID + "x", UNUSED_ID])
def test_malformed_and_unknown_ids_are_not_found(shop: Shop, id_: str) -> None:
    for read in (shop.service.get_payment, shop.service.get_order_payment):
        with pytest.raises(NotFound):
            read(id_, shop.customer)


# --- histories ------------------------------------------------------------------------------------

steps = st.sampled_from(["create", "paid", "authorized", "declined", "replay", "cancel", "down"])


@given(st.lists(steps, max_size=15))
def test_in_any_history_a_captured_payment_is_announced_exactly_once(names: list[str]) -> None:
    shop = Shop()
    proofs: list[CheckoutSignature] = []
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


def _step(shop: Shop, proofs: list[CheckoutSignature], name: str) -> None:
    shop.razorpay.is_down = name == "down"
    match name:
        case "create" | "down":
            shop.create()
        case "replay":
            for proof in proofs:
                _verify(shop, proof)
        case "cancel":
            shop.orders.cancel(shop.order.id)
            shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
        case _:
            proof = shop.pay(OUTCOMES[name])
            proofs.append(proof)
            _verify(shop, proof)


def _verify(shop: Shop, proof: CheckoutSignature) -> None:
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
