"""Webhooks: genuine or not, twice, late, in any order, and at the same time as everything else."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import razorpay
from hypothesis import given
from hypothesis import strategies as st

from payment.model import (
    Attempt,
    AttemptStatus,
    Failure,
    PaymentStatus,
    RazorpayRefund,
    RefundStatus,
)
from payment.webhooks import Webhooks, is_signed
from supermarket.contracts import PaymentCompleted, PaymentFailed, PaymentRefunded
from supermarket.errors import Conflict, Invalid, Unavailable
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
    a_webhook,
    as_event,
    on_the_wire,
    refund_on_the_wire,
)

OLD_SECRET = "the one before"


class Till:
    """A shop, and the door for Razorpay's webhooks."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.handled = InMemoryHandledWebhooks()
        self.secrets = (WEBHOOK_SECRET, "")
        self.webhooks = Webhooks(self.shop.service, self.handled, lambda: self.secrets)

    def receive(self, sent: SentWebhook) -> bool:
        headers = sent.headers
        return self.webhooks.receive(
            sent.body, headers["x-razorpay-signature"], headers.get("x-razorpay-event-id")
        )

    def attempt(self, status: AttemptStatus = AttemptStatus.CAPTURED) -> Attempt:
        proof = self.shop.pay(status)
        return self.shop.razorpay.attempts[proof.razorpay_payment_id]


@pytest.fixture
def till() -> Till:
    return Till()


# --- genuine or not -------------------------------------------------------------------------------


@given(st.text(), st.text(min_size=1).filter(lambda text: text.isascii()))
def test_a_body_is_signed_exactly_when_razorpays_own_sdk_says_so(body: str, secret: str) -> None:
    sent = a_webhook(body.encode(), secret)
    signature = sent.headers["x-razorpay-signature"]
    sdk = razorpay.Client(auth=("key", "secret")).utility
    assert sdk.verify_webhook_signature(body, signature, secret)
    assert is_signed(body.encode(), signature, [secret])
    for other in ((body + " ", signature, secret), (body, signature[::-1] + "0", secret)):
        with pytest.raises(razorpay.errors.SignatureVerificationError):
            sdk.verify_webhook_signature(*other)
        assert not is_signed(other[0].encode(), other[1], [secret])


@pytest.mark.parametrize("signature", ["", "é", "0" * 64, "x" * 10_000])
def test_no_signature_whatever_breaks_the_check(signature: str) -> None:
    assert not is_signed(b"{}", signature, [WEBHOOK_SECRET])


def test_nothing_is_signed_with_a_secret_that_is_not_there() -> None:
    sent = a_webhook(b"{}", "")
    assert not is_signed(b"{}", sent.headers["x-razorpay-signature"], [""])


def test_during_a_rotation_both_secrets_are_good_and_afterwards_one(till: Till) -> None:
    sent = a_payment_webhook("payment.captured", till.attempt(), secret=OLD_SECRET)
    with pytest.raises(Invalid):
        till.receive(sent)
    till.secrets = (WEBHOOK_SECRET, OLD_SECRET)
    assert till.receive(sent)
    assert till.shop.kept.is_paid


FORGERIES: dict[str, Callable[[SentWebhook], SentWebhook]] = {
    "unsigned": lambda sent: replace(sent, headers={"x-razorpay-signature": ""}),
    "signed by another": lambda sent: a_webhook(sent.body, "guessed"),
    "changed": lambda sent: replace(sent, body=sent.body.replace(b"49950", b"1")),
    "serialised anew": lambda sent: replace(
        sent, body=json.dumps(json.loads(sent.body), indent=1).encode()
    ),
    "longer": lambda sent: replace(sent, body=sent.body + b" "),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_webhook_is_refused_and_changes_nothing(till: Till, forgery: str) -> None:
    sent = FORGERIES[forgery](a_payment_webhook("payment.captured", till.attempt()))
    before = till.shop.kept
    with pytest.raises(Invalid):
        till.receive(sent)
    assert till.shop.kept == before
    assert not till.shop.outbox.of(PaymentCompleted)


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"7", b"\xff", b'"a"'])
def test_a_signed_body_that_makes_no_sense_is_refused(till: Till, body: bytes) -> None:
    with pytest.raises(Invalid):
        till.receive(a_webhook(body))


@pytest.mark.parametrize(
    "payload", [[], 7, {"payment": 7}, {"payment": {}}, {"payment": {"entity": {"id": "pay_1"}}}]
)
def test_a_known_event_without_its_record_is_refused(till: Till, payload: object) -> None:
    body = json.dumps({"event": "payment.captured", "payload": payload}).encode()
    with pytest.raises(Invalid):
        till.receive(a_webhook(body))


@pytest.mark.parametrize("event", ["invoice.paid", "payment.dispute.created", "", "refund"])
def test_an_unknown_event_is_taken_and_ignored(till: Till, event: str) -> None:
    assert not till.receive(a_payment_webhook(event, till.attempt()))
    assert not till.shop.kept.is_paid


# --- its effect -----------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["payment.captured", "order.paid"])
def test_a_captured_payment_is_complete_once_however_often_it_is_told(
    till: Till, event: str
) -> None:
    attempt = replace(till.attempt(), fee=Money(999, Currency.INR))
    sent = a_payment_webhook(event, attempt)
    assert till.receive(sent)
    assert not till.receive(sent)
    till.receive(a_payment_webhook(event, attempt))
    assert till.shop.kept.status is PaymentStatus.COMPLETED
    assert till.shop.kept.fee == attempt.fee
    assert len(till.shop.outbox.of(PaymentCompleted)) == 1
    assert len(till.shop.ledger.entries) == 2


def test_a_webhook_calls_nobody(till: Till) -> None:
    attempt = till.attempt()
    till.shop.service.call_off(till.shop.order.id, Failure.ORDER_EXPIRED)
    till.shop.razorpay.is_down = True
    assert till.receive(a_payment_webhook("payment.captured", attempt))
    assert till.shop.kept.status is PaymentStatus.REFUND_PENDING


def test_a_failed_payment_is_declined_and_one_set_aside_waits(till: Till) -> None:
    till.receive(a_payment_webhook("payment.authorized", till.attempt(AttemptStatus.AUTHORIZED)))
    assert till.shop.kept.is_open
    failed = till.attempt(AttemptStatus.FAILED)
    for _ in range(2):
        till.receive(a_payment_webhook("payment.failed", failed))
    assert till.shop.kept.status is PaymentStatus.FAILED
    assert len(till.shop.outbox.of(PaymentFailed)) == 1


def test_the_payment_of_another_shop_is_ignored(till: Till) -> None:
    attempt = replace(till.attempt(), razorpay_order_id="order_elsewhere")
    assert not till.receive(a_payment_webhook("payment.captured", attempt))
    assert not till.receive(
        a_payment_webhook("payment.captured", replace(attempt, razorpay_order_id=None))
    )


def test_a_genuine_webhook_over_other_money_is_taken_and_changes_nothing(till: Till) -> None:
    attempt = replace(till.attempt(), minor=1)
    assert not till.receive(a_payment_webhook("payment.captured", attempt))
    assert till.shop.kept.is_open


def test_an_id_that_was_seen_with_another_body_hides_nothing(till: Till) -> None:
    till.receive(a_webhook(as_event("invoice.paid", {}), event_id="event_1"))
    sent = a_payment_webhook("payment.captured", till.attempt(), event_id="event_1")
    assert till.receive(sent)
    assert till.shop.kept.is_paid


def test_a_webhook_without_an_id_has_its_effect_once_all_the_same(till: Till) -> None:
    sent = a_payment_webhook("payment.captured", till.attempt())
    bare = replace(sent, headers={"x-razorpay-signature": sent.headers["x-razorpay-signature"]})
    for _ in range(2):
        till.receive(bare)
    assert len(till.shop.outbox.of(PaymentCompleted)) == 1


def test_a_webhook_whose_effect_failed_is_not_remembered(till: Till) -> None:
    class Down(InMemoryTransaction):
        def commit(self) -> None:
            raise Unavailable("the database is down")

    sent = a_payment_webhook("payment.captured", till.attempt())
    broken = till.shop.a_service(lambda: Down([]))
    with pytest.raises(Unavailable):
        Webhooks(broken, till.handled, lambda: till.secrets).receive(
            sent.body, sent.headers["x-razorpay-signature"], sent.headers["x-razorpay-event-id"]
        )
    assert till.receive(sent)
    assert till.shop.kept.is_paid


def test_a_payment_that_is_too_busy_makes_razorpay_send_again(till: Till) -> None:
    class Busy(InMemoryTransaction):
        def commit(self) -> None:
            raise Conflict("at this very moment")

    sent = a_payment_webhook("payment.captured", till.attempt())
    busy = till.shop.a_service(lambda: Busy([]))
    with pytest.raises(Unavailable):
        Webhooks(busy, till.handled, lambda: till.secrets).receive(
            sent.body, sent.headers["x-razorpay-signature"], None
        )


# --- with everything else -------------------------------------------------------------------------


def test_a_refund_that_is_told_before_its_payment_is_still_booked(till: Till) -> None:
    attempt = till.attempt()
    amount = Money(attempt.minor, Currency.INR)
    refund = till.shop.razorpay.give_back(attempt.id, amount)
    gone = replace(attempt, status=AttemptStatus.REFUNDED)
    assert till.receive(a_refund_webhook("refund.processed", refund, gone))
    till.receive(a_payment_webhook("payment.captured", attempt))
    assert till.shop.kept.status is PaymentStatus.REFUNDED
    assert sum(till.shop.balances().values()) == 0
    assert set(till.shop.balances().values()) == {0}


@pytest.mark.parametrize("turn", ["the webhook first", "the browser first"])
def test_a_webhook_in_the_midst_of_a_verification_has_one_effect_with_it(
    till: Till, turn: str
) -> None:
    proof = till.shop.pay()
    attempt = till.shop.razorpay.attempts[proof.razorpay_payment_id]
    sent = a_payment_webhook("payment.captured", attempt)
    if turn == "the webhook first":
        till.shop.razorpay.meanwhile = lambda: till.receive(sent)
        assert till.shop.verify(proof).is_paid
    else:
        rivals = [lambda: till.shop.verify(proof)]

        class Late(InMemoryTransaction):
            def commit(self) -> None:
                if rivals:
                    rivals.pop()()
                super().commit()

        service = till.shop.a_service(lambda: Late(till.shop.outbox.events))
        headers = sent.headers
        Webhooks(service, till.handled, lambda: till.secrets).receive(
            sent.body, headers["x-razorpay-signature"], headers["x-razorpay-event-id"]
        )
    assert till.shop.kept.status is PaymentStatus.COMPLETED
    assert len(till.shop.outbox.of(PaymentCompleted)) == 1
    assert len(till.shop.ledger.entries) == 1


TELL = ["captured", "order", "authorized", "verify", "created", "processed", "learn"]


@given(st.permutations(TELL * 2))
def test_all_reports_of_a_paid_and_refunded_order_in_any_order_come_to_the_same(
    names: list[str],
) -> None:
    till = Till()
    proof = till.shop.pay()
    attempt = till.shop.razorpay.attempts[proof.razorpay_payment_id]
    refund = till.shop.razorpay.give_back(attempt.id, Money(1_000, Currency.INR))
    pending = replace(refund, status=RefundStatus.PENDING)
    aside = replace(attempt, status=AttemptStatus.AUTHORIZED)
    steps: dict[str, Callable[[], object]] = {
        "captured": lambda: till.receive(a_payment_webhook("payment.captured", attempt)),
        "order": lambda: till.receive(a_payment_webhook("order.paid", attempt)),
        "authorized": lambda: till.receive(a_payment_webhook("payment.authorized", aside)),
        "verify": lambda: till.shop.verify(proof),
        "created": lambda: till.receive(a_refund_webhook("refund.created", pending, attempt)),
        "processed": lambda: till.receive(a_refund_webhook("refund.processed", refund, attempt)),
        "learn": lambda: till.shop.service.learn_of_attempt(proof.razorpay_order_id, attempt),
    }
    for name in names:
        steps[name]()
    payment = till.shop.kept
    assert payment.status is PaymentStatus.COMPLETED
    assert payment.refunded.minor == 1_000
    assert len(payment.refunds) == 1
    assert len(till.shop.outbox.of(PaymentCompleted)) == 1
    assert len(till.shop.outbox.of(PaymentRefunded)) == 1
    assert len(till.shop.ledger.entries) == 2


def test_what_was_set_aside_and_went_back_by_itself_is_no_money_that_moved(till: Till) -> None:
    attempt = till.attempt(AttemptStatus.AUTHORIZED)
    till.shop.service.call_off(till.shop.order.id, Failure.ORDER_EXPIRED)
    back = RazorpayRefund("rfnd_1", attempt.id, PRICE, RefundStatus.PROCESSED)
    record = on_the_wire(replace(attempt, status=AttemptStatus.REFUNDED)) | {"captured": False}
    payload = {"refund": {"entity": refund_on_the_wire(back)}, "payment": {"entity": record}}
    assert till.receive(a_webhook(as_event("refund.processed", payload))) is False
    assert till.shop.kept.status is PaymentStatus.FAILED
    assert till.shop.ledger.entries == {}
    assert till.shop.outbox.of(PaymentRefunded) == []
