"""Runs of the reconciliation: windows, pages and checkpoints."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from payment.model.attempt import AttemptStatus
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.status import PaymentStatus
from payment.reconciliation.model import COMPARED_AGAIN_AFTER, LATEST, PAGE, Report
from payment.reconciliation.walker import FIRST_WINDOW, OVERLAP
from supermarket.errors import Unavailable
from supermarket.money import Currency, Money
from support.payment import a_payment
from support.reconciliation import CUSTOMER, OPENED_AT, Dated, ReconciledShop, pages


def test_a_payment_without_a_webhook_is_repaired_and_is_no_drift(shop: ReconciledShop) -> None:
    paid, open_ = shop.pay(), shop.add_payment()
    report = shop.run()
    assert report.is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.status(open_) is PaymentStatus.PENDING
    assert report.counts["repaired"] == 1
    assert shop.drift == []


@pytest.mark.parametrize("number", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7])
def test_a_window_is_compared_page_by_page(shop: ReconciledShop, number: int) -> None:
    paid = [shop.pay(OPENED_AT + timedelta(seconds=n)) for n in range(number)]
    report = shop.run()
    assert report.is_finished
    assert sorted(shop.updates.completed) == sorted(payment.id for payment in paid)
    assert shop.drift == []
    assert len(shop.records.calls) == 2 * (number // PAGE + 1) + 1


def test_a_run_without_time_is_continued_by_the_next_one(shop: ReconciledShop) -> None:
    paid = [shop.pay(OPENED_AT + timedelta(seconds=n)) for n in range(250)]
    runs = 0
    while not (report := shop.run(pages(1))).is_finished:
        runs += 1
    assert runs > 3
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}
    assert len(shop.records.calls) == len(set(shop.records.calls))
    assert report.counts["stopped"] == 0


def test_a_run_that_crashes_is_continued_at_its_checkpoint(shop: ReconciledShop) -> None:
    paid = [shop.pay(OPENED_AT + timedelta(seconds=n)) for n in range(250)]

    def crash(call: str) -> None:
        if call == "attempts 200":
            raise KeyboardInterrupt

    shop.records.before_call = crash
    with pytest.raises(KeyboardInterrupt):
        shop.run()
    assert len(shop.updates.completed) == 200
    shop.records.before_call = lambda _: None
    shop.records.calls.clear()
    assert shop.run().is_finished
    assert shop.records.calls[0] == "attempts 200"
    assert sorted(shop.updates.completed) == sorted(payment.id for payment in paid)


def test_a_run_stops_while_razorpay_is_down_and_the_next_one_continues(
    shop: ReconciledShop,
) -> None:
    paid = shop.pay()

    def down(_: str) -> None:
        raise Unavailable("Razorpay does not answer")

    shop.records.before_call = down
    report = shop.run()
    assert (report.is_finished, report.counts["stopped"]) == (False, 1)
    shop.records.before_call = lambda _: None
    assert shop.run().is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED


def test_of_two_concurrent_runs_one_continues(shop: ReconciledShop) -> None:
    paid = [shop.pay(OPENED_AT + timedelta(seconds=n)) for n in range(150)]
    others: list[Report] = []

    def another_run(call: str) -> None:
        if call == "attempts 0" and not others:
            shop.records.before_call = lambda _: None
            others.append(shop.run())

    shop.records.before_call = another_run
    mine = shop.run()
    assert others[0].is_finished
    assert (mine.is_finished, mine.counts["superseded"]) == (False, 1)
    assert sorted(shop.updates.completed) == sorted(payment.id for payment in paid)
    assert shop.drift == []


def test_the_next_run_compares_what_is_new_and_what_was_not_settled(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    early = shop.add_payment()
    shop.run()
    clock.advance(timedelta(minutes=15))
    late = shop.pay(clock.now - timedelta(seconds=10))
    # an attempt that was made before the last run, and captured since
    shop.records.add_attempt(early, OPENED_AT)
    assert shop.run().is_finished
    assert {shop.status(early), shop.status(late)} == {PaymentStatus.COMPLETED}
    assert shop.drift == []
    agenda = shop.store.agendas[LATEST]
    assert agenda.until == clock.now - timedelta(milliseconds=1)
    assert [window.compared for window in agenda.windows] == [2, 1]


def test_after_days_without_a_run_everything_is_compared(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    shop.run()
    paid = [shop.pay(NOON + timedelta(hours=6 * n)) for n in range(20)]
    clock.advance(timedelta(days=6))
    assert shop.run().is_finished
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}


def test_a_continued_run_of_a_given_window_counts_what_was_found_before(
    shop: ReconciledShop,
) -> None:
    foreign = RazorpayRefund("rfnd_9", "pay_9", Money(100, Currency.INR), RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(OPENED_AT, foreign))

    def down(call: str) -> None:
        if call.startswith("orders"):
            raise Unavailable("Razorpay does not answer")

    def run() -> Report:
        return shop.reconciliation.reconcile(OPENED_AT, NOON, lambda: True)

    shop.records.before_call = down
    assert not run().is_finished
    shop.records.before_call = lambda _: None
    resumed = run()
    assert resumed.agenda is not None
    assert (resumed.is_finished, resumed.agenda.found, resumed.found) == (True, 1, 0)
    shop.records.refunds.clear()
    again = run().agenda
    assert again is not None
    assert again.found == 0


def test_a_given_window_has_its_own_checkpoint_and_can_be_repeated(shop: ReconciledShop) -> None:
    paid, later = shop.pay(), shop.pay(NOON + timedelta(days=1))
    progress: list[str] = []

    def run() -> Report:
        return shop.reconciliation.reconcile(
            OPENED_AT, NOON, lambda: True, lambda report: progress.append(str(report.counts))
        )

    assert run().is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.status(later) is PaymentStatus.PENDING
    assert len(progress) >= 3
    assert run().is_finished
    assert LATEST not in shop.store.agendas


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12), st.integers(1, 4))
def test_runs_of_any_length_repair_every_payment_once(
    history: list[tuple[bool, int]], pages_per_run: int
) -> None:
    shop = ReconciledShop(FrozenClock())
    for is_paid, minutes in history:
        at = OPENED_AT + timedelta(minutes=minutes)
        shop.pay(at) if is_paid else shop.add_payment(at)
    for _ in range(30):
        if shop.run(pages(pages_per_run)).is_finished:
            break
    statuses = [shop.status(payment) for payment in shop.payments.stored.values()]
    expected = [
        PaymentStatus.COMPLETED if is_paid else PaymentStatus.PENDING for is_paid, _ in history
    ]
    assert statuses == expected
    assert len(shop.updates.completed) == len(set(shop.updates.completed))


def test_windows_have_about_as_many_payments_each_and_cover_all_time(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment.reconciliation.walker.PAYMENTS_PER_WINDOW", 10)
    paid = [shop.pay(OPENED_AT + timedelta(milliseconds=300 * n)) for n in range(95)]
    assert shop.run().windows == 10
    windows = shop.store.agendas[LATEST].windows
    assert windows[0].since == NOON - timedelta(milliseconds=1) - FIRST_WINDOW
    assert windows[-1].until == NOON - timedelta(milliseconds=1)
    for window, following in pairwise(windows):
        assert following.since == window.until + timedelta(milliseconds=1)
        assert window.since < window.until
        assert following.since.microsecond == 0
    assert sorted(shop.updates.completed) == sorted(payment.id for payment in paid)
    assert shop.drift == []


def test_windows_are_compared_side_by_side(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment.reconciliation.walker.PAYMENTS_PER_WINDOW", 10)
    for n in range(95):
        shop.pay(OPENED_AT + timedelta(seconds=n))
    at_once = Barrier(4, timeout=10)
    shop.records.before_call = lambda call: (call == "attempts 0" and at_once.wait(), None)[1]
    shop.reconciliation = replace(shop.reconciliation, workers=4)
    # 12 of the windows wait for each other in groups of 4
    for n in range(95, 115):
        shop.pay(OPENED_AT + timedelta(seconds=n))
    report = shop.run()
    assert (report.is_finished, report.windows) == (True, 12)
    assert report.counts["checked"] >= 2 * 115


def test_a_window_is_compared_again_at_the_times_of_the_plan(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    shop.add_payment()
    shop.run()
    for wait in COMPARED_AGAIN_AFTER:
        agenda = shop.store.agendas[LATEST]
        clock.now = agenda.windows[0].until + wait - timedelta(seconds=1)
        compared = agenda.windows[0].compared
        shop.run()
        assert shop.store.agendas[LATEST].windows[0].compared == compared
        clock.now = agenda.windows[0].until + wait
        shop.run()
    assert shop.store.agendas[LATEST].windows[0].since >= NOON - timedelta(minutes=2)


def test_an_attempt_that_is_captured_after_its_comparison_is_found_again(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    """Also for a payment that is paid: the customer may have paid twice."""
    paid = shop.pay()
    second = shop.records.add_attempt(paid, OPENED_AT, AttemptStatus.CREATED)
    shop.run()
    shop.records.attempts[-1].record = replace(second, status=AttemptStatus.CAPTURED)
    clock.advance(COMPARED_AGAIN_AFTER[0])
    assert shop.run().counts["repaired"] == 1
    assert second.id in shop.payments.stored[paid.id].attempt_ids


def test_a_refund_that_changes_after_its_comparison_is_found_again(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    made = RazorpayRefund("rfnd_9", "pay_9", Money(100, Currency.INR), RefundStatus.PENDING)
    applied: list[RefundStatus] = []
    shop.updates.apply_refund_update = lambda record: applied.append(record.status)  # type: ignore[method-assign]
    shop.records.refunds.append(Dated(OPENED_AT, made))
    shop.run()
    shop.records.refunds[0].record = replace(made, status=RefundStatus.PROCESSED)
    clock.advance(COMPARED_AGAIN_AFTER[0])
    shop.run()
    assert applied == [RefundStatus.PENDING, RefundStatus.PROCESSED]


def test_an_order_whose_event_is_lost_after_its_comparison_is_confirmed(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    payment = shop.add_payment()
    shop.run()
    attempt = shop.records.add_attempt(payment, OPENED_AT)
    shop.payments.store(payment.completed(attempt, clock.now))
    shop.updates.unconfirmed = {payment.id}
    for _ in range(2):
        clock.advance(COMPARED_AGAIN_AFTER[1])
        shop.run()
    assert shop.updates.unconfirmed == set()


def test_a_record_of_razorpays_late_clock_is_compared_by_the_next_run(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    shop.run()
    late = shop.pay(clock.now - OVERLAP + timedelta(seconds=1))
    clock.advance(timedelta(minutes=5))
    shop.run()
    assert shop.status(late) is PaymentStatus.COMPLETED


def test_orders_before_a_given_window_are_not_compared(shop: ReconciledShop) -> None:
    """An order is made before its payment is stored; the order alone belongs to no window then."""
    before = OPENED_AT - timedelta(seconds=1)
    unknown = replace(a_payment(CUSTOMER), created_at=before)
    shop.records.add_order(unknown, is_paid=True)
    stored = shop.add_payment(before)
    shop.payments.store(replace(stored, created_at=OPENED_AT + timedelta(milliseconds=300)))

    def find_order(_: str) -> None:
        pytest.fail("it is among the orders")

    shop.records.find_order = find_order  # type: ignore[method-assign,assignment]
    report = shop.run_again()
    assert (report.counts["checked"], report.counts["drift"]) == (0, 0)


def test_the_lag_is_that_of_the_oldest_window_that_was_never_compared(
    shop: ReconciledShop, clock: FrozenClock
) -> None:
    shop.pay()

    def down(_: str) -> None:
        raise Unavailable("Razorpay does not answer")

    def lag() -> timedelta:
        agenda = shop.run().agenda
        assert agenda is not None
        return agenda.lag(clock.now)

    assert lag() <= timedelta(seconds=1)
    shop.records.before_call = down
    clock.advance(timedelta(minutes=5))
    assert lag() <= timedelta(seconds=1)  # its window has just ended
    clock.advance(timedelta(minutes=30))
    assert lag() >= timedelta(minutes=30)
    shop.records.before_call = lambda _: None
    assert lag() <= timedelta(seconds=1)


def test_a_defect_in_a_window_does_not_stop_the_others(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment.reconciliation.walker.PAYMENTS_PER_WINDOW", 10)
    paid = [shop.pay(OPENED_AT + timedelta(seconds=n)) for n in range(30)]
    calls = 0

    def fail_once(_: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a defect")

    shop.records.before_call = fail_once
    report = shop.run()
    assert (report.is_finished, report.counts["failed"]) == (False, 1)
    assert 0 < len(shop.updates.completed) < 30
    assert shop.run().is_finished
    assert {shop.status(payment) for payment in paid} == {PaymentStatus.COMPLETED}
