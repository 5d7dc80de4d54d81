"""Daily totals that are checked against the sales, in memory and in DynamoDB."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from conftest import FrozenClock
from seller_dashboard import jobs, wiring
from seller_dashboard.projections.model import Period, Sale, SaleStatus
from seller_dashboard.projections.totals import UNITS, DailyTotals, sum_by_currency
from seller_dashboard.reports.daily_totals import DailyTotalsCheck
from seller_dashboard.reports.model import END, BatchCheckpoint
from supermarket.money import Currency
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction
from support.jobs import AContext
from support.seller_dashboard import (
    PLACED,
    Projections,
    a_line,
    a_sale,
    in_dynamodb,
    inr,
    usd,
)

DAY = PLACED.date()
SELLERS = ("s1", "s2", "s3")


def plenty() -> bool:
    return True


class Checked:
    """Projections with sales, and the job that checks their daily totals."""

    def __init__(self, projections: Projections) -> None:
        self.projections = projections
        self.check = DailyTotalsCheck(
            projections.sales, projections.projector, projections.jobs, projections.begin
        )

    def sell(self, *sales: Sale) -> None:
        self.projections.record(*sales)

    def totals(self, seller_id: str = "s1", day: date = DAY) -> dict[Currency, DailyTotals]:
        return {
            totals.currency: totals
            for totals in self.projections.sales.list_daily_totals(seller_id, Period(day, day))
        }

    def versions(self) -> list[int]:
        return [part.version for part in self.projections.sales.list_parts("s1", DAY)]

    def tamper(
        self, change: Callable[[DailyTotals], DailyTotals], seller_id: str = "s1", day: date = DAY
    ) -> None:
        for part in list(self.projections.sales.list_parts(seller_id, day)):
            if (wrong := change(part)) != part:
                self.projections.replace_part(seller_id, replace(wrong, version=part.version))

    def run(self, day: date = DAY, *, again: bool = True) -> dict[str, int]:
        return dict(+self.check.run(day, plenty, again=again))

    @property
    def checkpoint(self) -> BatchCheckpoint:
        return self.projections.jobs.get_checkpoint(f"daily-totals#{DAY}")


@pytest.fixture(params=["in memory", "DynamoDB"])
def checked(request: pytest.FixtureRequest, clock: FrozenClock) -> Checked:
    if request.param == "in memory":
        return Checked(Projections())
    request.getfixturevalue("aws")
    return Checked(in_dynamodb(clock))


def sales_of_a_day() -> list[Sale]:
    dollars = a_line("p3", 1, 900, currency=Currency.USD)
    return [
        a_sale(order_id="o1", lines=[a_line("p1", 2), a_line("p2", 1, 300, refunded=100)]),
        a_sale(SaleStatus.CANCELLED, "o2", is_paid=True),
        a_sale(SaleStatus.PENDING, "o3"),
        a_sale(order_id="o4", lines=[dollars]),
    ]


def one_unit_more(totals: DailyTotals) -> DailyTotals:
    return (
        totals + replace(totals, numbers=Counter(units=1)) if totals.numbers["placed"] else totals
    )


def no_products(totals: DailyTotals) -> DailyTotals:
    numbers = {name: totals.numbers[name] for name in totals.numbers if "#" not in name}
    return replace(totals, numbers=Counter(numbers))


def one_order_less(totals: DailyTotals) -> DailyTotals:
    one = Counter(orders=1, placed=1)
    return totals - replace(totals, numbers=one) if totals.numbers["placed"] else totals


def test_correct_totals_are_left_unchanged(checked: Checked) -> None:
    checked.sell(*sales_of_a_day())
    before = checked.versions()
    assert checked.run() == {"correct": 2, "sales": 4}
    assert checked.versions() == before


@pytest.mark.parametrize("change", [one_unit_more, no_products, one_order_less])
def test_wrong_totals_are_repaired(
    checked: Checked, change: Callable[[DailyTotals], DailyTotals]
) -> None:
    checked.sell(*sales_of_a_day())
    right = checked.totals()
    assert right[Currency.INR].by_product(UNITS)["p1"] == 2
    checked.tamper(change)
    assert checked.totals() != right
    assert checked.run() == {"repaired": 2, "sales": 4}
    assert checked.totals() == right
    assert checked.run() == {"correct": 2, "sales": 4}


def test_totals_without_sales_become_zero(checked: Checked) -> None:
    checked.sell(a_sale())
    for invented in DailyTotals.of(a_sale(lines=[a_line(currency=Currency.USD)])).parts("o9"):
        checked.projections.replace_part("s1", invented)
    assert checked.run() == {"correct": 1, "repaired": 1, "sales": 1}
    assert not checked.totals()[Currency.USD]
    assert checked.totals()[Currency.USD].revenue == usd(0)


def test_sales_that_were_not_counted_are_counted(checked: Checked) -> None:
    checked.sell(a_sale(order_id="o1"))
    late = [a_sale(order_id="o2"), a_sale(SaleStatus.CANCELLED, "o1", version=2)]
    for sale in late:
        checked.projections.projector.save(sale)
    assert checked.totals()[Currency.INR].numbers["units"] == 2
    assert checked.run() == {"correct": 1, "sales": 2}
    assert (
        not checked.totals()[Currency.INR]
        - sum_by_currency(map(DailyTotals.of, late))[Currency.INR]
    )
    checked.sell(*late)
    assert checked.run() == {"correct": 1, "sales": 2}, "each was counted once"


def test_sales_after_a_repair_are_added_to_the_totals(checked: Checked) -> None:
    checked.sell(a_sale(order_id="o1"))
    checked.tamper(one_unit_more)
    checked.run()
    checked.sell(a_sale(order_id="o2"))
    assert checked.totals()[Currency.INR].numbers["units"] == 4
    assert checked.totals()[Currency.INR].revenue == inr(2000)


def test_the_totals_of_another_day_are_left_unchanged(checked: Checked) -> None:
    tomorrow = PLACED + timedelta(days=1)
    checked.sell(a_sale(), a_sale(order_id="o2", placed_at=tomorrow))
    checked.tamper(one_unit_more, day=tomorrow.date())
    assert checked.run() == {"correct": 1, "sales": 1}
    assert checked.run(tomorrow.date()) == {"repaired": 1, "sales": 1}


def test_a_sale_that_changes_during_the_check_is_no_drift(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked.sell(a_sale(order_id="o1"))
    of_day = checked.projections.sales.list_sales_of_day
    meanwhile = iter([a_sale(order_id="o2"), a_sale(SaleStatus.CANCELLED, "o1", version=2)])

    def read_late(seller_id: str, day: date) -> list[Sale]:
        for sale in meanwhile:
            checked.sell(sale)
            break
        return list(of_day(seller_id, day))

    monkeypatch.setattr(checked.projections.sales, "list_sales_of_day", read_late)
    assert checked.run() == {"correct": 1, "sales": 2}
    assert checked.totals()[Currency.INR].numbers["units"] == 2


def test_two_runs_at_the_same_time_repair_once(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked.sell(a_sale())
    right = checked.totals()
    checked.tamper(one_unit_more)
    replace_part = checked.projections.sales.replace_part

    def another_run_is_faster(seller_id: str, part: DailyTotals, transaction: Transaction) -> None:
        replace_part(seller_id, part, transaction)
        transaction.commit()
        raise StaleWrite

    monkeypatch.setattr(checked.projections.sales, "replace_part", another_run_is_faster)
    assert checked.run() == {"correct": 1, "sales": 1}
    assert checked.totals() == right


def test_a_checked_day_is_skipped_unless_it_is_requested(checked: Checked) -> None:
    checked.sell(a_sale())
    assert checked.run(again=False) == {"correct": 1, "sales": 1}
    assert checked.run(again=False) == {}
    assert checked.run(again=True) == {"correct": 1, "sales": 1}


def test_a_run_without_time_ends_and_the_next_one_continues_from_there(checked: Checked) -> None:
    for seller_id in SELLERS:
        checked.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    time = iter([True, False])
    first = checked.check.run(DAY, lambda: next(time), again=False)
    assert +first == {"correct": 1, "sales": 1, "unfinished": 1}
    assert checked.checkpoint == BatchCheckpoint("s1")
    assert checked.run(again=False) == {"correct": 2, "sales": 2}
    assert checked.checkpoint == BatchCheckpoint(END)


def test_the_failure_of_one_seller_does_not_stop_the_others_and_is_retried(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seller_id in SELLERS:
        checked.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    parts_of_day = checked.projections.sales.list_parts

    def fail_for_one(seller_id: str, day: date) -> object:
        if seller_id == "s2":
            raise ConnectionError("no answer")
        return parts_of_day(seller_id, day)

    monkeypatch.setattr(checked.projections.sales, "list_parts", fail_for_one)
    assert checked.run(again=False) == {"correct": 2, "sales": 2, "failed": 1}
    monkeypatch.undo()
    assert checked.run(again=False) == {"correct": 1, "sales": 1}, "the one that failed"
    assert checked.run(again=False) == {}


def test_a_seller_who_always_fails_keeps_no_other_from_being_reached(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seller_id in SELLERS:
        checked.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    parts_of_day = checked.projections.sales.list_parts

    def fail_for_one(seller_id: str, day: date) -> object:
        if seller_id == "s1":
            raise ConnectionError("no answer")
        return parts_of_day(seller_id, day)

    monkeypatch.setattr(checked.projections.sales, "list_parts", fail_for_one)
    runs = [checked.check.run(DAY, [False, True].pop) for _ in (*SELLERS, "again")]
    assert [+run for run in runs] == [
        {"failed": 1, "unfinished": 1},
        {"correct": 1, "sales": 1, "unfinished": 1},
        {"correct": 1, "sales": 1, "unfinished": 1},
        {"failed": 1},
    ]
    monkeypatch.undo()
    assert checked.run(again=False) == {"correct": 1, "sales": 1}, "the failed seller is retried"
    assert checked.checkpoint == BatchCheckpoint(END)


def test_the_run_after_a_killed_one_continues_with_the_next_seller(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Lambda times out in the middle of a seller."""

    for seller_id in SELLERS:
        checked.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    of_day = checked.projections.sales.list_sales_of_day

    def too_many(seller_id: str, day: date) -> Iterable[Sale]:
        if seller_id == "s2":
            raise Killed
        return of_day(seller_id, day)

    monkeypatch.setattr(checked.projections.sales, "list_sales_of_day", too_many)
    with pytest.raises(Killed):
        checked.run(again=False)
    assert checked.checkpoint == BatchCheckpoint("s2", frozenset({"s2"}))
    with pytest.raises(Killed):
        checked.run(again=False)
    assert checked.checkpoint == BatchCheckpoint("s3", frozenset({"s2"}), "s2"), (
        "only the seller that ends the runs is left"
    )
    monkeypatch.undo()
    assert checked.run(again=False) == {"correct": 1, "sales": 1}
    assert checked.checkpoint == BatchCheckpoint(END)


def test_failed_sellers_are_retried_in_spite_of_a_seller_who_ends_every_run(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Lambda times out in the middle of a seller."""

    for seller_id in SELLERS:
        checked.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    of_day, failures = checked.projections.sales.list_sales_of_day, ["s3", "s2"]

    def read(seller_id: str, day: date) -> Iterable[Sale]:
        if seller_id == "s1":
            raise Killed
        if seller_id in failures:
            failures.remove(seller_id)
            raise ConnectionError("no answer")
        return of_day(seller_id, day)

    monkeypatch.setattr(checked.projections.sales, "list_sales_of_day", read)
    for _ in range(3):  # s1, then s2 and s3 and s1 again, then those that failed
        with pytest.raises(Killed):
            checked.run(again=False)
    assert checked.checkpoint.failed == {"s1"}


def test_totals_are_not_checked_until_a_rebuild_is_complete(
    checked: Checked,
) -> None:
    checked.sell(a_sale())
    checked.tamper(one_unit_more)
    lease = checked.projections.lease
    lease.acquire()
    assert checked.run(again=False) == {"unfinished": 1}
    lease.mark_incomplete()
    lease.release()
    assert checked.run(again=False) == {"unfinished": 1}, "the rebuild was aborted"
    lease.acquire()
    lease.mark_complete()
    lease.release()
    assert checked.run(again=False) == {"repaired": 1, "sales": 1}


def test_a_rebuild_that_begins_during_the_check_stops_the_repair(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seller_id in SELLERS:
        checked.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    right, lease, of_day = (
        checked.totals(),
        checked.projections.lease,
        checked.projections.sales.list_sales_of_day,
    )

    def all_deleted(*_: object) -> list[Sale]:
        lease.acquire()
        return []

    monkeypatch.setattr(checked.projections.sales, "list_sales_of_day", all_deleted)
    assert checked.run(again=False) == {"unfinished": 1}
    assert checked.totals() == right
    monkeypatch.setattr(checked.projections.sales, "list_sales_of_day", of_day)
    lease.release()
    assert checked.run(again=False) == {"correct": 3, "sales": 3}


def test_a_day_without_sellers_is_not_complete_during_a_rebuild(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked.sell(a_sale())

    def all_deleted(_: date) -> list[str]:
        checked.projections.lease.acquire()
        return []

    monkeypatch.setattr(checked.projections.sales, "list_sellers_of_day", all_deleted)
    assert checked.run(again=False) == {"unfinished": 1}
    assert checked.checkpoint == BatchCheckpoint()


def test_random_projections_are_correct_and_any_drift_is_repaired() -> None:
    dice = random.Random(20261122)
    for _ in range(40):
        checked = Checked(Projections())
        for number in range(dice.randrange(1, 12)):
            currency = dice.choice(list(Currency))
            lines = [
                a_line(f"p{dice.randrange(3)}", dice.randrange(1, 4), 100, currency=currency)
                for _ in range(dice.randrange(1, 4))
            ]
            statuses = dice.sample(list(SaleStatus), 2)
            for version, status in enumerate(sorted(statuses, key=lambda s: s.rank), 1):
                checked.sell(
                    a_sale(status, f"o{number}", lines=lines, is_paid=True, version=version)
                )
        right = checked.totals()
        assert "repaired" not in checked.run()
        checked.tamper(dice.choice([one_unit_more, one_order_less]))
        assert checked.run()["repaired"] == len(right)
        assert checked.totals() == right


@pytest.mark.usefixtures("aws")
def test_the_job_checks_the_day_before_or_the_requested_one(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = Checked(Projections())
    monkeypatch.setattr(wiring, "daily_totals_check", lambda: checked.check)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    checked.sell(a_sale())
    none = {"correct": 0, "repaired": 0, "failed": 0, "sales": 0, "unfinished": 0}
    assert jobs.check_daily_totals({}, AContext()) == none
    first = jobs.check_daily_totals({"date": str(DAY)}, AContext())
    assert first == {**none, "correct": 1, "sales": 1}
    clock.advance(timedelta(hours=8))  # the next day in the shop, but not in UTC
    assert jobs.check_daily_totals({}, AContext()) == first, (
        "it was not over when it was checked before"
    )
    assert jobs.check_daily_totals({}, AContext()) == none, "it was checked when it was over"
