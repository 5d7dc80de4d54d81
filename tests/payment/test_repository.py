"""The tables of payment in DynamoDB and in memory, with the same tests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from pynamodb.exceptions import UpdateError

from payment.model.amounts import ForeignMoney
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.early_reports import EarlyReports
from payment.model.payment import Payment, sort_key
from payment.model.refund import RazorpayRefund, Refund, RefundStatus
from payment.model.status import Failure
from payment.repository import SHARDS, DynamoEarlyReports, DynamoPayments, PaymentRow
from supermarket.aws import error_code
from supermarket.clock import new_id
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction
from support.api import a_caller
from support.in_memory import InMemoryOutbox
from support.payment import NOON, InMemoryEarlyReports, InMemoryPayments, a_payment
from support.reconciliation import FakeReconciledPayments

LATER = NOON + timedelta(minutes=1)

Payments = DynamoPayments | InMemoryPayments
EarlyReportStores = DynamoEarlyReports | InMemoryEarlyReports
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


def add(store: Store, payment: Payment) -> Payment:
    commit(store, lambda payments, transaction: payments.add(payment, transaction))
    return payment


def save(store: Store, before: Payment, after: Payment) -> Payment:
    commit(store, lambda payments, transaction: payments.save(before, after, transaction))
    return after


def attempt(payment: Payment, id_: str = "pay_1") -> Attempt:
    return Attempt(id_, payment.razorpay_order_id, payment.price, AttemptStatus.FAILED)


def test_a_payment_is_found_by_its_id_its_order_and_its_razorpay_order(store: Store) -> None:
    payments, _ = store
    payment = add(store, a_payment(a_caller()))
    assert payments.find(payment.id) == payment
    assert payments.find_by_order(payment.order_id) == payment
    assert payments.find_by_razorpay_id(payment.razorpay_order_id) == payment


def test_a_fee_is_stored_in_its_own_currency(store: Store) -> None:
    payments, _ = store
    payment = add(store, a_payment(a_caller(), Money(1_000, Currency.USD)))
    fee = Money(3_009, Currency.INR)
    taken = replace(attempt(payment), status=AttemptStatus.CAPTURED, fee=fee)
    paid = save(store, payment, payment.completed(taken, LATER))
    twice = save(store, paid, paid.with_surplus(replace(taken, id="pay_2"), LATER))
    assert payments.find(payment.id) == twice
    assert (twice.fee, twice.fee_of("pay_2")) == (fee, fee)


def test_unknown_ids_find_nothing(store: Store) -> None:
    payments, _ = store
    payment = add(store, a_payment(a_caller()))
    assert payments.find(payment.order_id) is None
    assert payments.find_by_order(payment.id) is None
    assert payments.find_by_razorpay_id("") is None


def test_every_change_is_stored_completely(store: Store) -> None:
    payments, _ = store
    payment = add(store, a_payment(a_caller()))
    payment = save(store, payment, payment.with_failed_attempt(attempt(payment, "pay_1"), LATER))
    assert payments.find(payment.id) == payment
    payment = save(store, payment, payment.reopened(LATER))
    payment = save(store, payment, payment.with_failed_attempt(attempt(payment, "pay_2"), LATER))
    assert payments.find(payment.id) == payment
    payment = save(store, payment, payment.completed(attempt(payment, "pay_3"), LATER))
    assert payments.find_by_order(payment.order_id) == payment


def test_an_order_has_one_payment(store: Store) -> None:
    payments, _ = store
    first, second = a_payment(a_caller()), a_payment(a_caller())
    add(store, first)
    rival = Payment(**{**vars(second), "order_id": first.order_id})
    with pytest.raises(StaleWrite):
        add(store, rival)
    assert payments.find_by_order(first.order_id) == first
    assert payments.find(rival.id) is None
    assert payments.find_by_razorpay_id(rival.razorpay_order_id) is None


def test_a_stale_change_is_rejected(store: Store) -> None:
    payments, _ = store
    payment = add(store, a_payment(a_caller()))
    winner = save(store, payment, payment.cancelled(Failure.ORDER_EXPIRED, LATER))
    with pytest.raises(StaleWrite):
        save(store, payment, payment.completed(attempt(payment), LATER))
    assert payments.find(payment.id) == winner


def test_a_payment_that_is_not_stored_cannot_be_changed(store: Store) -> None:
    payments, _ = store
    payment = a_payment(a_caller())
    with pytest.raises(StaleWrite):
        save(store, payment, payment.cancelled(Failure.ORDER_CANCELLED, LATER))
    assert payments.find(payment.id) is None


def paid(store: Store) -> Payment:
    payment = add(store, a_payment(a_caller()))
    captured = replace(attempt(payment), fee=Money(7, payment.price.currency))
    return save(store, payment, payment.completed(captured, LATER))


def test_a_paid_payment_is_found_by_its_attempt(store: Store) -> None:
    payments, _ = store
    payment = paid(store)
    assert payments.find_by_razorpay_id("pay_1") == payment
    assert payments.find_by_razorpay_id("pay_2") is None


def test_a_payment_is_listed_until_its_refund_is_processed(store: Store) -> None:
    payments, _ = store
    payment = paid(store)
    assert payments.list_with_open_refunds(10) == []
    part = Money(100, payment.price.currency)
    refund = Refund(new_id(), "pay_1", part, "why", "admin", LATER, LATER)
    payment = save(store, payment, payment.with_refund(refund, LATER))
    assert payments.find(payment.id) == payment
    assert payments.list_with_open_refunds(10) == [payment.id]
    done = refund.with_status(RefundStatus.PROCESSED, LATER, "rfnd_1")
    payment = save(store, payment, payment.with_refund(done, LATER))
    assert payments.find(payment.id) == payment
    assert payments.list_with_open_refunds(10) == []


def test_a_duplicate_payment_is_stored_completely_and_found_by_its_attempt(store: Store) -> None:
    payments, _ = store
    payment = paid(store)
    fee = Money(9, payment.price.currency)
    wanted = payment.with_surplus(attempt(payment, "pay_2"), LATER)
    wanted = wanted.with_full_refund("pay_2", new_id(), "why", LATER)
    payment = save(store, payment, wanted)
    for attempt_id in ("pay_1", "pay_2"):
        assert payments.find_by_razorpay_id(attempt_id) == payment
    assert payments.list_with_open_refunds(10) == [payment.id]
    charged = payment.with_fee(replace(attempt(payment, "pay_2"), fee=fee), LATER)
    payment = save(store, payment, charged)
    assert payments.find(payment.id) == payment
    assert payment.fee_of("pay_2") == fee


def test_an_unsent_refund_is_listed_before_a_sent_one(
    store: Store,
) -> None:
    payments, _ = store
    sent, unsent = paid(store), add(store, a_payment(a_caller()))
    pending = sent.with_refund_record(
        RazorpayRefund("rfnd_1", "pay_1", Money(100, sent.price.currency), RefundStatus.PENDING),
        new_id(),
        NOON,
    )
    save(store, sent, pending)
    captured = replace(attempt(unsent), id="pay_2")
    paid_later = unsent.completed(captured, LATER)
    wanted = paid_later.with_full_refund("pay_2", new_id(), "why", LATER)
    save(store, unsent, wanted)
    assert payments.list_with_open_refunds(10) == [unsent.id, sent.id]
    assert payments.list_with_open_refunds(1) == [unsent.id]


def refunding(store: Store, minutes: int, *, is_sent: bool = False) -> str:
    """Add a payment with a refund requested some minutes after noon, and return its id."""
    payment = add(store, a_payment(a_caller()))
    at = NOON + timedelta(minutes=minutes)
    captured = attempt(payment, f"pay_{minutes}")
    wanted = payment.completed(captured, at).with_full_refund(captured.id, new_id(), "why", at)
    if is_sent:
        (refund,) = wanted.refunds
        wanted = wanted.with_refund(
            refund.with_status(RefundStatus.PENDING, at, f"rfnd_{minutes}"), at
        )
    return save(store, payment, wanted).id


def test_payments_with_open_refunds_are_listed_oldest_first(store: Store) -> None:
    payments, _ = store
    found = {minutes: refunding(store, minutes) for minutes in (3, 1, 2)}
    assert payments.list_with_open_refunds(2) == [found[1], found[2]]


def test_unsent_and_sent_refunds_are_listed_alternately(store: Store) -> None:
    payments, _ = store
    unsent = [refunding(store, minutes) for minutes in (1, 2, 3)]
    sent = [refunding(store, minutes, is_sent=True) for minutes in (4, 5)]
    alternately = [unsent[0], sent[0], unsent[1], sent[1], unsent[2]]
    assert payments.list_with_open_refunds(10) == alternately
    assert payments.list_with_open_refunds(3) == alternately[:3]


def test_a_touched_payment_is_listed_last_and_can_be_changed(store: Store) -> None:
    payments, _ = store
    first, second = (refunding(store, minutes) for minutes in (1, 2))
    read = payments.find(first)
    assert read is not None
    at = NOON + timedelta(minutes=3)
    payments.touch(first, at)
    assert payments.list_with_open_refunds(10) == [second, first]
    assert payments.find(first) == replace(read, updated_at=at)
    (refund,) = read.refunds
    done = read.with_refund(refund.with_status(RefundStatus.PROCESSED, at, "rfnd_1"), at)
    save(store, read, done)
    payments.touch(first, at + timedelta(minutes=1))  # it has no open refund any more
    assert payments.find(first) == done
    payments.touch(new_id(), at)
    assert payments.list_with_open_refunds(10) == [second]


def test_the_first_rejection_of_a_required_refund_is_stored(store: Store) -> None:
    payments, _ = store
    read = payments.find(refunding(store, 1))
    assert read is not None
    cancelled = read.with_cancelled_order(Failure.ORDER_CANCELLED, new_id(), LATER)
    save(store, read, cancelled)
    rejected = save(store, cancelled, cancelled.with_rejected_refund(read.refunds[0].id, LATER))
    assert payments.find(read.id) == rejected
    assert rejected.refunds[0].rejected_at == LATER
    assert rejected.with_rejected_refund(read.refunds[0].id, LATER + timedelta(hours=1)) == rejected


@pytest.mark.usefixtures("aws")
def test_a_time_out_of_a_touch_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(*_: object) -> None:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

    monkeypatch.setattr(database().client, "_make_api_call", time_out)
    with pytest.raises(UpdateError) as failure:
        DynamoPayments().touch(new_id(), NOON)
    assert error_code(failure.value) is None


@pytest.mark.usefixtures("aws")
def test_payments_are_listed_over_several_days_as_in_memory() -> None:
    table, memory = DynamoPayments(), FakeReconciledPayments()
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    offsets = [-90_000, -3_600, -1, 0, 0, 0, 1, 3_600, 90_000, 200_000]
    for seconds in offsets:
        at = midnight + timedelta(seconds=seconds)
        payment = memory.store(replace(a_payment(a_caller()), created_at=at, updated_at=at))
        transaction = DynamoTransaction()
        table.add(payment, transaction)
        transaction.commit()
    for since, until in ((-100_000, 250_000), (-3_600, 90_000), (0, 0), (1, 3_599), (2, 3)):
        window = (midnight + timedelta(seconds=since), midnight + timedelta(seconds=until))
        assert list(table.list_keys_between(*window)) == list(memory.list_keys_between(*window))
        unsettled = memory.list_unsettled_between(*window)
        found = table.list_unsettled_between(*window)
        assert sorted(found, key=sort_key) == sorted(unsettled, key=sort_key)


@pytest.mark.usefixtures("aws")
def test_payments_of_a_page_of_razorpay_orders_are_found_together() -> None:
    table = DynamoPayments()
    payments = [a_payment(a_caller()) for _ in range(101)]
    for payment in payments:
        transaction = DynamoTransaction()
        table.add(payment, transaction)
        transaction.commit()
    ids = {payment.razorpay_order_id for payment in payments[:99]} | {"order_unknown"}
    found = table.find_by_razorpay_ids(ids)
    assert found == {payment.razorpay_order_id: payment for payment in payments[:99]}
    assert table.find_by_razorpay_ids(set()) == {}
    some = [payment.id for payment in payments[:99]] + [new_id()]
    assert {one.id: one for one in table.find_many(some)} == {one.id: one for one in payments[:99]}


def test_a_payment_is_unsettled_until_it_is_paid(store: Store) -> None:
    payments, _ = store
    window = (NOON - timedelta(days=1), NOON + timedelta(days=1))
    payment = add(store, a_payment(a_caller()))
    assert payments.list_unsettled_between(*window) == [payment]
    payment = save(store, payment, payment.with_failed_attempt(attempt(payment), LATER))
    assert payments.list_unsettled_between(*window) == [payment]
    assert payments.list_unsettled_between(window[0], NOON - timedelta(seconds=1)) == []
    captured = replace(attempt(payment, "pay_2"), status=AttemptStatus.CAPTURED)
    save(store, payment, payment.completed(captured, LATER))
    assert payments.list_unsettled_between(*window) == []


@pytest.mark.usefixtures("aws")
def test_the_unsettled_payments_are_spread_over_the_shards_of_their_index() -> None:
    table = DynamoPayments()
    for _ in range(64):
        transaction = DynamoTransaction()
        table.add(a_payment(a_caller()), transaction)
        transaction.commit()
    in_shards = [len(list(PaymentRow.by_unsettled.query(str(shard)))) for shard in SHARDS]
    assert sum(in_shards) == 64
    assert max(in_shards) < 24


# --- early reports --------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "dynamodb"])
def early(request: pytest.FixtureRequest) -> tuple[EarlyReportStores, BeginTransaction]:
    if request.param == "memory":
        return InMemoryEarlyReports(), InMemoryOutbox().begin
    request.getfixturevalue("aws")
    return DynamoEarlyReports(lambda: NOON), DynamoTransaction


def a_dispute() -> Dispute:
    amount = Money(500, Currency.INR)
    return Dispute("disp_1", "pay_1", amount, DisputeStatus.OPEN, "chargeback", "fraud", NOON)


def test_early_reports_are_stored_as_they_are_in_the_order_of_their_arrival(
    early: tuple[EarlyReportStores, BeginTransaction],
) -> None:
    store, begin = early
    assert store.find("pay_1") == EarlyReports("pay_1")
    made, foreign = Money(100, Currency.USD), ForeignMoney(100, "EUR")
    processed = RefundStatus.PROCESSED
    reports = EarlyReports("pay_1")
    for report in (
        RazorpayRefund("rfnd_2", "pay_1", made, processed, "our-id"),
        RazorpayRefund("rfnd_1", "pay_1", foreign, processed),
        a_dispute(),
        replace(a_dispute(), respond_by=LATER, deducted=Money(1, Currency.INR)),
    ):
        reports = reports.with_report(report)
        transaction = begin()
        store.save(reports, transaction)
        transaction.commit()
    assert store.find("pay_1") == reports
    assert reports.with_report(a_dispute()) == reports
    assert (len(reports.refunds), len(reports.disputes), reports.version) == (2, 2, 4)


def test_early_reports_of_an_earlier_version_are_stale(
    early: tuple[EarlyReportStores, BeginTransaction],
) -> None:
    store, begin = early
    none = EarlyReports("pay_1")
    one = none.with_report(a_dispute())
    for write, reports, is_stale in (
        (store.require_unchanged, none, False),
        (store.save, one, False),
        (store.save, one, True),
        (store.require_unchanged, none, True),
        (store.require_unchanged, one, False),
    ):
        transaction = begin()
        write(reports, transaction)
        if is_stale:
            with pytest.raises(StaleWrite):
                transaction.commit()
        else:
            transaction.commit()


def test_disputes_and_late_authorizations_are_stored_with_the_payment(store: Store) -> None:
    payment = add(store, a_payment(a_caller()))
    attempt_ = replace(attempt(payment), status=AttemptStatus.CAPTURED)
    paid = payment.completed(attempt_, LATER).with_dispute(a_dispute(), new_id(), LATER)
    saved = save(store, payment, replace(paid, version=2, late_authorizations=frozenset({"pay_2"})))
    assert store[0].find(payment.id) == saved
    assert saved.is_disputed
