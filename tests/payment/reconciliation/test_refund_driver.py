"""The driver of open refunds."""

from datetime import timedelta

import pytest

from conftest import NOON, FrozenClock
from payment.model.payment import Payment
from payment.ports import ProviderBusy
from payment.reconciliation.model import MAX_UNANSWERED
from payment.reconciliation.refund_driver import OVERDUE_AFTER
from supermarket.errors import Unavailable
from support.reconciliation import OPENED_AT, ReconciledShop


def test_open_refunds_are_synchronised(shop: ReconciledShop) -> None:
    payment = shop.add_pending_refund()
    report = shop.send_refunds()
    assert shop.updates.synced == [payment.id]
    assert report.counts["synced"] == 1


def test_no_refund_is_synchronised_without_time(
    shop: ReconciledShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, later = shop.add_pending_refund(), shop.add_pending_refund()

    def sync_slowly(payment_id: str) -> Payment:
        clock.advance(timedelta(minutes=5))
        shop.updates.synced.append(payment_id)
        return slow

    monkeypatch.setattr(shop.updates, "sync_refunds", sync_slowly)
    shop.send_refunds(lambda: clock.now < NOON)
    assert shop.updates.synced == []
    shop.send_refunds(lambda: clock.now < NOON + timedelta(minutes=5))
    assert later.open_refunds
    assert shop.updates.synced == [slow.id]


@pytest.mark.parametrize(
    ("age", "drift"), [(OVERDUE_AFTER, 0), (OVERDUE_AFTER + timedelta(seconds=1), 1)]
)
def test_a_refund_that_razorpay_does_not_accept_for_a_day_is_missing_there(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch, age: timedelta, drift: int
) -> None:
    payment = shop.add_payment()
    attempt = shop.records.add_attempt(payment, OPENED_AT)
    paid = payment.completed(attempt, NOON - age)
    shop.payments.store(paid.with_full_refund(attempt.id, "01JD9F", "why", NOON - age))

    def reject(_: str) -> Payment:
        raise ProviderBusy("not enough balance")

    monkeypatch.setattr(shop.updates, "sync_refunds", reject)
    report = shop.send_refunds()
    assert (report.counts["unsynced"], report.counts["overdue"]) == (1, drift)
    assert shop.drift == [("01JD9F", "missing_there")] * drift


def test_refunds_that_cannot_be_made_do_not_block_the_others(
    shop: ReconciledShop, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = 3 * timedelta(minutes=5) // timedelta(seconds=1)
    for number in range(stuck):
        since = NOON - timedelta(days=9) + timedelta(seconds=number)
        shop.add_unsent_refund(f"stuck {number}", since)
    new = shop.add_unsent_refund("new", NOON - timedelta(days=2))

    def change_nothing(payment_id: str) -> Payment:
        clock.advance(timedelta(seconds=1))
        shop.updates.synced.append(payment_id)
        return shop.payments.stored[payment_id]

    monkeypatch.setattr(shop.updates, "sync_refunds", change_nothing)
    for number in range(4):
        assert new.id not in shop.updates.synced, number
        ends = clock.now + timedelta(minutes=5)
        shop.send_refunds(lambda ends=ends: clock.now < ends)  # type: ignore[misc]
    assert new.id in shop.updates.synced
    assert ("new", "missing_there") in shop.drift


def test_after_several_unanswered_calls_no_more_refunds_are_synchronised(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    since, numbers = NOON - timedelta(days=2), range(MAX_UNANSWERED + 2)
    ids = [shop.add_unsent_refund(f"{number}", since).id for number in numbers]
    calls: list[str] = []

    def fail(payment_id: str) -> Payment:
        calls.append(payment_id)
        raise Unavailable("Razorpay does not answer")

    monkeypatch.setattr(shop.updates, "sync_refunds", fail)
    report = shop.send_refunds()
    assert calls == ids[:MAX_UNANSWERED]
    counts = report.counts
    assert (counts["unsynced"], counts["overdue"]) == (MAX_UNANSWERED, len(ids))
    levels = {r.levelname for r in caplog.records if r.message == "refunds not synchronised"}
    assert levels == {"WARNING"}


def test_a_busy_razorpay_does_not_end_the_synchronisation(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MAX_UNANSWERED + 2):
        shop.add_unsent_refund(f"{number}", NOON)

    def reject(_: str) -> Payment:
        raise ProviderBusy("not enough balance")

    monkeypatch.setattr(shop.updates, "sync_refunds", reject)
    assert shop.send_refunds().counts["unsynced"] == MAX_UNANSWERED + 2


def test_a_defect_with_one_payment_is_logged_as_an_error_and_does_not_stop_the_run(
    shop: ReconciledShop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        shop.add_unsent_refund(f"{number}", NOON)

    def fail(_: str) -> Payment:
        raise RuntimeError("a defect")

    monkeypatch.setattr(shop.updates, "sync_refunds", fail)
    report = shop.send_refunds()
    assert (report.counts["unsynced"], report.is_finished) == (2, True)
    assert [r.levelname for r in caplog.records] == ["ERROR"] * 2
