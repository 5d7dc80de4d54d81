"""Days that are reckoned anew from their sales, in memory and in DynamoDB."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from conftest import FrozenClock
from seller_dashboard import jobs, wiring
from seller_dashboard.model import Overtaken, Sale, SaleStatus, Sold
from seller_dashboard.numbers import DayTotals, sums_of
from seller_dashboard.repository import DynamoProgress
from seller_dashboard.rollup import RollUp
from seller_dashboard.upkeep import EVERYBODY, Reached
from supermarket.errors import DomainError
from supermarket.money import Currency
from supermarket.transaction import Transaction
from support.jobs import AContext
from support.seller_dashboard import (
    PLACED,
    Books,
    InMemoryProgress,
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


class Ledger:
    """Books with sales in them, and the job that checks their days."""

    def __init__(self, books: Books, progress: InMemoryProgress | DynamoProgress) -> None:
        self.books = books
        self.rolling = RollUp(books.sales, progress, books.rebuilds, books.begin)
        self.progress = progress

    def sell(self, *sales: Sale) -> None:
        for sale in sales:
            self.books.keeping._follow(sale)

    def sums(self, seller_id: str = "s1", day: date = DAY) -> dict[Currency, DayTotals]:
        return {sums.currency: sums for sums in self.books.sales.sums_of_day(seller_id, day)}

    def tamper(
        self, change: Callable[[DayTotals], DayTotals], seller_id: str = "s1", day: date = DAY
    ) -> None:
        for sums in self.books.sales.sums_of_day(seller_id, day):
            self.books.replace_sums(seller_id, replace(change(sums), version=sums.version))

    def run(self, day: date = DAY, *, again: bool = True) -> dict[str, int]:
        return dict(+self.rolling.roll_up(day, plenty, again=again))

    @property
    def reached(self) -> Reached:
        return self.progress.of(f"roll-up#{DAY}")


@pytest.fixture(params=["in memory", "DynamoDB"])
def ledger(request: pytest.FixtureRequest, clock: FrozenClock) -> Ledger:
    if request.param == "in memory":
        return Ledger(Books(), InMemoryProgress())
    request.getfixturevalue("aws")
    return Ledger(in_dynamodb(clock), DynamoProgress(clock))


def sales_of_a_day() -> list[Sale]:
    dollars = a_line("p3", 1, 900, currency=Currency.USD)
    return [
        a_sale(order_id="o1", lines=[a_line("p1", 2), a_line("p2", 1, 300, refunded=100)]),
        a_sale(SaleStatus.CANCELLED, "o2", is_paid=True),
        a_sale(SaleStatus.PENDING, "o3"),
        a_sale(order_id="o4", lines=[dollars]),
    ]


def a_unit_more(sums: DayTotals) -> DayTotals:
    return replace(sums, sold=replace(sums.sold, units=sums.sold.units + 1))


def no_products(sums: DayTotals) -> DayTotals:
    return replace(sums, products={})


def an_order_less(sums: DayTotals) -> DayTotals:
    return replace(sums, orders=sums.orders - 1, placed=sums.placed - 1)


def test_what_is_right_is_left_alone(ledger: Ledger) -> None:
    ledger.sell(*sales_of_a_day())
    before = {currency: sums.version for currency, sums in ledger.sums().items()}
    assert ledger.run() == {"right": 2, "sales": 4}
    assert {currency: sums.version for currency, sums in ledger.sums().items()} == before


@pytest.mark.parametrize("change", [a_unit_more, no_products, an_order_less])
def test_what_was_tampered_with_is_mended(
    ledger: Ledger, change: Callable[[DayTotals], DayTotals]
) -> None:
    ledger.sell(*sales_of_a_day())
    right = ledger.sums()
    assert right[Currency.INR].products["p1"].units == 2
    ledger.tamper(change)
    assert ledger.sums() != right
    assert ledger.run() == {"mended": 2, "sales": 4}
    assert ledger.sums() == right
    assert ledger.run() == {"right": 2, "sales": 4}


def test_sums_without_sales_become_nothing_and_lost_ones_come_back(ledger: Ledger) -> None:
    ledger.sell(a_sale())
    made_up = replace(DayTotals.of(a_sale(lines=[a_line(currency=Currency.USD)])), version=0)
    ledger.books.replace_sums("s1", made_up)
    assert ledger.run() == {"right": 1, "mended": 1, "sales": 1}
    assert not ledger.sums()[Currency.USD]
    assert ledger.sums()[Currency.USD].sold.revenue == usd(0)


def test_what_comes_after_the_mending_is_counted_on_top(ledger: Ledger) -> None:
    ledger.sell(a_sale(order_id="o1"))
    ledger.tamper(a_unit_more)
    ledger.run()
    ledger.sell(a_sale(order_id="o2"))
    assert ledger.sums()[Currency.INR].sold.units == 4
    assert ledger.sums()[Currency.INR].sold.revenue == inr(2000)


def test_another_day_and_other_sellers_are_left_alone(ledger: Ledger) -> None:
    tomorrow = PLACED + timedelta(days=1)
    ledger.sell(a_sale(), a_sale(order_id="o2", placed_at=tomorrow))
    ledger.tamper(a_unit_more, day=tomorrow.date())
    assert ledger.run() == {"right": 1, "sales": 1}
    assert ledger.run(tomorrow.date()) == {"mended": 1, "sales": 1}


def test_a_sale_that_changes_in_the_middle_is_no_drift(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.sell(a_sale(order_id="o1"))
    of_day = ledger.books.sales.of_day
    meanwhile = iter([a_sale(order_id="o2"), a_sale(SaleStatus.CANCELLED, "o1", version=2)])

    def read_late(seller_id: str, day: date) -> list[Sale]:
        for sale in meanwhile:
            ledger.sell(sale)
            break
        return list(of_day(seller_id, day))

    monkeypatch.setattr(ledger.books.sales, "of_day", read_late)
    assert ledger.run() == {"right": 1, "sales": 2}
    assert ledger.sums()[Currency.INR].sold.units == 2


def test_two_runs_at_once_mend_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.sell(a_sale())
    right = ledger.sums()
    ledger.tamper(a_unit_more)
    replace_sums = ledger.books.sales.replace_sums

    def another_run_is_faster(
        seller_id: str, sums: DayTotals, transaction: Transaction, refused: DomainError
    ) -> None:
        replace_sums(seller_id, sums, transaction, refused)
        transaction.commit()
        raise Overtaken("by the other run")

    monkeypatch.setattr(ledger.books.sales, "replace_sums", another_run_is_faster)
    assert ledger.run() == {"right": 1, "sales": 1}
    assert ledger.sums() == right


def test_a_day_that_was_gone_through_is_done_unless_asked_for(ledger: Ledger) -> None:
    ledger.sell(a_sale())
    assert ledger.run(again=False) == {"right": 1, "sales": 1}
    assert ledger.run(again=False) == {}
    assert ledger.run(again=True) == {"right": 1, "sales": 1}


def test_without_time_a_run_ends_and_the_next_one_goes_on_from_there(ledger: Ledger) -> None:
    for seller_id in SELLERS:
        ledger.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    time = iter([True, False])
    first = ledger.rolling.roll_up(DAY, lambda: next(time), again=False)
    assert +first == {"right": 1, "sales": 1, "unfinished": 1}
    assert ledger.reached == Reached("s1")
    assert ledger.run(again=False) == {"right": 2, "sales": 2}
    assert ledger.reached == Reached(EVERYBODY)


def test_a_failure_stops_none_of_the_rest_and_the_day_is_not_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seller_id in SELLERS:
        ledger.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    sums_of_day = ledger.books.sales.sums_of_day

    def fail_for_one(seller_id: str, day: date) -> object:
        if seller_id == "s2":
            raise ConnectionError("no answer")
        return sums_of_day(seller_id, day)

    monkeypatch.setattr(ledger.books.sales, "sums_of_day", fail_for_one)
    assert ledger.run(again=False) == {"right": 2, "sales": 2, "failed": 1}
    monkeypatch.undo()
    assert ledger.run(again=False) == {"right": 1, "sales": 1}, "the one that failed"
    assert ledger.run(again=False) == {}


def test_a_seller_who_always_fails_keeps_nobody_from_being_reached(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seller_id in SELLERS:
        ledger.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    sums_of_day = ledger.books.sales.sums_of_day

    def fail_for_one(seller_id: str, day: date) -> object:
        if seller_id == "s1":
            raise ConnectionError("no answer")
        return sums_of_day(seller_id, day)

    monkeypatch.setattr(ledger.books.sales, "sums_of_day", fail_for_one)
    runs = [ledger.rolling.roll_up(DAY, [False, True].pop) for _ in (*SELLERS, "again")]
    assert [+run for run in runs] == [
        {"failed": 1, "unfinished": 1},
        {"right": 1, "sales": 1, "unfinished": 1},
        {"right": 1, "sales": 1, "unfinished": 1},
        {"failed": 1},
    ]
    monkeypatch.undo()
    assert ledger.run(again=False) == {"right": 1, "sales": 1}, "he is not forgotten"
    assert ledger.reached == Reached(EVERYBODY)


def test_a_run_that_is_killed_leaves_what_it_did_to_the_next_and_keeps_nobody_from_being_reached(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Lambda's time is up in the middle of a seller."""

    for seller_id in SELLERS:
        ledger.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    of_day = ledger.books.sales.of_day

    def too_many(seller_id: str, day: date) -> Iterable[Sale]:
        if seller_id == "s2":
            raise Killed
        return of_day(seller_id, day)

    monkeypatch.setattr(ledger.books.sales, "of_day", too_many)
    with pytest.raises(Killed):
        ledger.run(again=False)
    assert ledger.reached == Reached("s2", frozenset({"s2"}))
    with pytest.raises(Killed):
        ledger.run(again=False)
    assert ledger.reached == Reached("s3", frozenset({"s2"}), "s2"), "only the culprit is left"
    monkeypatch.undo()
    assert ledger.run(again=False) == {"right": 1, "sales": 1}
    assert ledger.reached == Reached(EVERYBODY)


def test_who_failed_is_not_held_up_by_a_seller_who_kills_every_run(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Lambda's time is up in the middle of a seller."""

    for seller_id in SELLERS:
        ledger.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    of_day, stumbles = ledger.books.sales.of_day, ["s3", "s2"]

    def read(seller_id: str, day: date) -> Iterable[Sale]:
        if seller_id == "s1":
            raise Killed
        if seller_id in stumbles:
            stumbles.remove(seller_id)
            raise ConnectionError("no answer")
        return of_day(seller_id, day)

    monkeypatch.setattr(ledger.books.sales, "of_day", read)
    for _ in range(3):  # s1, then s2 and s3 and s1 again, then those that failed
        with pytest.raises(Killed):
            ledger.run(again=False)
    assert ledger.reached.failed == {"s1"}


def test_books_that_are_being_made_anew_are_left_alone_until_they_are_whole(
    ledger: Ledger,
) -> None:
    ledger.sell(a_sale())
    ledger.tamper(a_unit_more)
    lease = ledger.books.lease
    lease.take()
    assert ledger.run(again=False) == {"unfinished": 1}
    lease.mark_incomplete()
    lease.release()
    assert ledger.run(again=False) == {"unfinished": 1}, "the rebuild was broken off"
    lease.take()
    lease.mark_complete()
    lease.release()
    assert ledger.run(again=False) == {"mended": 1, "sales": 1}


def test_a_rebuild_that_begins_while_a_day_is_reckoned_stops_the_mending(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seller_id in SELLERS:
        ledger.sell(a_sale(seller_id=seller_id, order_id=f"of {seller_id}"))
    right, lease, of_day = ledger.sums(), ledger.books.lease, ledger.books.sales.of_day

    def all_dropped(*_: object) -> list[Sale]:
        lease.take()
        return []

    monkeypatch.setattr(ledger.books.sales, "of_day", all_dropped)
    assert ledger.run(again=False) == {"unfinished": 1}
    assert ledger.sums() == right
    monkeypatch.setattr(ledger.books.sales, "of_day", of_day)
    lease.release()
    assert ledger.run(again=False) == {"right": 3, "sales": 3}


def test_a_day_of_which_nobody_is_left_is_not_done_while_the_books_are_made_anew(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.sell(a_sale())

    def all_dropped(_: date) -> list[str]:
        ledger.books.lease.take()
        return []

    monkeypatch.setattr(ledger.books.sales, "sellers_on", all_dropped)
    assert ledger.run(again=False) == {"unfinished": 1}
    assert ledger.reached == Reached()


def test_reckoning_a_day_costs_what_its_sales_do_however_many_products_it_has() -> None:
    shares: Counter[str] = Counter()
    count = Sold.__add__

    def counted(one: Sold, other: Sold) -> Sold:
        shares["added"] += 1
        return count(one, other)

    def added(products: int) -> int:
        sales = [a_sale(order_id=f"o{n}", lines=[a_line(f"p{n % products}")]) for n in range(400)]
        shares.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Sold, "__add__", counted)
            assert len(sums_of(sales)[Currency.INR].products) == products
        return shares["added"]

    assert added(400) == added(4)


def test_any_books_are_right_and_any_drift_is_found() -> None:
    dice = random.Random(20261122)
    for _ in range(40):
        ledger = Ledger(Books(), InMemoryProgress())
        for number in range(dice.randrange(1, 12)):
            currency = dice.choice(list(Currency))
            lines = [
                a_line(f"p{dice.randrange(3)}", dice.randrange(1, 4), 100, currency=currency)
                for _ in range(dice.randrange(1, 4))
            ]
            statuses = dice.sample(list(SaleStatus), 2)
            for version, status in enumerate(sorted(statuses, key=lambda s: s.rank), 1):
                ledger.sell(
                    a_sale(status, f"o{number}", lines=lines, is_paid=True, version=version)
                )
        right = ledger.sums()
        assert "mended" not in ledger.run()
        ledger.tamper(dice.choice([a_unit_more, an_order_less]))
        assert ledger.run()["mended"] == len(right)
        assert ledger.sums() == right


@pytest.mark.usefixtures("aws")
def test_the_job_takes_yesterday_or_the_day_it_is_told(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(Books(), InMemoryProgress())
    monkeypatch.setattr(wiring, "roll_up", lambda: ledger.rolling)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    ledger.sell(a_sale())
    nothing = {"right": 0, "mended": 0, "failed": 0, "sales": 0, "unfinished": 0}
    assert jobs.roll_up_day({}, AContext()) == nothing
    told = jobs.roll_up_day({"date": str(DAY)}, AContext())
    assert told == {**nothing, "right": 1, "sales": 1}
    clock.advance(timedelta(days=1))
    assert jobs.roll_up_day({}, AContext()) == told, "by hand it was not over yet"
    assert jobs.roll_up_day({}, AContext()) == nothing, "now it was"
