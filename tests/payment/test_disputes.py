"""Disputes and settlements: the ledger is right after any order of messages, repeated and late."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payment.ledger import Account, Kind
from payment.model.attempt import AttemptStatus
from payment.model.dispute import Dispute, DisputeStatus
from payment.model.refund import RazorpayRefund, RefundStatus
from payment.model.settlement import Settlement, SettlementStatus
from payment.model.status import Failure, PaymentStatus
from supermarket import telemetry
from supermarket.contracts import PaymentDisputed
from supermarket.errors import Conflict
from supermarket.money import Currency, Money
from support.payment import (
    NOON,
    PRICE,
    SentWebhook,
    WebhookShop,
    a_dispute_webhook,
    a_payment_webhook,
    a_refund_webhook,
    a_settlement_webhook,
    a_webhook,
    as_event,
    refund_record,
)

OPEN, LOST, WON, CLOSED = (
    DisputeStatus.OPEN,
    DisputeStatus.LOST,
    DisputeStatus.WON,
    DisputeStatus.CLOSED,
)


def rupees(minor: int) -> Money:
    return Money(minor, Currency.INR)


@pytest.fixture
def shop() -> WebhookShop:
    shop = WebhookShop()
    shop.paid()
    return shop


def a_dispute(shop: WebhookShop, status: DisputeStatus = OPEN, minor: int = 20_000) -> Dispute:
    attempt_id = shop.payment.completed_by or ""
    week = NOON + timedelta(days=7)
    return Dispute("disp_1", attempt_id, rupees(minor), status, "chargeback", "fraud", NOON, week)


def a_settlement(minor: int, fees: int = 0, tax: int = 0, number: int = 1) -> Settlement:
    processed = SettlementStatus.PROCESSED
    money = rupees(minor), processed, NOON, rupees(fees), rupees(tax)
    return Settlement(f"setl_{number}", *money, f"utr{number}")


def report(shop: WebhookShop, dispute: Dispute, event: str | None = None) -> bool:
    names = {OPEN: "created"}
    event = event or names.get(dispute.status, dispute.status.lower())
    return shop.receive(a_dispute_webhook(f"payment.dispute.{event}", dispute))


# --- disputes -------------------------------------------------------------------------------------


def test_an_open_dispute_holds_money_and_is_reported_once(
    shop: WebhookShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(telemetry, "count", lambda name, **_: counted.append(name))
    for event in ("created", "created", "action_required"):
        assert report(shop, a_dispute(shop), event)
    report(shop, a_dispute(shop, DisputeStatus.UNDER_REVIEW))
    report(shop, a_dispute(shop), "created")  # late
    (dispute,) = shop.payment.disputes
    assert dispute.status is DisputeStatus.UNDER_REVIEW
    assert shop.payment.is_disputed
    assert shop.balances()[Account.DISPUTED] == 20_000
    assert shop.balances()[Account.RAZORPAY] == PRICE.minor - 20_000
    assert counted.count("DisputesOpened") == 1
    events = [one for one in shop.outbox.of(PaymentDisputed) if isinstance(one, PaymentDisputed)]
    assert [(one.status, one.amount.minor) for one in events] == [
        ("OPEN", 20_000),
        ("UNDER_REVIEW", 20_000),
    ]
    assert shop.payment.status is PaymentStatus.COMPLETED


@pytest.mark.parametrize(
    ("status", "deducted", "lost"),
    [(WON, None, 0), (CLOSED, None, 0), (LOST, None, 20_000), (LOST, 5_000, 5_000)],
)
@pytest.mark.parametrize("was_opened", [True, False])
def test_the_end_of_a_dispute_releases_what_was_not_lost(
    shop: WebhookShop, status: DisputeStatus, deducted: int | None, lost: int, was_opened: bool
) -> None:
    if was_opened:
        report(shop, a_dispute(shop))
    ended = replace(a_dispute(shop, status), deducted=rupees(deducted) if deducted else None)
    for _ in range(2):
        report(shop, ended)
    assert not shop.payment.is_disputed
    balances = shop.balances()
    assert (balances[Account.DISPUTED], balances[Account.CHARGEBACKS]) == (0, lost)
    assert balances[Account.RAZORPAY] == PRICE.minor - lost
    assert shop.payment.balance.remaining.minor == PRICE.minor - lost


def test_money_that_is_disputed_or_lost_cannot_be_refunded_too(shop: WebhookShop) -> None:
    report(shop, a_dispute(shop))
    with pytest.raises(Conflict):
        shop.refund("300")
    shop.refund("200")
    report(shop, a_dispute(shop, LOST))
    shop.refund()
    assert sum(one.amount.minor for one in shop.razorpay.refunds.values()) == PRICE.minor - 20_000
    with pytest.raises(Conflict):
        shop.refund()


@pytest.mark.parametrize(("status", "refunded"), [(WON, PRICE.minor), (LOST, PRICE.minor - 20_000)])
def test_what_a_dispute_releases_is_refunded_if_the_order_is_cancelled_meanwhile(
    shop: WebhookShop, status: DisputeStatus, refunded: int
) -> None:
    report(shop, a_dispute(shop))
    shop.service.cancel_payment(shop.order.id, Failure.ORDER_CANCELLED)
    assert sum(one.amount.minor for one in shop.payment.refunds) == PRICE.minor - 20_000
    report(shop, a_dispute(shop, status))
    shop.service.sync_refunds(shop.payment.id)
    assert sum(one.amount.minor for one in shop.razorpay.refunds.values()) == refunded
    assert shop.payment.balance.remaining.minor == 0


@pytest.mark.parametrize("with_attempt", [True, False])
def test_a_dispute_that_is_reported_before_its_attempt_is_kept(with_attempt: bool) -> None:
    shop = WebhookShop()
    attempt = shop.attempt()
    dispute = replace(a_dispute(shop), attempt_id=attempt.id)
    sent = attempt if with_attempt else None
    assert shop.receive(a_dispute_webhook("payment.dispute.created", dispute, sent))
    assert shop.payment.is_paid is with_attempt
    shop.receive(a_payment_webhook("payment.captured", attempt))
    assert shop.payment.is_paid
    assert shop.payment.disputes == (dispute,)


def test_a_dispute_of_an_attempt_that_pays_no_order_of_the_shop_is_ignored(
    shop: WebhookShop,
) -> None:
    attempt = replace(
        shop.razorpay.attempts[shop.payment.completed_by or ""],
        razorpay_order_id="order_other",
        id="pay_other",
    )
    dispute = replace(a_dispute(shop), attempt_id=attempt.id)
    assert not shop.receive(a_dispute_webhook("payment.dispute.created", dispute, attempt))
    assert not shop.early_reports.stored


def test_a_dispute_in_another_currency_changes_nothing(shop: WebhookShop) -> None:
    before = shop.payment
    report(shop, replace(a_dispute(shop), amount=Money(20_000, Currency.USD)))
    assert shop.payment == before


# --- settlements ----------------------------------------------------------------------------------


def test_a_settlement_moves_money_from_razorpay_to_the_bank_once(shop: WebhookShop) -> None:
    settlement = a_settlement(40_000, fees=118, tax=18)
    assert shop.receive(a_settlement_webhook(settlement))
    assert not shop.receive(a_settlement_webhook(settlement))
    balances = shop.balances()
    assert balances[Account.BANK] == 40_000
    assert (balances[Account.FEES], balances[Account.TAX]) == (100, 18)
    assert balances[Account.RAZORPAY] == PRICE.minor - 40_118
    entry = shop.ledger.find_settlement(settlement.id)
    assert entry is not None
    assert (entry.kind, entry.reference, entry.payment_id) == (Kind.SETTLEMENT, "setl_1", None)
    audited = shop.audit.entries[-1]
    assert (audited.subject, audited.after["utr"]) == ("settlement#setl_1", "utr1")


@pytest.mark.parametrize("status", [SettlementStatus.CREATED, SettlementStatus.FAILED])
def test_a_settlement_that_was_not_paid_out_is_not_booked(
    shop: WebhookShop, status: SettlementStatus
) -> None:
    assert not shop.settlements.record(replace(a_settlement(40_000), status=status))
    assert shop.settlements.record(a_settlement(40_000))


def test_a_settlement_that_differs_from_its_entry_is_reported_and_changes_nothing(
    shop: WebhookShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(telemetry, "count", lambda name, **_: counted.append(name))
    shop.settlements.record(a_settlement(40_000))
    assert not shop.settlements.record(a_settlement(40_001))
    assert counted == ["PaymentMismatches"]
    assert shop.balances()[Account.BANK] == 40_000


# --- any order ------------------------------------------------------------------------------------


class Messages:
    """The messages about a payment, and the accounts after all of them."""

    def __init__(self, shop: WebhookShop, outcomes: tuple[DisputeStatus, DisputeStatus]) -> None:
        attempt = shop.attempt()
        fee, tax = rupees(1_180), rupees(180)
        charged = replace(attempt, fee=fee, tax=tax)
        part = RazorpayRefund("rfnd_1", attempt.id, rupees(3_000), RefundStatus.PROCESSED)
        pending = replace(part, status=RefundStatus.PENDING)
        bare = {"refund": {"entity": refund_record(part)}}
        disputes = [
            replace(
                a_dispute(shop), id=f"disp_{number}", attempt_id=attempt.id, amount=rupees(minor)
            )
            for number, minor in enumerate((7_000, 11_000))
        ]
        ends = [replace(one, status=to) for one, to in zip(disputes, outcomes, strict=True)]
        paid = a_settlement(20_000, number=1), a_settlement(5_000, fees=118, tax=18, number=2)
        self.sent: list[SentWebhook] = [
            a_payment_webhook(
                "payment.authorized", replace(attempt, status=AttemptStatus.AUTHORIZED)
            ),
            a_payment_webhook("payment.captured", attempt),
            a_payment_webhook("order.paid", charged),
            a_refund_webhook("refund.created", pending, charged),
            a_webhook(as_event("refund.processed", bare)),
            *(a_dispute_webhook("payment.dispute.created", one) for one in disputes),
            *(a_dispute_webhook(f"payment.dispute.{one.status.lower()}", one) for one in ends),
            *(a_settlement_webhook(one) for one in paid),
        ]
        lost = sum(one.lost.minor for one in ends)
        held = sum(one.amount.minor for one in ends if one.is_open)
        self.balances = {
            Account.RAZORPAY: PRICE.minor - 1_180 - 3_000 - lost - held - 25_000 - 118,
            Account.BANK: 25_000,
            Account.DISPUTED: held,
            Account.SALES: 3_000 - PRICE.minor,
            Account.OWED: 0,
            Account.CHARGEBACKS: lost,
            Account.FEES: 1_100,
            Account.TAX: 198,
        }


ends = st.sampled_from([DisputeStatus.UNDER_REVIEW, WON, CLOSED, LOST])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.tuples(ends, ends))
def test_every_account_is_right_after_any_order_of_messages_repeated_and_late(
    data: st.DataObject, outcomes: tuple[DisputeStatus, DisputeStatus]
) -> None:
    shop = WebhookShop()
    messages = Messages(shop, outcomes)
    numbers = range(len(messages.sent))
    repeated = data.draw(st.lists(st.sampled_from(numbers), max_size=8))
    for number in data.draw(st.permutations([*numbers, *repeated])):
        shop.receive(messages.sent[number])
        assert sum(shop.balances().values()) == 0
    assert shop.balances() == messages.balances
    kinds = [(entry.kind, entry.reference) for entry in shop.ledger.entries.values()]
    assert len(set(kinds)) == len(kinds)
    assert {one.id: one.status for one in shop.payment.disputes} == {
        f"disp_{number}": status for number, status in enumerate(outcomes)
    }
