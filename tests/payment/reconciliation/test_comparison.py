"""The comparison of records: what it repairs and what it reports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from conftest import NOON
from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.payment import Payment
from payment.model.refund import RazorpayRefund, Refund, RefundStatus
from payment.model.status import Failure, PaymentStatus
from payment.ports import InvalidProviderResponse, ProviderBusy, ProviderRejected
from payment.reconciliation.model import MAX_UNANSWERED, Phase, UnreadableRecord
from supermarket.contracts import PaymentDriftFound
from supermarket.errors import BadGateway
from supermarket.money import Currency, Money
from support.payment import a_payment
from support.reconciliation import CUSTOMER, OPENED_AT, Dated, ReconciledShop


def test_attempts_that_agree_cost_one_read_for_the_whole_page(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.pay()
    shop.add_payment()
    shop.run_again()

    def read_alone(razorpay_order_id: str) -> None:
        pytest.fail(f"{razorpay_order_id} was read by itself")

    monkeypatch.setattr(shop.payments, "find_by_razorpay_id", read_alone)
    report = shop.run_again()
    assert (report.is_finished, report.counts["checked"], report.found) == (True, 3, 0)


def test_an_older_failed_attempt_of_a_repaired_payment_is_not_repaired(
    shop: ReconciledShop,
) -> None:
    payment = shop.pay()
    shop.records.add_attempt(payment, OPENED_AT, AttemptStatus.FAILED)
    assert shop.run().counts["repaired"] == 1
    assert shop.status(payment) is PaymentStatus.COMPLETED


def test_a_declined_attempt_without_a_webhook_is_repaired(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    shop.records.add_attempt(payment, OPENED_AT, AttemptStatus.FAILED)
    shop.run()
    assert shop.status(payment) is PaymentStatus.FAILED
    assert shop.drift == []


def test_an_attempt_without_an_outcome_is_ignored(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    shop.records.add_attempt(payment, OPENED_AT, AttemptStatus.CREATED)
    report = shop.run()
    assert (report.counts["repaired"], shop.drift) == (0, [])


def test_an_authorized_attempt_is_captured(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    shop.records.add_attempt(payment, OPENED_AT, AttemptStatus.AUTHORIZED)
    report = shop.run()
    assert shop.status(payment) is PaymentStatus.COMPLETED
    assert report.counts["repaired"] == 1
    assert shop.updates.completed == [payment.id]


def test_the_order_of_a_paid_payment_is_confirmed(shop: ReconciledShop) -> None:
    unconfirmed, known, open_ = shop.pay(), shop.pay(), shop.add_payment()
    shop.updates.unconfirmed = {unconfirmed.id, open_.id}
    report = shop.run()
    assert shop.updates.unconfirmed == {open_.id}
    assert shop.status(known) is PaymentStatus.COMPLETED
    assert report.counts["repaired"] == 3  # two payments and one order
    assert shop.drift == []


def test_a_captured_attempt_for_no_payment_is_missing_here(shop: ReconciledShop) -> None:
    unknown = replace(a_payment(CUSTOMER), created_at=OPENED_AT)
    attempt = shop.records.add_attempt(unknown, OPENED_AT)
    shop.run()
    assert shop.drift == [
        (attempt.id, "missing_here"),
        (unknown.razorpay_order_id, "missing_here"),
    ]


def test_an_unpaid_order_without_a_payment_is_no_drift(shop: ReconciledShop) -> None:
    shop.records.add_order(replace(a_payment(CUSTOMER), created_at=OPENED_AT))
    assert shop.run().counts["drift"] == 0


def test_a_payment_without_a_razorpay_order_is_missing_there(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    shop.records.orders.clear()
    shop.run()
    assert shop.drift == [(payment.id, "missing_there")]


def test_money_over_another_amount_is_booked_and_refunded_and_reported_once(
    shop: ReconciledShop,
) -> None:
    payment = shop.add_payment()
    attempt = shop.records.add_attempt(payment, OPENED_AT, amount=Money(100, Currency.INR))
    assert shop.run().counts["drift"] == 1
    assert shop.run().counts["drift"] == 0
    assert shop.drift == [(attempt.id, "different_amount")]
    assert shop.status(payment) is PaymentStatus.PENDING
    assert shop.payments.stored[payment.id].attempt_ids == {attempt.id}


def test_an_order_with_another_amount_is_reported(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    [dated] = shop.records.orders
    dated.record = replace(dated.record, amount=Money(1, Currency.INR))
    shop.run()
    assert shop.drift == [(payment.razorpay_order_id, "different_amount")]


def test_a_duplicate_payment_is_applied_and_is_no_drift(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    first = shop.records.add_attempt(payment, OPENED_AT)
    second = shop.records.add_attempt(payment, OPENED_AT - timedelta(seconds=1))
    shop.run()
    assert shop.payments.stored[payment.id].attempt_ids == {first.id, second.id}
    assert shop.drift == []


def test_a_refund_in_a_foreign_currency_is_reported_and_does_not_stop_the_run(
    shop: ReconciledShop,
) -> None:
    foreign = ForeignMoney(500, "EUR")
    record = RazorpayRefund("rfnd_9", "pay_9", foreign, RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(OPENED_AT, record))
    report = shop.run()
    assert report.is_finished
    assert shop.drift == [("rfnd_9", "missing_here")]
    (drift,) = shop.store.drift.values()
    assert "500 EUR" in drift.details


def test_a_paid_payment_with_an_unpaid_order_is_reported(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    attempt = shop.records.add_attempt(payment, OPENED_AT)
    shop.payments.store(payment.completed(attempt, OPENED_AT))
    shop.records.attempts.clear()
    shop.records.add_order(payment)
    shop.run()
    assert shop.drift == [(payment.razorpay_order_id, "different_state")]


def test_the_attempt_of_a_paid_order_is_found_outside_of_the_window(
    shop: ReconciledShop,
) -> None:
    payment = shop.add_payment()
    shop.records.add_attempt(payment, NOON + timedelta(days=3))
    report = shop.run()
    assert shop.status(payment) is PaymentStatus.COMPLETED
    assert (report.counts["repaired"], shop.drift) == (1, [])


def a_refund(
    shop: ReconciledShop, status: RefundStatus, minor: int = 100
) -> tuple[Payment, RazorpayRefund]:
    """Add a paid payment with a processed refund of 100; returns it and Razorpay's record."""
    payment = shop.add_payment()
    attempt = shop.records.add_attempt(payment, OPENED_AT)
    amount = Money(100, Currency.INR)
    known = RazorpayRefund("rfnd_1", attempt.id, amount, RefundStatus.PROCESSED)
    paid = payment.completed(attempt, OPENED_AT).with_refund_record(known, "01JD9F", OPENED_AT)
    shop.updates.refunds["rfnd_1"] = shop.payments.store(paid)
    return paid, replace(known, status=status, amount=Money(minor, Currency.INR))


@pytest.mark.parametrize(
    ("status", "minor", "drift"),
    [
        (RefundStatus.PROCESSED, 100, []),
        (RefundStatus.PENDING, 100, []),  # the list is older than our row
        (RefundStatus.FAILED, 100, ["different_state"]),
        (RefundStatus.PROCESSED, 99, ["different_amount"]),
    ],
)
def test_a_refund_is_compared_with_the_record_of_razorpay(
    shop: ReconciledShop, status: RefundStatus, minor: int, drift: list[str]
) -> None:
    _, record = a_refund(shop, status, minor)
    shop.records.refunds.append(Dated(OPENED_AT, record))
    shop.run()
    assert [kind for _, kind in shop.drift] == drift


def test_a_refund_of_an_unknown_payment_is_missing_here(shop: ReconciledShop) -> None:
    record = RazorpayRefund("rfnd_9", "pay_9", Money(100, Currency.INR), RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(OPENED_AT, record))
    shop.run()
    assert shop.drift == [("rfnd_9", "missing_here")]


@pytest.mark.parametrize(
    ("failure", "drift"), [(None, []), (Failure.ORDER_CANCELLED, ["different_state"])]
)
def test_a_required_refund_that_failed_at_razorpay_is_reported(
    shop: ReconciledShop, failure: Failure | None, drift: list[str]
) -> None:
    payment = shop.add_payment()
    attempt = shop.records.add_attempt(payment, OPENED_AT)
    paid = payment.completed(attempt, OPENED_AT)
    ids = ("01JD9F", attempt.id)
    refund = Refund(*ids, paid.price, "why", "an admin", OPENED_AT, OPENED_AT)
    wanted = paid.with_refund(refund, OPENED_AT)
    if failure:
        wanted = wanted.with_cancelled_order(failure, "unused", OPENED_AT)
    record = RazorpayRefund("rfnd_1", attempt.id, wanted.price, RefundStatus.FAILED, "01JD9F")
    shop.updates.refunds["rfnd_1"] = shop.payments.store(
        wanted.with_refund_record(record, "x", OPENED_AT)
    )
    shop.records.refunds.append(Dated(OPENED_AT, record))
    shop.run()
    assert [kind for _, kind in shop.drift] == drift


def test_a_refund_of_an_attempt_that_was_never_captured_is_no_drift(shop: ReconciledShop) -> None:
    payment = shop.add_payment()
    attempt = shop.records.add_attempt(payment, OPENED_AT, AttemptStatus.FAILED)
    record = RazorpayRefund("rfnd_9", attempt.id, payment.price, RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(OPENED_AT, record))
    assert shop.run().counts["drift"] == 0


def test_drift_is_reported_once_however_often_it_is_found(shop: ReconciledShop) -> None:
    payment = shop.add_payment(NOON - timedelta(minutes=2))
    shop.records.orders.clear()
    for _ in range(3):
        report = shop.run_again()
        assert report.counts["drift"] == 1
    [event] = shop.outbox.of(PaymentDriftFound)
    assert isinstance(event, PaymentDriftFound)
    fields = (event.subject_id, event.kind, event.payment_id, event.order_id)
    assert fields == (payment.id, "missing_there", payment.id, payment.order_id)


def test_a_defect_with_one_record_does_not_stop_the_run(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = shop.pay(), shop.pay()
    apply = shop.updates.apply_payment_update

    def fail(attempt: Attempt, refunds: Sequence[RazorpayRefund]) -> Payment | None:
        if attempt.razorpay_order_id == bad.razorpay_order_id:
            raise RuntimeError("a defect")
        return apply(attempt, refunds)

    monkeypatch.setattr(shop.updates, "apply_payment_update", fail)
    report = shop.run()
    assert report.is_finished
    assert report.counts["failed"] > 0
    assert shop.status(good) is PaymentStatus.COMPLETED


def test_an_unreadable_record_does_not_stop_the_run(shop: ReconciledShop) -> None:
    paid, refunded = shop.pay(), shop.add_pending_refund()
    shop.records.unreadable = [UnreadableRecord("pay_in_a_new_status")]
    report = shop.run()
    assert report.is_finished
    assert report.counts["failed"] == len([Phase.ATTEMPTS, Phase.REFUNDS, Phase.ORDERS])
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.payments.stored[refunded.id] == refunded


@pytest.mark.parametrize(
    "failure",
    [
        ProviderRejected("no"),
        InvalidProviderResponse("invalid"),
        ProviderBusy("later"),
        BadGateway("failing"),
    ],
)
def test_a_failed_call_about_one_record_does_not_stop_the_run(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    shop.records.add_attempt(shop.add_payment(), OPENED_AT, AttemptStatus.REFUNDED)
    good = shop.pay()

    def fail(_: str) -> Sequence[RazorpayRefund]:
        raise failure

    monkeypatch.setattr(shop.records, "list_refunds", fail)
    report = shop.run()
    assert report.is_finished
    assert report.counts["failed"] > 0
    assert shop.status(good) is PaymentStatus.COMPLETED


def test_several_unanswered_calls_in_a_row_stop_the_run(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MAX_UNANSWERED + 1):
        shop.records.add_attempt(shop.add_payment(), OPENED_AT, AttemptStatus.REFUNDED)
    calls: list[str] = []

    def fail(attempt_id: str) -> Sequence[RazorpayRefund]:
        calls.append(attempt_id)
        raise BadGateway("failing")

    monkeypatch.setattr(shop.records, "list_refunds", fail)
    report = shop.run()
    assert (report.is_finished, report.counts["stopped"]) == (False, 1)
    assert len(calls) == MAX_UNANSWERED
