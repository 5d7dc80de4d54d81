"""Runs of the reconciliation: pages, checkpoints and windows."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from payment.model import PaymentStatus, RazorpayRefund, RefundStatus
from payment.reconciliation.model import PAGE, Report
from payment.reconciliation.walker import LATEST, LOOK_BACK
from supermarket.errors import Unavailable
from supermarket.money import Currency, Money
from support.reconciliation import OPENED_AT, Dated, ReconciledShop, pages


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
    assert max(int(call.split()[1]) for call in shop.records.calls) <= number


def test_a_run_without_time_is_continued_by_the_next_one(shop: ReconciledShop) -> None:
    paid = [shop.pay(OPENED_AT + timedelta(seconds=n)) for n in range(250)]
    runs = 0
    while not (report := shop.run(pages(2))).is_finished:
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


def test_the_next_run_compares_what_is_new_and_looks_back_a_day(
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
    checkpoint = shop.store.checkpoints[LATEST]
    assert checkpoint.until == clock.now - timedelta(seconds=1)
    assert checkpoint.since == NOON - timedelta(seconds=1) - LOOK_BACK


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
    payment = shop.add_pending_refund()
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
    assert resumed.checkpoint is not None
    assert (resumed.is_finished, resumed.checkpoint.found, resumed.found) == (True, 1, 0)
    assert shop.updates.synced == [payment.id] * 2
    shop.records.refunds.clear()
    again = run().checkpoint
    assert again is not None
    assert again.found == 0


def test_a_given_window_has_its_own_checkpoint_and_can_be_repeated(shop: ReconciledShop) -> None:
    paid, later = shop.pay(), shop.pay(NOON + timedelta(days=1))
    progress: list[str] = []

    def run() -> Report:
        return shop.reconciliation.reconcile(
            OPENED_AT, NOON, lambda: True, lambda report: progress.append(str(report.checkpoint))
        )

    assert run().is_finished
    assert shop.status(paid) is PaymentStatus.COMPLETED
    assert shop.status(later) is PaymentStatus.PENDING
    assert len(progress) >= 4
    assert run().is_finished
    assert LATEST not in shop.store.checkpoints


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
