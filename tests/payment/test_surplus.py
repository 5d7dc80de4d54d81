"""Orders that were paid once too often, and money that came and went before anybody heard of it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account
from payment.model import (
    THE_SHOP,
    Attempt,
    AttemptStatus,
    Failure,
    ForeignMoney,
    PaymentStatus,
    Proof,
    RefundStatus,
)
from payment.refunds import PAID_TWICE
from payment.webhooks import Webhooks
from supermarket.contracts import PaymentCompleted, PaymentRefunded
from supermarket.errors import DomainError, Invalid, Unavailable
from supermarket.money import Currency, Money
from support.in_memory import InMemoryTransaction
from support.payment import (
    PRICE,
    WEBHOOK_SECRET,
    InMemoryHandledWebhooks,
    SentWebhook,
    Shop,
    a_payment_webhook,
    a_refund_webhook,
)


class Till:
    """A shop whose customer has paid twice, through two windows of the checkout."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.first, self.second = (self.shop.pay(), self.shop.pay())
        self._webhooks = Webhooks(
            self.shop.service, InMemoryHandledWebhooks(), lambda: (WEBHOOK_SECRET,)
        )

    def attempt(self, proof: Proof) -> Attempt:
        return self.shop.razorpay.attempts[proof.razorpay_payment_id]

    def tells(self, proof: Proof) -> None:
        self.receives(a_payment_webhook("payment.captured", self.attempt(proof)))

    def receives(self, sent: SentWebhook) -> None:
        headers = sent.headers
        self._webhooks.receive(
            sent.body, headers["x-razorpay-signature"], headers["x-razorpay-event-id"]
        )

    def reconciles(self, proof: Proof) -> None:
        self.shop.service.learn_of_attempt(proof.razorpay_order_id, self.attempt(proof))

    def sends_money_back(self) -> None:
        """What the job does with what is open."""
        self.shop.service.drive_refunds(self.shop.kept.id)

    @property
    def refunded(self) -> list[PaymentRefunded]:
        events = self.shop.outbox.of(PaymentRefunded)
        return [event for event in events if isinstance(event, PaymentRefunded)]


@pytest.fixture
def till() -> Till:
    return Till()


def test_the_second_payment_of_an_order_goes_back_and_the_first_stays(till: Till) -> None:
    till.shop.verify(till.first)
    answer = till.shop.verify(till.second)
    assert answer.status is PaymentStatus.COMPLETED
    (made,) = till.shop.razorpay.refunds.values()
    assert (made.payment_id, made.amount) == (till.second.razorpay_payment_id, PRICE)
    (refund,) = till.shop.kept.refunds
    assert (refund.status, refund.requested_by) == (RefundStatus.PROCESSED, THE_SHOP)
    assert till.shop.kept.refunded.minor == 0
    assert till.shop.kept.refundable == PRICE
    (event,) = till.refunded
    assert (event.fully, event.surplus, event.reason) == (False, True, PAID_TWICE)
    assert event.amount.money() == PRICE
    assert till.shop.balances() == {
        Account.RAZORPAY: PRICE.minor,
        Account.SALES: -PRICE.minor,
        Account.OWED: 0,
        Account.FEES: 0,
    }
    assert [entry.action for entry in till.shop.audit.entries][-3:] == [
        "payment captured",
        "payment captured",
        "refund processed",
    ]
    surplus = f"surplus {till.second.razorpay_payment_id}"
    assert till.shop.audit.entries[-2].after[surplus] == PRICE.minor


def test_while_razorpay_is_down_a_second_payment_waits_for_the_job(till: Till) -> None:
    till.shop.verify(till.first)
    till.tells(till.second)
    assert till.shop.razorpay.refunds == {}
    assert till.shop.payments.refunding(10) == [till.shop.kept.id]
    till.shop.razorpay.is_down = True
    with pytest.raises(Unavailable):
        till.sends_money_back()
    till.shop.razorpay.is_down = False
    till.sends_money_back()
    till.sends_money_back()
    assert len(till.shop.razorpay.refunds) == len(till.refunded) == 1
    assert till.shop.payments.refunding(10) == []


def test_a_second_payment_that_is_only_set_aside_is_not_taken(till: Till) -> None:
    till.shop.verify(till.first)
    aside = till.shop.razorpay.pay(till.first.razorpay_order_id, AttemptStatus.AUTHORIZED)
    assert till.shop.verify(aside).status is PaymentStatus.COMPLETED
    till.shop.service.take(aside.razorpay_order_id, till.attempt(aside))
    assert till.shop.razorpay.captures == []
    assert till.shop.kept.attempts == {till.first.razorpay_payment_id}


def test_the_fee_of_a_second_payment_is_booked_once(till: Till) -> None:
    till.tells(till.first)
    till.tells(till.second)
    charged = replace(till.attempt(till.second), fee=Money(999, Currency.INR))
    for _ in range(2):
        till.receives(a_payment_webhook("payment.captured", charged))
    assert till.shop.balances()[Account.FEES] == 999
    assert sum(till.shop.balances().values()) == 0


def test_the_rest_of_a_second_payment_goes_back_when_a_part_of_it_is_back(till: Till) -> None:
    till.shop.verify(till.first)
    till.shop.razorpay.give_back(till.second.razorpay_payment_id, Money(100, Currency.INR))
    assert till.shop.verify(till.second).status is PaymentStatus.COMPLETED
    made = till.shop.razorpay.refunds.values()
    assert sorted(record.amount.minor for record in made) == [100, PRICE.minor - 100]
    assert till.shop.balances()[Account.OWED] == 0
    assert all(event.surplus for event in till.refunded)


def test_a_refund_of_a_second_payment_that_is_refused_leaves_the_payment_as_it_is(
    till: Till,
) -> None:
    till.shop.razorpay.refund_fails = True
    till.shop.verify(till.first)
    assert till.shop.verify(till.second).status is PaymentStatus.COMPLETED
    (refund,) = till.shop.kept.refunds
    assert refund.status is RefundStatus.REQUESTED
    assert till.shop.balances()[Account.OWED] == -PRICE.minor
    by_hand = till.shop.razorpay.give_back(till.second.razorpay_payment_id, PRICE)
    till.receives(a_refund_webhook("refund.processed", by_hand, till.attempt(till.second)))
    assert till.shop.kept.status is PaymentStatus.COMPLETED
    assert till.shop.balances()[Account.OWED] == 0
    (event,) = till.refunded
    assert (event.fully, event.surplus) == (False, True)
    till.sends_money_back()
    assert not till.shop.kept.open_refunds
    assert len(till.shop.razorpay.refunds) == 1


def test_both_payments_of_a_cancelled_order_go_back(till: Till) -> None:
    till.tells(till.first)
    till.tells(till.second)
    till.shop.service.call_off(till.shop.order.id, Failure.ORDER_CANCELLED)
    till.sends_money_back()
    assert till.shop.kept.status is PaymentStatus.REFUNDED
    assert sorted((event.fully, event.surplus) for event in till.refunded) == [
        (False, True),
        (True, False),
    ]
    assert set(till.shop.balances().values()) == {0}
    attempts = sorted(refund.payment_id for refund in till.shop.razorpay.refunds.values())
    assert attempts == sorted([till.first.razorpay_payment_id, till.second.razorpay_payment_id])


def test_a_payment_after_all_of_the_first_went_back_goes_back_as_a_surplus(till: Till) -> None:
    till.shop.verify(till.first)
    till.shop.refund()
    assert till.shop.verify(till.second).status is PaymentStatus.REFUNDED
    assert [(event.fully, event.surplus) for event in till.refunded] == [
        (True, False),
        (False, True),
    ]
    assert till.shop.kept.refunded == PRICE
    assert set(till.shop.balances().values()) == {0}


def test_a_second_payment_in_the_midst_of_the_first_one_has_its_own_effect(till: Till) -> None:
    rivals: list[Callable[[], None]] = [lambda: till.tells(till.second)]

    class Late(InMemoryTransaction):
        def commit(self) -> None:
            if rivals:
                rivals.pop()()
            super().commit()

    till.shop.a_service(lambda: Late(till.shop.outbox.events)).verify(
        till.first, till.shop.customer
    )
    assert till.shop.kept.razorpay_payment_id == till.second.razorpay_payment_id
    assert till.shop.kept.attempts == {p.razorpay_payment_id for p in (till.first, till.second)}
    till.sends_money_back()
    assert len(till.shop.outbox.of(PaymentCompleted)) == len(till.refunded) == 1


STEPS = ["verify 1", "verify 2", "tell 1", "tell 2", "reconcile 1", "reconcile 2", "drive"]


@given(st.permutations(STEPS * 2))
def test_however_it_is_told_one_payment_stays_and_the_other_goes_back_once(
    names: list[str],
) -> None:
    till = Till()
    acts: dict[str, Callable[[Proof], object]] = {
        "verify": till.shop.verify,
        "tell": till.tells,
        "reconcile": till.reconciles,
    }
    for name in names:
        act, _, number = name.partition(" ")
        with suppress(DomainError):
            if act == "drive":
                till.sends_money_back()
            else:
                acts[act](till.first if number == "1" else till.second)
    till.sends_money_back()
    payment = till.shop.kept
    assert payment.status is PaymentStatus.COMPLETED
    (made,) = till.shop.razorpay.refunds.values()
    assert made.payment_id != payment.razorpay_payment_id
    assert len(till.shop.outbox.of(PaymentCompleted)) == len(till.refunded) == 1
    assert sum(till.shop.balances().values()) == 0
    assert till.shop.balances()[Account.SALES] == -PRICE.minor


# --- money that came and went ---------------------------------------------------------------------


def gone(till: Till, *amounts: int) -> Attempt:
    """The first payment, given back at Razorpay in such parts before the shop heard of it."""
    for minor in amounts:
        till.shop.razorpay.give_back(till.first.razorpay_payment_id, Money(minor, Currency.INR))
    return replace(till.attempt(till.first), status=AttemptStatus.REFUNDED)


@pytest.mark.parametrize("parts", [(PRICE.minor,), (100, PRICE.minor - 100)])
def test_money_that_was_back_before_we_heard_of_it_completes_nothing(
    till: Till, parts: tuple[int, ...]
) -> None:
    attempt = gone(till, *parts)
    refunds = list(till.shop.razorpay.refunds.values())
    for _ in range(2):
        till.shop.service.learn_of_attempt(till.first.razorpay_order_id, attempt, refunds)
    assert till.shop.kept.status is PaymentStatus.REFUNDED
    assert till.shop.outbox.of(PaymentCompleted) == []
    assert len(till.refunded) == len(parts)
    assert till.refunded[-1].fully
    assert set(till.shop.balances().values()) == {0}


def test_as_long_as_not_all_of_its_way_back_is_known_it_changes_nothing(till: Till) -> None:
    attempt = gone(till, 100, PRICE.minor - 100)
    known, unknown = till.shop.razorpay.refunds.values()
    learn = till.shop.service.learn_of_attempt
    others = replace(known, payment_id="pay_of_another", amount=PRICE)
    foreign = replace(known, amount=ForeignMoney(PRICE.minor, "EUR"))
    for refunds in (
        (),
        (known,),
        (others,),
        (foreign,),
        (known, replace(unknown, status=RefundStatus.PENDING)),
    ):
        learn(till.first.razorpay_order_id, attempt, refunds)
        assert till.shop.kept.status is PaymentStatus.PENDING
    till.shop.razorpay.attempts[attempt.id] = attempt
    with pytest.raises(Invalid):
        till.shop.verify(till.first)
    assert till.shop.events() == ["PaymentInitiated"]


def test_a_webhook_brings_the_refund_with_the_payment_that_it_gave_back(till: Till) -> None:
    attempt = gone(till, PRICE.minor)
    (refund,) = till.shop.razorpay.refunds.values()
    till.receives(a_refund_webhook("refund.processed", refund, attempt))
    assert till.shop.kept.status is PaymentStatus.REFUNDED
    assert till.shop.events() == [
        "PaymentInitiated",
        "PaymentRefundProgressed",
        "PaymentRefunded",
    ]


def test_a_second_payment_that_was_back_before_we_heard_of_it_is_only_booked(till: Till) -> None:
    till.shop.verify(till.second)
    attempt = gone(till, PRICE.minor)
    refunds = list(till.shop.razorpay.refunds.values())
    till.shop.service.learn_of_attempt(till.first.razorpay_order_id, attempt, refunds)
    assert till.shop.kept.status is PaymentStatus.COMPLETED
    assert till.shop.payments.refunding(10) == []
    (event,) = till.refunded
    assert (event.fully, event.surplus) == (False, True)
    assert till.shop.balances()[Account.OWED] == 0
