"""Orders that were paid twice, and payments that were refunded before their first report."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account
from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.payment import SHOP
from payment.model.refund import RefundStatus
from payment.model.signature import CheckoutSignature
from payment.model.status import PAID_TWICE, Failure, PaymentStatus
from payment.webhooks import Webhooks
from supermarket.contracts import PaymentCompleted, PaymentRefunded
from supermarket.errors import DomainError, Invalid, Unavailable
from supermarket.money import Currency, Money
from support.in_memory import InMemoryTransaction
from support.payment import (
    PRICE,
    WEBHOOK_SECRET,
    SentWebhook,
    Shop,
    a_payment_webhook,
    a_refund_webhook,
)


class PaidTwice(Shop):
    """A shop whose customer has paid twice, in two windows of the checkout."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = self.pay(), self.pay()
        self._webhooks = Webhooks(self.service, lambda: (WEBHOOK_SECRET,), self.settlements)

    def attempt(self, proof: CheckoutSignature) -> Attempt:
        return self.razorpay.attempts[proof.razorpay_payment_id]

    def webhook(self, proof: CheckoutSignature) -> None:
        self.receive(a_payment_webhook("payment.captured", self.attempt(proof)))

    def receive(self, sent: SentWebhook) -> None:
        headers = sent.headers
        self._webhooks.receive(
            sent.body, headers["x-razorpay-signature"], headers["x-razorpay-event-id"]
        )

    def reconcile(self, proof: CheckoutSignature) -> None:
        self.service.apply_payment_update(self.attempt(proof))

    def sync_refunds(self) -> None:
        self.service.sync_refunds(self.payment.id)

    @property
    def refunded(self) -> list[PaymentRefunded]:
        events = self.outbox.of(PaymentRefunded)
        return [event for event in events if isinstance(event, PaymentRefunded)]


@pytest.fixture
def shop() -> PaidTwice:
    return PaidTwice()


def test_a_duplicate_payment_is_refunded_and_the_first_payment_stays(shop: PaidTwice) -> None:
    shop.verify(shop.first)
    answer = shop.verify(shop.second)
    assert answer.status is PaymentStatus.COMPLETED
    (made,) = shop.razorpay.refunds.values()
    assert (made.payment_id, made.amount) == (shop.second.razorpay_payment_id, PRICE)
    (refund,) = shop.payment.refunds
    assert (refund.status, refund.requested_by) == (RefundStatus.PROCESSED, SHOP)
    assert shop.payment.refunded.minor == 0
    assert shop.payment.balance.remaining == PRICE
    (event,) = shop.refunded
    assert (event.fully, event.surplus, event.reason) == (False, True, PAID_TWICE)
    assert event.amount.money() == PRICE
    assert shop.balances() == {
        Account.RAZORPAY: PRICE.minor,
        Account.SALES: -PRICE.minor,
        Account.OWED: 0,
        **dict.fromkeys((Account.BANK, Account.DISPUTED, Account.CHARGEBACKS), 0),
        **dict.fromkeys((Account.FEES, Account.TAX), 0),
    }
    assert [entry.action for entry in shop.audit.entries][-3:] == [
        "payment captured",
        "payment captured",
        "refund processed",
    ]
    surplus = f"surplus {shop.second.razorpay_payment_id}"
    assert shop.audit.entries[-2].after[surplus] == PRICE.minor


def test_the_refund_of_a_duplicate_payment_waits_while_razorpay_is_down(
    shop: PaidTwice,
) -> None:
    shop.verify(shop.first)
    shop.webhook(shop.second)
    assert shop.razorpay.refunds == {}
    assert shop.payments.list_with_open_refunds(10) == [shop.payment.id]
    shop.razorpay.is_down = True
    with pytest.raises(Unavailable):
        shop.sync_refunds()
    shop.razorpay.is_down = False
    shop.sync_refunds()
    shop.sync_refunds()
    assert len(shop.razorpay.refunds) == len(shop.refunded) == 1
    assert shop.payments.list_with_open_refunds(10) == []


def test_a_second_attempt_that_is_only_authorized_is_not_captured(shop: PaidTwice) -> None:
    shop.verify(shop.first)
    authorized = shop.razorpay.pay(shop.first.razorpay_order_id, AttemptStatus.AUTHORIZED)
    assert shop.verify(authorized).status is PaymentStatus.COMPLETED
    shop.service.capture(shop.attempt(authorized))
    assert shop.razorpay.captures == []
    assert shop.payment.attempt_ids == {shop.first.razorpay_payment_id}


def test_the_fee_of_a_duplicate_payment_is_entered_once(shop: PaidTwice) -> None:
    shop.webhook(shop.first)
    shop.webhook(shop.second)
    charged = replace(shop.attempt(shop.second), fee=Money(999, Currency.INR))
    for _ in range(2):
        shop.receive(a_payment_webhook("payment.captured", charged))
    assert shop.balances()[Account.FEES] == 999
    assert sum(shop.balances().values()) == 0


def test_the_rest_of_a_duplicate_payment_that_is_partly_refunded_is_refunded(
    shop: PaidTwice,
) -> None:
    shop.verify(shop.first)
    shop.razorpay.make_refund(shop.second.razorpay_payment_id, Money(100, Currency.INR))
    assert shop.verify(shop.second).status is PaymentStatus.COMPLETED
    made = shop.razorpay.refunds.values()
    assert sorted(record.amount.minor for record in made) == [100, PRICE.minor - 100]
    assert shop.balances()[Account.OWED] == 0
    assert all(event.surplus for event in shop.refunded)


def test_a_rejected_refund_of_a_duplicate_payment_does_not_change_the_payment(
    shop: PaidTwice,
) -> None:
    shop.razorpay.refund_fails = True
    shop.verify(shop.first)
    assert shop.verify(shop.second).status is PaymentStatus.COMPLETED
    (refund,) = shop.payment.refunds
    assert refund.status is RefundStatus.REQUESTED
    assert shop.balances()[Account.OWED] == -PRICE.minor
    by_hand = shop.razorpay.make_refund(shop.second.razorpay_payment_id, PRICE)
    shop.receive(a_refund_webhook("refund.processed", by_hand, shop.attempt(shop.second)))
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert shop.balances()[Account.OWED] == 0
    (event,) = shop.refunded
    assert (event.fully, event.surplus) == (False, True)
    shop.sync_refunds()
    assert not shop.payment.open_refunds
    assert len(shop.razorpay.refunds) == 1


def test_both_payments_of_a_cancelled_order_are_refunded(shop: PaidTwice) -> None:
    shop.webhook(shop.first)
    shop.webhook(shop.second)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    shop.sync_refunds()
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert sorted((event.fully, event.surplus) for event in shop.refunded) == [
        (False, True),
        (True, False),
    ]
    assert set(shop.balances().values()) == {0}
    attempts = sorted(refund.payment_id for refund in shop.razorpay.refunds.values())
    assert attempts == sorted([shop.first.razorpay_payment_id, shop.second.razorpay_payment_id])


def test_a_second_payment_after_a_full_refund_is_a_duplicate_payment(shop: PaidTwice) -> None:
    shop.verify(shop.first)
    shop.refund()
    assert shop.verify(shop.second).status is PaymentStatus.REFUNDED
    assert [(event.fully, event.surplus) for event in shop.refunded] == [
        (True, False),
        (False, True),
    ]
    assert shop.payment.refunded == PRICE
    assert set(shop.balances().values()) == {0}


def test_a_second_payment_that_is_applied_during_the_first_one_is_not_lost(
    shop: PaidTwice,
) -> None:
    concurrent: list[Callable[[], None]] = [lambda: shop.webhook(shop.second)]

    class Late(InMemoryTransaction):
        def commit(self) -> None:
            if concurrent:
                concurrent.pop()()
            super().commit()

    shop.a_service(lambda: Late(shop.outbox.events)).verify(shop.first, shop.customer)
    assert shop.payment.razorpay_payment_id == shop.second.razorpay_payment_id
    assert shop.payment.attempt_ids == {p.razorpay_payment_id for p in (shop.first, shop.second)}
    shop.sync_refunds()
    assert len(shop.outbox.of(PaymentCompleted)) == len(shop.refunded) == 1


STEPS = ["verify 1", "verify 2", "webhook 1", "webhook 2", "reconcile 1", "reconcile 2", "sync"]


@given(st.permutations(STEPS * 2))
def test_in_any_order_of_reports_one_payment_stays_and_the_other_is_refunded_once(
    names: list[str],
) -> None:
    shop = PaidTwice()
    acts: dict[str, Callable[[CheckoutSignature], object]] = {
        "verify": shop.verify,
        "webhook": shop.webhook,
        "reconcile": shop.reconcile,
    }
    for name in names:
        act, _, number = name.partition(" ")
        with suppress(DomainError):
            if act == "sync":
                shop.sync_refunds()
            else:
                acts[act](shop.first if number == "1" else shop.second)
    shop.sync_refunds()
    payment = shop.payment
    assert payment.status is PaymentStatus.COMPLETED
    (made,) = shop.razorpay.refunds.values()
    assert made.payment_id != payment.razorpay_payment_id
    assert len(shop.outbox.of(PaymentCompleted)) == len(shop.refunded) == 1
    assert sum(shop.balances().values()) == 0
    assert shop.balances()[Account.SALES] == -PRICE.minor


# --- refunded before the first report -------------------------------------------------------------


def refunded_attempt(shop: PaidTwice, *amounts: int) -> Attempt:
    """Refund these parts of the first payment in Razorpay's dashboard."""
    for minor in amounts:
        shop.razorpay.make_refund(shop.first.razorpay_payment_id, Money(minor, Currency.INR))
    return replace(shop.attempt(shop.first), status=AttemptStatus.REFUNDED)


@pytest.mark.parametrize("parts", [(PRICE.minor,), (100, PRICE.minor - 100)])
def test_a_payment_that_was_refunded_before_completes_nothing(
    shop: PaidTwice, parts: tuple[int, ...]
) -> None:
    attempt = refunded_attempt(shop, *parts)
    refunds = list(shop.razorpay.refunds.values())
    for _ in range(2):
        shop.service.apply_payment_update(attempt, refunds)
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert shop.outbox.of(PaymentCompleted) == []
    assert len(shop.refunded) == len(parts)
    assert shop.refunded[-1].fully
    assert set(shop.balances().values()) == {0}


def test_a_refunded_attempt_changes_nothing_until_all_its_refunds_are_known(
    shop: PaidTwice,
) -> None:
    attempt = refunded_attempt(shop, 100, PRICE.minor - 100)
    known, unknown = shop.razorpay.refunds.values()
    others = replace(known, payment_id="pay_of_another", amount=PRICE)
    foreign = replace(known, amount=ForeignMoney(PRICE.minor, "EUR"))
    for refunds in (
        (),
        (known,),
        (others,),
        (foreign,),
        (known, replace(unknown, status=RefundStatus.PENDING)),
    ):
        shop.service.apply_payment_update(attempt, refunds)
        assert shop.payment.status is PaymentStatus.PENDING
    shop.razorpay.attempts[attempt.id] = attempt
    with pytest.raises(Invalid):
        shop.verify(shop.first)
    assert shop.events() == ["PaymentInitiated"]


def test_a_refund_webhook_contains_the_payment_that_it_refunded(shop: PaidTwice) -> None:
    attempt = refunded_attempt(shop, PRICE.minor)
    (refund,) = shop.razorpay.refunds.values()
    shop.receive(a_refund_webhook("refund.processed", refund, attempt))
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert shop.events() == [
        "PaymentInitiated",
        "PaymentRefundProgressed",
        "PaymentRefunded",
    ]


def test_a_duplicate_payment_that_was_refunded_before_is_only_entered_in_the_ledger(
    shop: PaidTwice,
) -> None:
    shop.verify(shop.second)
    attempt = refunded_attempt(shop, PRICE.minor)
    refunds = list(shop.razorpay.refunds.values())
    shop.service.apply_payment_update(attempt, refunds)
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert shop.payments.list_with_open_refunds(10) == []
    (event,) = shop.refunded
    assert (event.fully, event.surplus) == (False, True)
    assert shop.balances()[Account.OWED] == 0
