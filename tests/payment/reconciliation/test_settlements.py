"""The comparison of Razorpay's settlements with the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from conftest import NOON
from payment.ledger import Account
from payment.model.settlement import Settlement, SettlementStatus
from payment.reconciliation.model import PAGE, RecordPage, UnreadableRecord
from payment.reconciliation.settlements import LOOK_BACK, SettlementSync
from supermarket.errors import Unavailable
from supermarket.money import Currency, Money
from support.payment import Shop


@dataclass
class Settled:
    """Razorpay's settlements, newest first, and what was reported."""

    records: list[Settlement | UnreadableRecord] = field(default_factory=list)
    pages: list[RecordPage] = field(default_factory=list)
    drift: list[tuple[str, str]] = field(default_factory=list)
    is_down: bool = False

    def list_settlements_between(self, page: RecordPage) -> Sequence[Settlement | UnreadableRecord]:
        self.pages.append(page)
        if self.is_down:
            raise Unavailable("Razorpay does not answer")
        return self.records[page.skip : page.skip + PAGE]


def a_settlement(number: int, minor: int = 1_000) -> Settlement:
    zero = Money.zero(Currency.INR)
    money = Money(minor, Currency.INR), SettlementStatus.PROCESSED, NOON, zero, zero
    return Settlement(f"setl_{number}", *money, f"utr{number}")


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def settled() -> Settled:
    return Settled()


def sync(shop: Shop, settled: Settled) -> SettlementSync:
    def report(id_: str, details: str) -> None:
        settled.drift.append((id_, details))

    return SettlementSync(settled, shop.settlements, report, lambda: NOON)


def test_settlements_without_an_entry_are_booked_once(shop: Shop, settled: Settled) -> None:
    settled.records = [a_settlement(number) for number in range(PAGE + 1)]
    counts = sync(shop, settled).run(lambda: True)
    assert (counts["checked"], counts["repaired"]) == (PAGE + 1, PAGE + 1)
    assert shop.balances()[Account.BANK] == (PAGE + 1) * 1_000
    again = sync(shop, settled).run(lambda: True)
    assert (again["repaired"], again["drift"]) == (0, 0)
    assert settled.pages[0] == RecordPage(NOON - LOOK_BACK, NOON, 0)
    assert settled.pages[1].skip == PAGE


def test_a_settlement_that_differs_from_its_entry_is_drift(shop: Shop, settled: Settled) -> None:
    shop.settlements.record(a_settlement(1))
    settled.records = [a_settlement(1, 900)]
    assert sync(shop, settled).run(lambda: True)["drift"] == 1
    [(id_, details)] = settled.drift
    assert id_ == "setl_1"
    assert "9.00 INR" in details
    assert "10.00 INR" in details
    assert shop.balances()[Account.BANK] == 1_000


def test_what_was_not_paid_out_or_cannot_be_read_is_not_booked(
    shop: Shop, settled: Settled
) -> None:
    created = replace(a_settlement(1), status=SettlementStatus.CREATED)
    settled.records = [created, UnreadableRecord("setl_2")]
    counts = sync(shop, settled).run(lambda: True)
    assert (counts["failed"], counts["repaired"]) == (1, 0)
    assert not shop.ledger.entries


def test_it_stops_when_razorpay_does_not_answer_or_the_time_is_up(
    shop: Shop, settled: Settled
) -> None:
    settled.records, settled.is_down = [a_settlement(1)], True
    assert sync(shop, settled).run(lambda: True)["stopped"] == 1
    settled.is_down = False
    assert not sync(shop, settled).run(lambda: False)["checked"]
    assert not shop.ledger.entries
