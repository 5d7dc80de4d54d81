"""A run that is killed at any point and continued: nothing is lost, and nothing is done twice."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from conftest import NOON, FrozenClock
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.status import PaymentStatus
from payment.reconciliation.model import COMPARED_AGAIN_AFTER, LATEST
from supermarket.money import Currency, Money
from support.killing import Killed, Process
from support.reconciliation import OPENED_AT, Dated, ReconciledShop

PAYMENTS, PER_WINDOW, PER_PAGE = 23, 7, 5
UNPAID, DRIFT = 3, "rfnd_9"


def a_shop(process: Process, workers: int) -> ReconciledShop:
    """A shop with some windows of payments without webhooks, and with a refund of others."""
    shop = ReconciledShop(FrozenClock())
    shop.reconciliation = replace(shop.reconciliation, workers=workers)
    shop.refunds = replace(shop.refunds, workers=workers)
    for number in range(PAYMENTS):
        at = OPENED_AT + timedelta(seconds=number)
        shop.add_payment(at) if number < UNPAID else shop.pay(at)
    foreign = RazorpayRefund(DRIFT, "pay_9", Money(100, Currency.INR), RefundStatus.PROCESSED)
    shop.records.refunds.append(Dated(OPENED_AT, foreign))
    lists = ("list_attempts_between", "list_refunds_between", "list_orders_between")
    process.observe(shop.records, *lists, "list_attempts", "find_order", "get_attempt")
    process.observe(shop.updates, "apply_payment_update", "sync_order", "sync_refunds")
    process.observe(shop.store, "save_agenda", "save_checkpoint", "find_agenda", "find_checkpoint")
    process.observe(shop.payments, "touch", "find_by_razorpay_ids", "list_unsettled_between")
    return shop


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payment.reconciliation.walker.PAYMENTS_PER_WINDOW", PER_WINDOW)
    for module in ("reconciliation.model", "reconciliation.comparison"):
        monkeypatch.setattr(f"payment.{module}.PAGE", PER_PAGE)
    monkeypatch.setattr("support.reconciliation.PAGE", PER_PAGE)


def compare_all(shop: ReconciledShop) -> None:
    """Run as often as every window is to be compared."""
    for wait in (timedelta(0), *COMPARED_AGAIN_AFTER, timedelta(0)):
        shop.clock.advance(wait)
        shop.run()


def check(shop: ReconciledShop) -> None:
    statuses = Counter(shop.status(payment) for payment in shop.payments.stored.values())
    assert statuses == {
        PaymentStatus.COMPLETED: PAYMENTS - UNPAID,
        PaymentStatus.PENDING: UNPAID,
    }
    assert max(Counter(shop.updates.completed).values()) == 1
    assert shop.drift == [(DRIFT, "missing_here")]
    assert len(shop.outbox.events) == 1
    agenda = shop.store.agendas[LATEST]
    assert agenda.until == shop.clock.now - timedelta(milliseconds=1)
    oldest = min(window.since for window in agenda.windows)
    assert oldest > NOON - timedelta(minutes=2)  # those before it are compared for good


def test_a_run_killed_at_any_call_is_continued_without_loss_or_repetition() -> None:
    unkilled = Process()
    shop = a_shop(unkilled, 1)
    compare_all(shop)
    check(shop)
    for at in range(unkilled.calls):
        process = Process(at)
        shop = a_shop(process, 1)
        with pytest.raises(Killed):
            compare_all(shop)
        process.revive()
        compare_all(shop)
        check(shop)


@pytest.mark.parametrize("seed", range(20))
def test_runs_with_many_workers_killed_again_and_again_lose_and_repeat_nothing(seed: int) -> None:
    chance = random.Random(seed)
    process = Process(0)
    shop = a_shop(process, 4)
    for _ in range(12):
        process.at = process.calls + chance.randrange(40)
        try:
            shop.run()
        except Killed:
            continue
    process.revive()
    compare_all(shop)
    check(shop)


def test_a_killed_run_of_the_refund_driver_leaves_no_refund_out() -> None:
    unkilled = Process()
    a_shop_with_refunds(unkilled).send_refunds()
    for at in range(unkilled.calls):
        process = Process(at)
        shop = a_shop_with_refunds(process)
        with pytest.raises(Killed):
            shop.send_refunds()
        process.revive()
        shop.send_refunds()
        assert set(shop.updates.synced) == {p.id for p in shop.payments.stored.values()}


def a_shop_with_refunds(process: Process) -> ReconciledShop:
    shop = ReconciledShop(FrozenClock())
    for number in range(5):
        shop.add_unsent_refund(f"{number}", NOON - timedelta(minutes=number))
    process.observe(shop.payments, "list_with_open_refunds", "touch", "find")
    process.observe(shop.updates, "sync_refunds")
    return shop
