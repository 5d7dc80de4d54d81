"""The comparison of Razorpay's settlements, and of what they contain, with the ledger."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

import pytest

from conftest import NOON
from payment.ledger import Account
from payment.model.attempt import Attempt, AttemptStatus
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.settlement import ItemKind, SettledItem, Settlement, SettlementStatus
from payment.model.status import PaymentStatus
from payment.reconciliation.comparison import Comparison
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import (
    ITEMS_PAGE,
    PAGE,
    RecordPage,
    Records,
    Report,
    UnreadableRecord,
)
from payment.reconciliation.ports import RazorpayRecords
from payment.reconciliation.settlements import INDIA, LOOK_BACK, SettlementSync
from payment.settlements import Settlements
from supermarket.errors import Unavailable
from supermarket.money import Currency, Money
from support.killing import Killed, Process
from support.payment import PRICE, Shop, an_order
from support.reconciliation import InMemoryDriftStore

ZERO, FEE, TAX = (Money(minor, Currency.INR) for minor in (0, 1_180, 180))
DAY = NOON.astimezone(INDIA).date() - timedelta(days=1)  # the last one that is over


class SettledShop(Shop):
    """A shop with Razorpay's settlements, newest first, and what was settled on each day."""

    def __init__(self, process: Process | None = None) -> None:
        super().__init__()
        begin = process.begin(self.outbox) if process else self.outbox.begin
        self.clock.now = NOON
        self.store = InMemoryDriftStore()
        self.records: list[Settlement | UnreadableRecord] = []
        self.items: dict[date, list[SettledItem | UnreadableRecord]] = {DAY: []}
        self.pages: list[object] = []
        self.is_down = False
        self.settlements = Settlements(self.ledger, self.audit, begin)
        drift = DriftReporter(self.store, begin, self.clock)
        razorpay, updates = cast("RazorpayRecords", self.razorpay), self.a_service(begin)
        comparison = Comparison(self.payments, razorpay, updates, drift, Report())
        self.sync = SettlementSync(self, self.settlements, comparison, self.store, self.clock)

    def list_settlements_between(self, page: RecordPage) -> Records[Settlement]:
        self._call(page)
        return self.records[page.skip : page.skip + PAGE]

    def list_settled_items(self, day: date, skip: int) -> Records[SettledItem]:
        self._call((day, skip))
        return self.items.get(day, [])[skip : skip + ITEMS_PAGE]

    def settle(self, *items: SettledItem | UnreadableRecord) -> None:
        """Settle movements on the last day that is over."""
        self.items[DAY] += items

    def run(self) -> dict[str, int]:
        return self.sync.catch_up(lambda: True)

    def captured_with_fee(self) -> Attempt:
        """Pay the order, with the fee that Razorpay reports."""
        self.paid()
        attempt = replace(self.razorpay.attempts[self.payment.completed_by or ""], fee=FEE, tax=TAX)
        self.razorpay.attempts[attempt.id] = attempt
        self.service.apply_payment_update(attempt)
        return attempt

    @property
    def drift(self) -> list[tuple[str, str]]:
        return list(self.store.drift)

    def _call(self, page: object) -> None:
        self.pages.append(page)
        if self.is_down:
            raise Unavailable("Razorpay does not answer")


def a_settlement(number: int, minor: int = 1_000) -> Settlement:
    money = Money(minor, Currency.INR), SettlementStatus.PROCESSED, NOON, ZERO, ZERO
    return Settlement(f"setl_{number}", *money, f"utr{number}")


def a_capture(attempt: Attempt, **values: Any) -> SettledItem:
    """Make the movement of a capture with the usual fee."""
    assert isinstance(attempt.amount, Money)
    item = SettledItem(
        id=attempt.id,
        kind=ItemKind.PAYMENT,
        amount=attempt.amount,
        net=attempt.amount.minor - FEE.minor,
        settlement_id="setl_1",
        attempt_id=attempt.id,
        fee=FEE,
        tax=TAX,
    )
    return replace(item, **values)


@pytest.fixture
def shop() -> SettledShop:
    return SettledShop()


# --- settlements ----------------------------------------------------------------------------------


def test_settlements_without_an_entry_are_booked_once(shop: SettledShop) -> None:
    shop.records = [a_settlement(number) for number in range(PAGE + 1)]
    counts = shop.run()
    assert (counts["checked"], counts["repaired"]) == (PAGE + 1, PAGE + 1)
    assert shop.balances()[Account.BANK] == (PAGE + 1) * 1_000
    again = shop.run()
    assert (again["repaired"], again["drift"]) == (0, 0)
    assert shop.pages[0] == RecordPage(NOON - LOOK_BACK, NOON, 0)
    assert shop.pages[1] == RecordPage(NOON - LOOK_BACK, NOON, PAGE)


def test_a_settlement_that_differs_from_its_entry_is_drift(shop: SettledShop) -> None:
    shop.settlements.record(a_settlement(1))
    shop.records = [a_settlement(1, 900)]
    assert shop.run()["drift"] == 1
    [found] = shop.store.drift.values()
    assert (found.subject_id, found.kind) == ("setl_1", "different_amount")
    assert "9.00 INR" in found.details
    assert "10.00 INR" in found.details
    assert shop.balances()[Account.BANK] == 1_000


def test_what_was_not_paid_out_or_cannot_be_read_is_not_booked(shop: SettledShop) -> None:
    created = replace(a_settlement(1), status=SettlementStatus.CREATED)
    shop.records = [created, UnreadableRecord("setl_2")]
    counts = shop.run()
    assert (counts["failed"], counts["repaired"]) == (1, 0)
    assert not shop.ledger.entries


def test_it_stops_when_razorpay_does_not_answer_or_the_time_is_up(shop: SettledShop) -> None:
    shop.records, shop.is_down = [a_settlement(1)], True
    assert shop.run()["stopped"] == 1
    shop.is_down = False
    assert not shop.sync.catch_up(lambda: False)["checked"]
    assert not shop.ledger.entries


# --- what they contain ----------------------------------------------------------------------------


def test_what_agrees_costs_one_call_for_a_thousand_movements_and_none_later(
    shop: SettledShop,
) -> None:
    attempt = shop.captured_with_fee()
    shop.settle(*[a_capture(attempt, settlement_id=None)] * ITEMS_PAGE)
    counts = shop.run()
    assert (counts["checked"], counts["repaired"], counts["drift"]) == (ITEMS_PAGE, 0, 0)
    days = LOOK_BACK // timedelta(days=1)
    assert shop.pages[1:] == [
        *((DAY - timedelta(days=ago), 0) for ago in range(days - 1, 0, -1)),
        (DAY, 0),
        (DAY, ITEMS_PAGE),
    ]
    shop.pages.clear()
    assert shop.run()["checked"] == 0
    assert len(shop.pages) == 1
    shop.clock.advance(timedelta(days=1))
    shop.run()
    assert shop.pages[2:] == [(DAY + timedelta(days=1), 0)]


@pytest.mark.parametrize("hours", [0, 24 * 3])
def test_a_failed_attempt_of_a_paid_order_that_is_captured_later_is_found_and_refunded(
    shop: SettledShop, hours: int
) -> None:
    declined = shop.decline()
    failed = shop.razorpay.attempts[declined.razorpay_payment_id]
    first = shop.captured_with_fee()
    captured = replace(failed, status=AttemptStatus.CAPTURED, fee=FEE, tax=TAX)
    shop.razorpay.attempts[failed.id] = captured
    shop.settle(a_capture(first), a_capture(captured))
    shop.clock.advance(timedelta(hours=hours))
    assert shop.run()["repaired"] == 1
    assert shop.payment.attempt_ids == {first.id, captured.id}
    assert shop.payment.status is PaymentStatus.COMPLETED
    [refund] = shop.razorpay.refunds.values()
    assert (refund.payment_id, refund.amount) == (captured.id, captured.amount)
    assert shop.balances()[Account.OWED] == 0
    assert shop.drift == []


def test_a_capture_of_another_amount_or_with_other_fees_is_drift(shop: SettledShop) -> None:
    attempt = shop.captured_with_fee()
    variants: tuple[dict[str, Any], ...] = (
        {"amount": PRICE + Money(1, Currency.INR)},
        {"fee": FEE + TAX},
        {"tax": None},
    )
    for values in variants:
        shop.store.drift.clear()
        shop.store.checkpoints.clear()
        shop.items[DAY] = [a_capture(attempt), replace(a_capture(attempt), **values)]
        assert shop.run()["drift"] == 1, values
        assert shop.drift == [(attempt.id, "different_amount")]


def test_an_unknown_fee_is_booked(shop: SettledShop) -> None:
    shop.paid()
    attempt = replace(shop.razorpay.attempts[shop.payment.completed_by or ""], fee=FEE, tax=TAX)
    shop.razorpay.attempts[attempt.id] = attempt
    shop.settle(a_capture(attempt))
    assert (shop.run()["repaired"], shop.drift) == (1, [])
    assert shop.payment.fee == FEE


def test_a_capture_for_no_payment_of_the_shop_is_missing_here(shop: SettledShop) -> None:
    other = Attempt("pay_other", "order_other", PRICE, AttemptStatus.CAPTURED)
    shop.razorpay.attempts[other.id] = other
    shop.settle(a_capture(other))
    shop.run()
    assert shop.drift == [("pay_other", "missing_here")]


@pytest.mark.parametrize("was_requested", [True, False])
def test_a_refund_whose_webhook_was_lost_is_booked_once(
    shop: SettledShop, was_requested: bool
) -> None:
    attempt = shop.captured_with_fee()
    if was_requested:
        shop.razorpay.answers_get_lost = True
        shop.refund("100")
        [record] = shop.razorpay.refunds.values()
    else:
        record = shop.razorpay.make_refund(attempt.id, Money(10_000, Currency.INR))
    item = SettledItem(record.id, ItemKind.REFUND, record.amount, -10_000, None, attempt.id)
    shop.settle(item)
    shop.run()
    [refund] = shop.payment.refunds
    assert (refund.razorpay_refund_id, refund.is_processed) == (record.id, True)
    assert shop.payment.refunded.minor == 10_000
    assert shop.drift == []


@pytest.mark.parametrize("was_opened", [True, False])
def test_a_dispute_whose_webhook_was_lost_is_booked(shop: SettledShop, was_opened: bool) -> None:
    attempt = shop.captured_with_fee()
    opened = Dispute("disp_1", attempt.id, PRICE, DisputeStatus.OPEN, "chargeback", "fraud", NOON)
    lost = shop.razorpay.disputes["disp_1"] = replace(opened, status=DisputeStatus.LOST)
    if was_opened:
        shop.service.apply_dispute_update(opened)
    adjustment = SettledItem("adj_1", ItemKind.ADJUSTMENT, PRICE, -PRICE.minor)
    shop.settle(replace(adjustment, attempt_id=attempt.id, dispute_id="disp_1"))
    assert shop.run()["repaired"] == 1
    assert shop.payment.disputes == (lost,)
    assert shop.balances()[Account.CHARGEBACKS] == PRICE.minor
    assert shop.drift == []


def test_an_adjustment_that_belongs_to_no_payment_is_missing_here(shop: SettledShop) -> None:
    foreign = Dispute("disp_1", "pay_other", PRICE, DisputeStatus.OPEN, "fraud", "fraud", NOON)
    shop.razorpay.disputes["disp_1"] = foreign
    adjustment = SettledItem("adj_1", ItemKind.ADJUSTMENT, PRICE, -PRICE.minor)
    shop.settle(adjustment, replace(adjustment, id="adj_2", dispute_id="disp_1"))
    shop.run()
    assert shop.drift == [("adj_1", "missing_here"), ("adj_2", "missing_here")]


@pytest.mark.parametrize(("missing", "drift"), [(0, []), (1, [("setl_1", "different_state")])])
def test_a_settlement_that_is_not_the_sum_of_its_movements_is_drift(
    shop: SettledShop, missing: int, drift: list[tuple[str, str]]
) -> None:
    attempt = shop.captured_with_fee()
    paid_out = PRICE.minor - FEE.minor - 118 + missing
    fees, tax = Money(118, Currency.INR), Money(18, Currency.INR)
    shop.records = [replace(a_settlement(1, paid_out), fees=fees, tax=tax)]
    shop.settle(a_capture(attempt))
    shop.run()
    assert shop.drift == drift


def test_a_page_that_could_not_be_compared_is_compared_by_a_later_run(shop: SettledShop) -> None:
    attempt = shop.razorpay.attempts[shop.pay().razorpay_payment_id]
    shop.settle(a_capture(attempt), UnreadableRecord("trf_1"))
    shop.razorpay.is_down = True
    assert shop.run()["failed"] == 2
    shop.razorpay.is_down = False
    assert shop.run()["repaired"] == 1
    assert shop.payment.is_paid
    assert shop.run()["failed"] == 0  # what cannot be read is not read for ever


def test_the_days_of_a_command_are_compared_again_up_to_the_present_one(shop: SettledShop) -> None:
    attempt = shop.captured_with_fee()
    shop.settle(a_capture(attempt))
    today = DAY + timedelta(days=1)
    shop.items[today] = [a_capture(attempt)]
    shop.run()
    for _ in range(2):
        counts = shop.sync.reconcile(NOON - timedelta(days=1), NOON, lambda: True)
        assert (counts["checked"], counts["drift"]) == (2, 0)


def a_shop_to_settle(process: Process) -> SettledShop:
    """A shop with settlements and captures, all without webhooks."""
    shop = SettledShop(process)
    shop.records = [a_settlement(number) for number in range(2)]
    for _ in range(3):
        shop.order = shop.orders.place(an_order(shop.customer))
        attempt = shop.razorpay.attempts[shop.pay().razorpay_payment_id]
        shop.settle(a_capture(attempt, settlement_id=None))
    process.observe(shop, "list_settlements_between", "list_settled_items")
    process.observe(shop.razorpay, "get_attempt")
    process.observe(shop.store, "save_checkpoint")
    return shop


def test_a_run_killed_at_any_call_is_continued_and_everything_is_booked_once() -> None:
    unkilled = Process()
    a_shop_to_settle(unkilled).run()
    for at in range(unkilled.calls):
        process = Process(at)
        shop = a_shop_to_settle(process)
        with pytest.raises(Killed):
            shop.run()
        process.revive()
        assert shop.run()["failed"] == 0
        assert shop.run()["repaired"] == 0
        assert shop.balances()[Account.BANK] == 2_000
        assert shop.balances()[Account.SALES] == -3 * PRICE.minor
        assert (shop.drift, shop.events().count("PaymentCompleted")) == ([], 3)
