"""Webhooks: valid or not, repeated, late, in any order and concurrent with other requests."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import razorpay
from hypothesis import given
from hypothesis import strategies as st

from payment.ledger import Account
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.signature import is_signed
from payment.model.status import Failure, PaymentStatus
from payment.webhooks import Webhooks
from supermarket.contracts import PaymentCompleted, PaymentFailed, PaymentRefunded
from supermarket.errors import Conflict, Invalid, Unavailable
from supermarket.money import Currency, Money
from support.in_memory import InMemoryTransaction
from support.payment import (
    PRICE,
    WEBHOOK_SECRET,
    SentWebhook,
    WebhookShop,
    a_payment_webhook,
    a_refund_webhook,
    a_webhook,
    as_event,
    attempt_record,
    refund_record,
)

OLD_SECRET = "the previous one"


@pytest.fixture
def shop() -> WebhookShop:
    return WebhookShop()


# --- signature ------------------------------------------------------------------------------------


@given(st.text(), st.text(min_size=1).filter(lambda text: text.isascii()))
def test_a_body_is_signed_exactly_when_the_sdk_of_razorpay_accepts_it(
    body: str, secret: str
) -> None:
    sent = a_webhook(body.encode(), secret)
    signature = sent.headers["x-razorpay-signature"]
    sdk = razorpay.Client(auth=("key", "secret")).utility
    assert sdk.verify_webhook_signature(body, signature, secret)
    assert is_signed(body.encode(), signature, secret)
    for other in ((body + " ", signature, secret), (body, signature[::-1] + "0", secret)):
        with pytest.raises(razorpay.errors.SignatureVerificationError):
            sdk.verify_webhook_signature(*other)
        assert not is_signed(other[0].encode(), other[1], secret)


@pytest.mark.parametrize("signature", ["", "é", "0" * 64, "x" * 10_000])
def test_a_malformed_signature_is_not_valid(signature: str) -> None:
    assert not is_signed(b"{}", signature, WEBHOOK_SECRET)


def test_nothing_is_signed_with_an_empty_secret() -> None:
    sent = a_webhook(b"{}", "")
    assert not is_signed(b"{}", sent.headers["x-razorpay-signature"], "")


def test_both_secrets_are_valid_during_a_rotation(shop: WebhookShop) -> None:
    sent = a_payment_webhook("payment.captured", shop.attempt(), secret=OLD_SECRET)
    with pytest.raises(Invalid):
        shop.receive(sent)
    shop.secrets = (WEBHOOK_SECRET, OLD_SECRET)
    assert shop.receive(sent)
    assert shop.payment.is_paid


FORGERIES: dict[str, Callable[[SentWebhook], SentWebhook]] = {
    "unsigned": lambda sent: replace(sent, headers={"x-razorpay-signature": ""}),
    "signed by another": lambda sent: a_webhook(sent.body, "guessed"),
    "changed": lambda sent: replace(sent, body=sent.body.replace(b"49950", b"1")),
    "serialised again": lambda sent: replace(
        sent, body=json.dumps(json.loads(sent.body), indent=1).encode()
    ),
    "longer": lambda sent: replace(sent, body=sent.body + b" "),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_webhook_is_rejected_and_changes_nothing(shop: WebhookShop, forgery: str) -> None:
    sent = FORGERIES[forgery](a_payment_webhook("payment.captured", shop.attempt()))
    before = shop.payment
    with pytest.raises(Invalid):
        shop.receive(sent)
    assert shop.payment == before
    assert not shop.outbox.of(PaymentCompleted)


NESTED = 50_000
MALFORMED = {
    **{repr(body): body for body in (b"", b"x", b"[]", b"7", b"\xff", b'"a"', b"{}", b"null")},
    "nested brackets": b"[" * NESTED + b"]" * NESTED,
    "unfinished brackets": b"[" * NESTED,
    "nested objects": b'{"event":' * NESTED + b"1" + b"}" * NESTED,
    "a long number": b'{"event":"payment.captured","payload":' + b"9" * 5_000 + b"}",
    "a nested event": b'{"event":' + b"[" * 500 + b"]" * 500 + b"}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_signed_body_that_is_no_webhook_is_rejected(shop: WebhookShop, body: bytes) -> None:
    with pytest.raises(Invalid):
        shop.receive(a_webhook(body))


@pytest.mark.parametrize(
    "payload", [[], 7, {"payment": 7}, {"payment": {}}, {"payment": {"entity": {"id": "pay_1"}}}]
)
def test_a_known_event_without_its_record_is_rejected(shop: WebhookShop, payload: object) -> None:
    body = json.dumps({"event": "payment.captured", "payload": payload}).encode()
    with pytest.raises(Invalid):
        shop.receive(a_webhook(body))


LONG = "x" * 3_000
NOT_IDS = (LONG, "", "pay 1", "pay_é", "\ud800", "pay_1\n", "../pay_1")


@pytest.mark.parametrize("field", ["id", "order_id"])
@pytest.mark.parametrize("id_", NOT_IDS)
def test_a_signed_webhook_with_an_id_that_razorpay_cannot_have_made_is_ignored(
    shop: WebhookShop, id_: str, field: str
) -> None:
    attempt = shop.attempt()
    before, events = shop.payment, shop.events()
    record = attempt_record(attempt) | {field: id_}
    refund = refund_record(RazorpayRefund("rfnd_1", attempt.id, PRICE, RefundStatus.PROCESSED))
    other = {"id": id_} if field == "id" else {"payment_id": id_}
    for event, payload in (
        ("payment.captured", {"payment": record}),
        ("refund.processed", {"refund": refund, "payment": record}),
        ("refund.processed", {"refund": refund | other}),
    ):
        entities = {name: {"entity": entity} for name, entity in payload.items()}
        assert shop.receive(a_webhook(as_event(event, entities))) is False
    assert (shop.payment, shop.events()) == (before, events)
    assert not shop.early_reports.stored


def test_an_event_id_of_any_length_is_remembered(shop: WebhookShop) -> None:
    sent = a_payment_webhook("payment.captured", shop.attempt(), event_id=LONG)
    assert shop.receive(sent)
    assert not shop.receive(sent)


WRONG_VALUES: dict[str, tuple[object, ...]] = {
    "amount": (-1, 10**40, 1.5, "1", True, None, []),
    "currency": (LONG, "inr", "", 7, None),
    "status": (LONG, "", [], None),
    "fee": (-1, 10**40, "1", [1]),
    "id": (7, None, []),
    "order_id": (7, [], {}),
}


@pytest.mark.parametrize(
    "wrong", [{name: value} for name, values in WRONG_VALUES.items() for value in values], ids=str
)
def test_a_signed_record_with_an_impossible_value_is_rejected_and_changes_nothing(
    shop: WebhookShop, wrong: dict[str, object]
) -> None:
    record = attempt_record(shop.attempt()) | wrong
    before = shop.payment
    with pytest.raises(Invalid):
        shop.receive(a_webhook(as_event("payment.captured", {"payment": {"entity": record}})))
    assert shop.payment == before


@pytest.mark.parametrize("event", ["invoice.paid", "settlement.created", "", "refund"])
def test_an_unknown_event_is_accepted_and_ignored(shop: WebhookShop, event: str) -> None:
    assert not shop.receive(a_payment_webhook(event, shop.attempt()))
    assert not shop.payment.is_paid


# --- effect ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["payment.captured", "order.paid"])
def test_a_captured_attempt_completes_the_payment_once_however_often_it_is_reported(
    shop: WebhookShop, event: str
) -> None:
    attempt = replace(shop.attempt(), fee=Money(999, Currency.INR))
    sent = a_payment_webhook(event, attempt)
    assert shop.receive(sent)
    assert not shop.receive(sent)
    shop.receive(a_payment_webhook(event, attempt))
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert shop.payment.fee == attempt.fee
    assert len(shop.outbox.of(PaymentCompleted)) == 1
    assert len(shop.ledger.entries) == 2


def test_a_webhook_makes_no_call_to_razorpay(shop: WebhookShop) -> None:
    attempt = shop.attempt()
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    shop.razorpay.is_down = True
    assert shop.receive(a_payment_webhook("payment.captured", attempt))
    assert shop.payment.status is PaymentStatus.REFUND_PENDING


def test_a_failed_attempt_declines_the_payment_and_an_authorized_one_does_not(
    shop: WebhookShop,
) -> None:
    shop.receive(a_payment_webhook("payment.authorized", shop.attempt(AttemptStatus.AUTHORIZED)))
    assert shop.payment.is_open
    failed = shop.attempt(AttemptStatus.FAILED)
    for _ in range(2):
        shop.receive(a_payment_webhook("payment.failed", failed))
    assert shop.payment.status is PaymentStatus.FAILED
    assert len(shop.outbox.of(PaymentFailed)) == 1


def test_the_attempt_of_another_shop_is_ignored(shop: WebhookShop) -> None:
    attempt = replace(shop.attempt(), razorpay_order_id="order_elsewhere")
    assert not shop.receive(a_payment_webhook("payment.captured", attempt))
    assert not shop.receive(
        a_payment_webhook("payment.captured", replace(attempt, razorpay_order_id=None))
    )


@pytest.mark.parametrize("status", [AttemptStatus.FAILED, AttemptStatus.AUTHORIZED])
def test_a_webhook_with_another_amount_that_was_not_captured_changes_nothing(
    shop: WebhookShop, status: AttemptStatus
) -> None:
    attempt = replace(shop.attempt(status), amount=Money(500, Currency.INR))
    before = shop.payment
    assert not shop.receive(a_payment_webhook(f"payment.{status}", attempt))
    assert shop.payment == before


def test_a_captured_webhook_with_another_amount_requests_one_refund_of_that_amount(
    shop: WebhookShop,
) -> None:
    attempt = replace(shop.attempt(), amount=Money(500, Currency.INR))
    for event in ("payment.captured", "order.paid", "payment.captured"):
        assert shop.receive(a_payment_webhook(event, attempt))
    assert shop.payment.is_open
    (refund,) = shop.payment.refunds
    assert (refund.attempt_id, refund.amount) == (attempt.id, attempt.amount)
    assert shop.payments.list_with_open_refunds(10) == [shop.payment.id]


def test_an_event_id_with_another_body_is_handled(shop: WebhookShop) -> None:
    shop.receive(a_webhook(as_event("invoice.paid", {}), event_id="event_1"))
    sent = a_payment_webhook("payment.captured", shop.attempt(), event_id="event_1")
    assert shop.receive(sent)
    assert shop.payment.is_paid


def test_a_repeated_webhook_without_an_id_has_one_effect(shop: WebhookShop) -> None:
    sent = a_payment_webhook("payment.captured", shop.attempt())
    bare = replace(sent, headers={"x-razorpay-signature": sent.headers["x-razorpay-signature"]})
    for _ in range(2):
        shop.receive(bare)
    assert len(shop.outbox.of(PaymentCompleted)) == 1


def test_a_webhook_that_failed_can_be_sent_again(shop: WebhookShop) -> None:
    class Down(InMemoryTransaction):
        def commit(self) -> None:
            raise Unavailable("the database is down")

    sent = a_payment_webhook("payment.captured", shop.attempt())
    broken = shop.a_service(lambda: Down([]))
    with pytest.raises(Unavailable):
        Webhooks(broken, lambda: shop.secrets, shop.settlements).receive(
            sent.body, sent.headers["x-razorpay-signature"], sent.headers["x-razorpay-event-id"]
        )
    assert shop.receive(sent)
    assert shop.payment.is_paid


def test_a_conflict_makes_razorpay_send_the_webhook_again(shop: WebhookShop) -> None:
    class Busy(InMemoryTransaction):
        def commit(self) -> None:
            raise Conflict("changed at the same time")

    sent = a_payment_webhook("payment.captured", shop.attempt())
    busy = shop.a_service(lambda: Busy([]))
    with pytest.raises(Unavailable):
        Webhooks(busy, lambda: shop.secrets, shop.settlements).receive(
            sent.body, sent.headers["x-razorpay-signature"], None
        )


# --- concurrency ----------------------------------------------------------------------------------


def test_a_refund_that_is_reported_before_its_payment_is_applied(shop: WebhookShop) -> None:
    attempt = shop.attempt()
    refund = shop.razorpay.make_refund(attempt.id, PRICE)
    refunded = replace(attempt, status=AttemptStatus.REFUNDED)
    assert shop.receive(a_refund_webhook("refund.processed", refund, refunded))
    shop.receive(a_payment_webhook("payment.captured", attempt))
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert sum(shop.balances().values()) == 0
    assert set(shop.balances().values()) == {0}


@pytest.mark.parametrize("turn", ["the webhook first", "the browser first"])
def test_a_webhook_and_a_concurrent_verification_have_one_effect(
    shop: WebhookShop, turn: str
) -> None:
    proof = shop.pay()
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    sent = a_payment_webhook("payment.captured", attempt)
    if turn == "the webhook first":
        shop.razorpay.meanwhile = lambda: shop.receive(sent)
        assert shop.verify(proof).is_paid
    else:
        concurrent = [lambda: shop.verify(proof)]

        class Late(InMemoryTransaction):
            def commit(self) -> None:
                if concurrent:
                    concurrent.pop()()
                super().commit()

        service = shop.a_service(lambda: Late(shop.outbox.events))
        headers = sent.headers
        Webhooks(service, lambda: shop.secrets, shop.settlements).receive(
            sent.body, headers["x-razorpay-signature"], headers["x-razorpay-event-id"]
        )
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert len(shop.outbox.of(PaymentCompleted)) == 1
    assert len(shop.ledger.entries) == 1


REPORTS = ["captured", "order", "authorized", "verify", "created", "processed", "reconcile"]


@given(st.permutations(REPORTS * 2))
def test_reports_of_a_paid_and_partly_refunded_order_have_the_same_effect_in_any_order(
    names: list[str],
) -> None:
    shop = WebhookShop()
    proof = shop.pay()
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    refund = shop.razorpay.make_refund(attempt.id, Money(1_000, Currency.INR))
    pending = replace(refund, status=RefundStatus.PENDING)
    authorized = replace(attempt, status=AttemptStatus.AUTHORIZED)
    steps: dict[str, Callable[[], object]] = {
        "captured": lambda: shop.receive(a_payment_webhook("payment.captured", attempt)),
        "order": lambda: shop.receive(a_payment_webhook("order.paid", attempt)),
        "authorized": lambda: shop.receive(a_payment_webhook("payment.authorized", authorized)),
        "verify": lambda: shop.verify(proof),
        "created": lambda: shop.receive(a_refund_webhook("refund.created", pending, attempt)),
        "processed": lambda: shop.receive(a_refund_webhook("refund.processed", refund, attempt)),
        "reconcile": lambda: shop.service.apply_payment_update(attempt),
    }
    for name in names:
        steps[name]()
    payment = shop.payment
    assert payment.status is PaymentStatus.COMPLETED
    assert payment.refunded.minor == 1_000
    assert len(payment.refunds) == 1
    assert len(shop.outbox.of(PaymentCompleted)) == 1
    assert len(shop.outbox.of(PaymentRefunded)) == 1
    assert len(shop.ledger.entries) == 2


def test_the_release_of_an_authorized_attempt_is_not_entered_in_the_ledger(
    shop: WebhookShop,
) -> None:
    attempt = shop.attempt(AttemptStatus.AUTHORIZED)
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_EXPIRED)
    released = RazorpayRefund("rfnd_1", attempt.id, PRICE, RefundStatus.PROCESSED)
    record = attempt_record(replace(attempt, status=AttemptStatus.REFUNDED)) | {"captured": False}
    payload = {"refund": {"entity": refund_record(released)}, "payment": {"entity": record}}
    assert shop.receive(a_webhook(as_event("refund.processed", payload))) is False
    assert shop.payment.status is PaymentStatus.FAILED
    assert shop.ledger.entries == {}
    assert shop.outbox.of(PaymentRefunded) == []


# --- before the attempt is known ------------------------------------------------------------------


def a_refund(attempt: Attempt, minor: int = PRICE.minor, number: int = 1) -> RazorpayRefund:
    amount = Money(minor, Currency.INR)
    return RazorpayRefund(f"rfnd_{number}", attempt.id, amount, RefundStatus.PROCESSED)


def a_bare_refund_webhook(refund: RazorpayRefund, event: str = "refund.processed") -> SentWebhook:
    """A webhook of a refund without its attempt."""
    return a_webhook(as_event(event, {"refund": {"entity": refund_record(refund)}}))


@pytest.mark.parametrize("reported", ["webhook", "verification"])
def test_a_full_refund_that_is_reported_before_its_attempt_confirms_no_order(
    shop: WebhookShop, reported: str
) -> None:
    proof = shop.pay()
    attempt = shop.razorpay.attempts[proof.razorpay_payment_id]
    assert shop.receive(a_bare_refund_webhook(a_refund(attempt)))
    if reported == "webhook":
        shop.receive(a_payment_webhook("payment.captured", attempt))
    else:
        shop.verify(proof)
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert not shop.outbox.of(PaymentCompleted)
    assert set(shop.balances().values()) == {0}


def test_all_reports_before_an_attempt_are_applied_with_it_once(shop: WebhookShop) -> None:
    attempt = shop.attempt()
    parts = [a_refund(attempt, 10_000, 1), a_refund(attempt, 5_000, 2)]
    created = replace(parts[0], status=RefundStatus.PENDING)
    shop.receive(a_bare_refund_webhook(created, "refund.created"))
    for part in (*parts, *parts):
        shop.receive(a_bare_refund_webhook(part))
    for _ in range(2):
        shop.receive(a_payment_webhook("payment.captured", attempt))
    for part in parts:
        shop.receive(a_bare_refund_webhook(part))
    assert shop.payment.status is PaymentStatus.COMPLETED
    assert [one.amount.minor for one in shop.payment.refunds] == [10_000, 5_000]
    assert shop.balances()[Account.RAZORPAY] == PRICE.minor - 15_000


@pytest.mark.parametrize("moment", ["before the report is kept", "after it is kept"])
def test_an_attempt_that_is_applied_while_a_report_is_kept_gets_the_report(
    shop: WebhookShop, moment: str
) -> None:
    attempt = shop.attempt()

    class Interrupted(InMemoryTransaction):
        """Lets the attempt in while the first transaction, that keeps the report, commits."""

        pending = True

        def commit(self) -> None:
            is_first, Interrupted.pending = Interrupted.pending, False
            if is_first and moment == "before the report is kept":
                shop.service.apply_payment_update(attempt)
            super().commit()
            if is_first and moment == "after it is kept":
                shop.service.apply_payment_update(attempt)

    service = shop.a_service(lambda: Interrupted(shop.outbox.events))
    service.keep_early_report(a_refund(attempt))
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert len(shop.payment.refunds) == 1


def test_a_report_that_is_kept_while_its_attempt_is_applied_is_applied_with_it(
    shop: WebhookShop,
) -> None:
    attempt = shop.attempt()

    class Interrupted(InMemoryTransaction):
        """Lets the report in before the first commit, which is that of the attempt."""

        pending = True

        def commit(self) -> None:
            is_first, Interrupted.pending = Interrupted.pending, False
            if is_first:
                shop.service.keep_early_report(a_refund(attempt))
            super().commit()

    shop.a_service(lambda: Interrupted(shop.outbox.events)).apply_payment_update(attempt)
    assert shop.payment.status is PaymentStatus.REFUNDED
    assert not shop.outbox.of(PaymentCompleted)


def test_a_refund_of_an_attempt_that_pays_no_order_of_the_shop_is_not_kept(
    shop: WebhookShop,
) -> None:
    attempt = replace(shop.attempt(), razorpay_order_id=None)
    assert not shop.receive(a_refund_webhook("refund.processed", a_refund(attempt), attempt))
    assert not shop.early_reports.stored
