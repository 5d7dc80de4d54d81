"""Weekly reports, in memory and in DynamoDB."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FrozenClock
from seller_dashboard import jobs, wiring
from seller_dashboard.projections.model import (
    Period,
    ProductDetails,
    ProductFacts,
    SaleStatus,
    StockLevel,
)
from seller_dashboard.projections.totals import DailyTotals
from seller_dashboard.reports import weekly
from seller_dashboard.reports.weekly import WeeklyReports
from supermarket.contracts import SalesReportReady
from supermarket.dynamo.outbox import OutboxRow
from supermarket.errors import Invalid
from supermarket.money import Currency
from supermarket.people import Recipient
from support.in_memory import InMemoryOutbox
from support.jobs import AContext
from support.seller_dashboard import (
    Projections,
    a_line,
    a_sale,
    in_dynamodb,
    inr,
    usd,
)

MONDAY, SUNDAY = date(2026, 11, 16), date(2026, 11, 22)
WEEK = Period(MONDAY, SUNDAY)


def plenty() -> bool:
    return True


def at_noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


class Reporting:
    """Sellers with projections, the job that reports their weeks, and the events that it emits."""

    def __init__(self, projections: Projections, events: Callable[[], list[Any]]) -> None:
        self.projections = projections
        self.events = events
        self.weekly = WeeklyReports(
            projections.sales,
            projections.catalogue,
            projections.sellers,
            projections.jobs,
            projections.begin,
        )

    def add_sellers(self, *seller_ids: str) -> None:
        for seller_id in seller_ids:
            self.projections.sellers.upsert(
                Recipient(seller_id, f"{seller_id}@x.example", "Ravi"), "1"
            )

    def sell(self, day: date, order_id: str = "o1", **options: Any) -> None:
        self.projections.record(a_sale(order_id=order_id, placed_at=at_noon(day), **options))

    def set_stock(self, stock: int = 2, threshold: int = 5) -> None:
        details = ProductDetails(1, "Basmati rice", inr(100), None, threshold)
        self.projections.projector.apply_product(
            ProductFacts("s1", "p9", details=details, stock=StockLevel(stock, 1))
        )

    def run(self, week: Period = WEEK, *, again: bool = True) -> dict[str, int]:
        return dict(+self.weekly.run(week, plenty, again=again))


@pytest.fixture(params=["in memory", "DynamoDB"])
def reporting(request: pytest.FixtureRequest, clock: FrozenClock) -> Reporting:
    if request.param == "in memory":
        outbox = InMemoryOutbox()
        projections = Projections(begin=outbox.begin)
        events = partial(outbox.of, SalesReportReady)
        return Reporting(projections, events)
    request.getfixturevalue("aws")
    return Reporting(in_dynamodb(clock), events_in_the_outbox)


def events_in_the_outbox() -> list[SalesReportReady]:
    rows = OutboxRow.scan()
    return [SalesReportReady.model_validate(json.loads(row.detail)["data"]) for row in rows]


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_the_week_before_a_day_is_a_whole_one_from_monday_to_sunday(day: date) -> None:
    week = Period.week_before(day)
    assert (week.first.weekday(), week.last.weekday()) == (0, 6)
    assert timedelta(1) <= day - week.last <= timedelta(7)
    assert len(week.days) == 7


def test_a_report_has_the_metrics_of_the_week(reporting: Reporting) -> None:
    reporting.add_sellers("s1")
    reporting.sell(MONDAY - timedelta(days=7), "before", lines=[a_line("p1", 1, 700)])
    reporting.sell(MONDAY, "o1", lines=[a_line("p1", 2, 500), a_line("p2", 1, 300, refunded=100)])
    reporting.sell(SUNDAY, "o2", lines=[a_line("p1", 1, 900, currency=Currency.USD)])
    reporting.sell(SUNDAY, "o3", status=SaleStatus.PENDING)
    reporting.sell(SUNDAY + timedelta(days=1), "after")
    reporting.set_stock()
    assert reporting.run() == {"reported": 1}
    [report] = reporting.events()
    assert (report.seller.email, report.seller_id) == ("s1@x.example", "s1")
    assert (report.first, report.last) == (MONDAY, SUNDAY)
    assert (report.orders, report.units) == (2, 4)
    assert [amount.money() for amount in report.revenue] == [inr(1200), usd(900)]
    assert [amount.money() for amount in report.revenue_before] == [inr(700)]
    assert [amount.money() for amount in report.refunds] == [inr(100)]
    assert [(day.day, day.units) for day in report.days] == [
        (MONDAY, 3),
        *((MONDAY + timedelta(days=n), 0) for n in range(1, 6)),
        (SUNDAY, 1),
    ]
    tops = [(top.product_id, top.title, top.units) for top in report.top_products]
    assert tops == [("p1", "Title of p1", 3), ("p2", "Title of p2", 1)]
    assert [(low.title, low.stock) for low in report.low_stock] == [("Basmati rice", 2)]


def test_another_run_reports_nothing_again(reporting: Reporting) -> None:
    reporting.add_sellers("s1", "s2")
    reporting.sell(MONDAY, "o1", seller_id="s1")
    reporting.sell(MONDAY, "o2", seller_id="s2")
    assert reporting.run() == {"reported": 2}
    assert reporting.run() == {"already_reported": 2}
    next_week = Period.week_before(MONDAY + timedelta(days=14))
    assert reporting.run(next_week) == {"reported": 2}


def test_two_runs_at_the_same_time_report_once(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting.add_sellers("s1")
    reporting.sell(MONDAY)
    reporting.run()
    monkeypatch.setattr(reporting.projections.jobs, "list_reported", lambda *_: ())
    assert reporting.run() == {"already_reported": 1}
    assert len(reporting.events()) == 1


def test_a_seller_with_sales_in_the_week_before_gets_a_report(reporting: Reporting) -> None:
    reporting.add_sellers("s1")
    reporting.sell(MONDAY - timedelta(days=1))
    assert reporting.run() == {"reported": 1}
    [report] = reporting.events()
    assert (report.orders, report.revenue) == (0, [])
    assert [amount.money() for amount in report.revenue_before] == [inr(1000)]


def test_a_seller_with_low_stock_and_no_sales_gets_a_report(reporting: Reporting) -> None:
    reporting.add_sellers("s1")
    reporting.set_stock()
    assert reporting.run() == {"reported": 1}


def test_a_seller_without_sales_and_low_stock_gets_no_report(reporting: Reporting) -> None:
    reporting.add_sellers("s1")
    reporting.sell(MONDAY - timedelta(days=8), "long ago")
    reporting.sell(SUNDAY, "unpaid", status=SaleStatus.PENDING)
    reporting.set_stock(stock=6)
    assert reporting.run() == {"nothing_to_report": 1}
    reporting.sell(SUNDAY, "late")
    assert reporting.run() == {"reported": 1}


def test_the_failure_of_one_seller_does_not_stop_the_others(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting.add_sellers("s1", "s2", "s3")
    for seller_id in ("s1", "s2", "s3"):
        reporting.sell(MONDAY, f"of {seller_id}", seller_id=seller_id)
    titles = reporting.projections.catalogue.get_titles

    def fail_for_one(seller_id: str, ids: Any) -> Any:
        if seller_id == "s2":
            raise ConnectionError("no answer")
        return titles(seller_id, ids)

    monkeypatch.setattr(reporting.projections.catalogue, "get_titles", fail_for_one)
    assert reporting.run() == {"reported": 2, "failed": 1}
    monkeypatch.undo()
    assert reporting.run() == {"reported": 1, "already_reported": 2}


def test_a_run_without_time_ends_and_the_next_one_continues(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly, "SELLERS_PER_BATCH", 2)
    for number in range(5):
        reporting.add_sellers(f"s{number}")
        reporting.sell(MONDAY, f"o{number}", seller_id=f"s{number}")
    time_left = iter([True, True, False])
    first = reporting.weekly.run(WEEK, lambda: next(time_left))
    assert +first == {"reported": 4, "unfinished": 1}
    assert reporting.run() == {"reported": 1}
    assert len({report.seller_id for report in reporting.events()}) == len(reporting.events()) == 5
    assert reporting.run(again=False) == {}
    assert reporting.run(again=True) == {"already_reported": 5}


def test_short_runs_reach_a_seller_after_several_without_a_report(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly, "SELLERS_PER_BATCH", 1)
    reporting.add_sellers("s1", "s2", "s3", "s4")
    reporting.sell(MONDAY, seller_id="s4")
    runs = [reporting.weekly.run(WEEK, [False, True].pop) for _ in range(4)]
    assert sum(run["nothing_to_report"] for run in runs) == 3
    assert sum(run["reported"] for run in runs) == 1


def test_a_seller_who_failed_in_an_unfinished_run_gets_a_report_from_a_later_one(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly, "SELLERS_PER_BATCH", 1)
    reporting.add_sellers("s1", "s2")
    reporting.sell(MONDAY, "o1", seller_id="s1")
    reporting.sell(MONDAY, "o2", seller_id="s2")
    with monkeypatch.context() as broken:
        broken.setattr(reporting.projections.sales, "list_daily_totals", lambda *_: 1 / 0)
        first = reporting.weekly.run(WEEK, [False, True].pop)
    assert +first == {"failed": 1, "unfinished": 1}
    assert reporting.run(again=False) == {"reported": 2}


def test_a_seller_who_ends_every_run_keeps_no_other_of_the_batch_from_a_report(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Lambda times out in the middle of a seller."""

    for number in range(5):
        reporting.add_sellers(f"s{number}")
        reporting.sell(MONDAY, f"o{number}", seller_id=f"s{number}")
    days = reporting.projections.sales.list_daily_totals

    def too_many(seller_id: str, period: Period) -> object:
        if seller_id in {"s1", "s2"}:
            raise Killed
        return days(seller_id, period)

    monkeypatch.setattr(reporting.projections.sales, "list_daily_totals", too_many)
    for _ in range(4):  # the batch, then s1, then s2, then the rest and s1 again
        with pytest.raises(Killed):
            reporting.run(again=False)
    assert {report.seller_id for report in reporting.events()} == {"s0", "s3", "s4"}
    monkeypatch.undo()
    assert reporting.run(again=False) == {"reported": 2}


def test_a_seller_whose_sales_a_rebuild_has_deleted_is_visited_again(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly, "SELLERS_PER_BATCH", 1)
    for seller_id in ("s1", "s2"):
        reporting.add_sellers(seller_id)
        reporting.sell(MONDAY, f"of {seller_id}", seller_id=seller_id)
    lease = reporting.projections.lease

    def deleted(*_: object) -> list[DailyTotals]:
        lease.acquire()
        lease.mark_incomplete()
        return []

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(reporting.projections.sales, "list_daily_totals", deleted)
        assert reporting.run(again=False)["unfinished"] == 1
    lease.mark_complete()
    lease.release()
    assert reporting.run(again=False) == {"reported": 2}


def test_no_week_is_reported_during_a_rebuild(
    reporting: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting.add_sellers("s1")
    reporting.sell(MONDAY)
    lease, days = reporting.projections.lease, reporting.projections.sales.list_daily_totals
    lease.acquire()
    assert reporting.run(again=False) == {"unfinished": 1}
    lease.release()

    def deleted(*_: object) -> list[DailyTotals]:
        """Begin a rebuild while the seller is visited."""
        lease.acquire()
        lease.mark_incomplete()
        return [*days("s1", WEEK)]

    monkeypatch.setattr(reporting.projections.sales, "list_daily_totals", deleted)
    assert reporting.run(again=False) == {"unfinished": 1}
    assert reporting.events() == []
    monkeypatch.setattr(reporting.projections.sales, "list_daily_totals", days)
    lease.mark_complete()
    lease.release()
    assert reporting.run(again=False) == {"reported": 1}


def test_the_job_reports_the_week_before_its_day(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = InMemoryOutbox()
    reporting = Reporting(Projections(begin=outbox.begin), lambda: outbox.events)
    monkeypatch.setattr(wiring, "weekly_reports", lambda: reporting.weekly)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    reporting.add_sellers("s1")
    reporting.sell(SUNDAY)
    nothing = dict.fromkeys(weekly.OUTCOMES, 0)
    assert jobs.report_week({}, AContext()) == {**nothing, "nothing_to_report": 1}
    clock.advance(timedelta(hours=8))  # Monday, half past one in the shop, Sunday in UTC
    assert jobs.report_week({}, AContext()) == {**nothing, "reported": 1}
    assert jobs.report_week({"date": "2026-11-29"}, AContext()) == {
        **nothing,
        "already_reported": 1,
    }
    clock.advance(timedelta(days=7))
    assert jobs.report_week({"date": "2026-11-30"}, AContext()) == {**nothing, "reported": 1}
    assert [report.first for report in reporting.events()] == [MONDAY, MONDAY + timedelta(days=7)]


def test_a_week_that_is_not_over_is_not_reported(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporting = Reporting(Projections(), list)
    monkeypatch.setattr(wiring, "weekly_reports", lambda: reporting.weekly)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    reporting.add_sellers("s1")
    reporting.sell(SUNDAY)
    with pytest.raises(Invalid, match="2026-11-16 to 2026-11-22 is not over"):
        jobs.report_week({"date": "2026-11-23"}, AContext())
    clock.advance(timedelta(hours=16))
    assert jobs.report_week({}, AContext())["already_reported"] == 0
