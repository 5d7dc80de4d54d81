"""Weekly reports, in memory and in DynamoDB."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FrozenClock
from seller_dashboard import jobs, reports, wiring
from seller_dashboard.model import Details, Period, Product, SaleStatus, Seller, Stock
from seller_dashboard.numbers import DayTotals
from seller_dashboard.reports import Week, WeeklyReports
from seller_dashboard.repository import DynamoProgress, DynamoReports
from supermarket.contracts import SalesReportReady
from supermarket.dynamo.outbox import OutboxRow
from supermarket.errors import Invalid
from supermarket.money import Currency
from support.in_memory import InMemoryOutbox
from support.jobs import AContext
from support.seller_dashboard import (
    Books,
    InMemoryProgress,
    InMemoryReports,
    a_line,
    a_sale,
    in_dynamodb,
    inr,
    usd,
)

MONDAY, SUNDAY = date(2026, 11, 16), date(2026, 11, 22)
WEEK = Week(MONDAY)


def plenty() -> bool:
    return True


def at_noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


class Mail:
    """Sellers with books, the job that tells them of their weeks, and what it told."""

    def __init__(
        self,
        books: Books,
        told: Any,
        events: Callable[[], list[Any]],
        progress: InMemoryProgress | DynamoProgress,
    ) -> None:
        self.books = books
        self.events = events
        self.weekly = WeeklyReports(
            books.sales,
            books.catalogue,
            cast("reports.Sellers", books.sellers),
            told,
            progress,
            books.rebuilds,
            books.begin,
        )

    def introduce(self, *seller_ids: str) -> None:
        for seller_id in seller_ids:
            self.books.keeping.introduce(Seller(seller_id, f"{seller_id}@x.example", "Ravi"), "1")

    def sell(self, day: date, order_id: str = "o1", **options: Any) -> None:
        self.books.keeping._follow(a_sale(order_id=order_id, placed_at=at_noon(day), **options))

    def run_low(self, stock: int = 2, threshold: int = 5) -> None:
        details = Details(1, "Basmati rice", inr(100), None, threshold)
        self.books.keeping.learn_of_product(
            Product("s1", "p9", details=details, stock=Stock(stock, 1))
        )

    def run(self, week: Week = WEEK, *, again: bool = True) -> dict[str, int]:
        return dict(+self.weekly.report(week, plenty, again=again))


@pytest.fixture(params=["in memory", "DynamoDB"])
def mail(request: pytest.FixtureRequest, clock: FrozenClock) -> Mail:
    if request.param == "in memory":
        outbox = InMemoryOutbox()
        books = Books(begin=outbox.begin)
        told = partial(outbox.of, SalesReportReady)
        return Mail(books, InMemoryReports(), told, InMemoryProgress())
    request.getfixturevalue("aws")
    books = in_dynamodb(clock)
    return Mail(books, DynamoReports(clock), events_in_the_outbox, DynamoProgress(clock))


def events_in_the_outbox() -> list[SalesReportReady]:
    rows = OutboxRow.scan()
    return [SalesReportReady.model_validate(json.loads(row.detail)["data"]) for row in rows]


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_a_week_is_the_last_whole_one_from_monday_to_sunday(day: date) -> None:
    week = Week.before(day)
    assert (week.first.weekday(), week.period.last.weekday()) == (0, 6)
    assert timedelta(1) <= day - week.period.last <= timedelta(7)
    assert len(week.period.days) == 7


def test_a_seller_is_told_the_week_s_numbers(mail: Mail) -> None:
    mail.introduce("s1")
    mail.sell(MONDAY - timedelta(days=7), "before", lines=[a_line("p1", 1, 700)])
    mail.sell(MONDAY, "o1", lines=[a_line("p1", 2, 500), a_line("p2", 1, 300, refunded=100)])
    mail.sell(SUNDAY, "o2", lines=[a_line("p1", 1, 900, currency=Currency.USD)])
    mail.sell(SUNDAY, "o3", status=SaleStatus.PENDING)
    mail.sell(SUNDAY + timedelta(days=1), "after")
    mail.run_low()
    assert mail.run() == {"reported": 1}
    [report] = mail.events()
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


def test_another_run_tells_nobody_again(mail: Mail) -> None:
    mail.introduce("s1", "s2")
    mail.sell(MONDAY, "o1", seller_id="s1")
    mail.sell(MONDAY, "o2", seller_id="s2")
    assert mail.run() == {"reported": 2}
    assert mail.run() == {"told_before": 2}
    assert mail.run(Week(MONDAY + timedelta(days=7))) == {"reported": 2}, "of the next week"


def test_two_runs_at_once_tell_once(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    mail.introduce("s1")
    mail.sell(MONDAY)
    mail.run()
    monkeypatch.setattr(mail.weekly.reports, "told", lambda *_: ())
    assert mail.run() == {"told_before": 1}
    assert len(mail.events()) == 1


def test_who_sold_only_in_the_week_before_is_told_too(mail: Mail) -> None:
    mail.introduce("s1")
    mail.sell(MONDAY - timedelta(days=1))
    assert mail.run() == {"reported": 1}
    [report] = mail.events()
    assert (report.orders, report.revenue) == (0, [])
    assert [amount.money() for amount in report.revenue_before] == [inr(1000)]


def test_who_runs_low_is_told_though_nothing_was_sold(mail: Mail) -> None:
    mail.introduce("s1")
    mail.run_low()
    assert mail.run() == {"reported": 1}


def test_who_has_nothing_to_be_told_of_gets_no_mail(mail: Mail) -> None:
    mail.introduce("s1")
    mail.sell(MONDAY - timedelta(days=8), "long ago")
    mail.sell(SUNDAY, "unpaid", status=SaleStatus.PENDING)
    mail.run_low(stock=6)
    assert mail.run() == {"nothing_to_tell": 1}
    mail.sell(SUNDAY, "late")
    assert mail.run() == {"reported": 1}


def test_a_failure_stops_none_of_the_rest(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    mail.introduce("s1", "s2", "s3")
    for seller_id in ("s1", "s2", "s3"):
        mail.sell(MONDAY, f"of {seller_id}", seller_id=seller_id)
    titles = mail.books.catalogue.titles

    def fail_for_one(seller_id: str, ids: Any) -> Any:
        if seller_id == "s2":
            raise ConnectionError("no answer")
        return titles(seller_id, ids)

    monkeypatch.setattr(mail.books.catalogue, "titles", fail_for_one)
    assert mail.run() == {"reported": 2, "failed": 1}
    monkeypatch.undo()
    assert mail.run() == {"reported": 1, "told_before": 2}


def test_without_time_a_run_ends_and_the_next_one_goes_on(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "SELLERS_PER_PAGE", 2)
    for number in range(5):
        mail.introduce(f"s{number}")
        mail.sell(MONDAY, f"o{number}", seller_id=f"s{number}")
    time_left = iter([True, True, False])
    first = mail.weekly.report(WEEK, lambda: next(time_left))
    assert +first == {"reported": 4, "unfinished": 1}
    assert mail.run() == {"reported": 1}
    assert len({report.seller_id for report in mail.events()}) == len(mail.events()) == 5
    assert mail.run(again=False) == {}
    assert mail.run(again=True) == {"told_before": 5}


def test_four_runs_reach_a_seller_behind_many_who_have_nothing_to_tell(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "SELLERS_PER_PAGE", 1)
    mail.introduce("s1", "s2", "s3", "s4")
    mail.sell(MONDAY, seller_id="s4")
    runs = [mail.weekly.report(WEEK, [False, True].pop) for _ in range(4)]
    assert sum(run["nothing_to_tell"] for run in runs) == 3
    assert sum(run["reported"] for run in runs) == 1


def test_who_failed_in_an_unfinished_run_is_told_by_a_later_one(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "SELLERS_PER_PAGE", 1)
    mail.introduce("s1", "s2")
    mail.sell(MONDAY, "o1", seller_id="s1")
    mail.sell(MONDAY, "o2", seller_id="s2")
    with monkeypatch.context() as broken:
        broken.setattr(mail.books.sales, "days", lambda *_: 1 / 0)
        first = mail.weekly.report(WEEK, [False, True].pop)
    assert +first == {"failed": 1, "unfinished": 1}
    assert mail.run(again=False) == {"reported": 2}


def test_a_seller_who_kills_every_run_keeps_none_of_the_same_page_from_being_told(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Lambda's time is up in the middle of a seller."""

    for number in range(5):
        mail.introduce(f"s{number}")
        mail.sell(MONDAY, f"o{number}", seller_id=f"s{number}")
    days = mail.books.sales.days

    def too_many(seller_id: str, period: Period) -> object:
        if seller_id in {"s1", "s2"}:
            raise Killed
        return days(seller_id, period)

    monkeypatch.setattr(mail.books.sales, "days", too_many)
    for _ in range(4):  # the page, then s1, then s2, then the rest and s1 again
        with pytest.raises(Killed):
            mail.run(again=False)
    assert {report.seller_id for report in mail.events()} == {"s0", "s3", "s4"}
    monkeypatch.undo()
    assert mail.run(again=False) == {"reported": 2}


def test_who_has_nothing_to_be_told_of_since_a_rebuild_has_dropped_it_is_looked_at_again(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "SELLERS_PER_PAGE", 1)
    for seller_id in ("s1", "s2"):
        mail.introduce(seller_id)
        mail.sell(MONDAY, f"of {seller_id}", seller_id=seller_id)
    lease = mail.books.lease

    def dropped(*_: object) -> list[DayTotals]:
        lease.take()
        lease.mark_incomplete()
        return []

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(mail.books.sales, "days", dropped)
        assert mail.run(again=False)["unfinished"] == 1
    lease.mark_complete()
    lease.release()
    assert mail.run(again=False) == {"reported": 2}


def test_a_week_is_not_told_out_of_books_that_are_being_made_anew(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.introduce("s1")
    mail.sell(MONDAY)
    lease, days = mail.books.lease, mail.books.sales.days
    lease.take()
    assert mail.run(again=False) == {"unfinished": 1}
    lease.release()

    def dropped(*_: object) -> list[DayTotals]:
        """A rebuild begins just when the seller is looked at."""
        lease.take()
        lease.mark_incomplete()
        return [*days("s1", WEEK.period)]

    monkeypatch.setattr(mail.books.sales, "days", dropped)
    assert mail.run(again=False) == {"unfinished": 1}
    assert mail.events() == []
    monkeypatch.setattr(mail.books.sales, "days", days)
    lease.mark_complete()
    lease.release()
    assert mail.run(again=False) == {"reported": 1}


def test_the_job_takes_the_week_before_its_day(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = InMemoryOutbox()
    mail = Mail(
        Books(begin=outbox.begin), InMemoryReports(), lambda: outbox.events, InMemoryProgress()
    )
    monkeypatch.setattr(wiring, "weekly_reports", lambda: mail.weekly)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    mail.introduce("s1")
    mail.sell(SUNDAY)
    nothing = dict.fromkeys(reports.OUTCOMES, 0)
    assert jobs.report_week({}, AContext()) == {**nothing, "nothing_to_tell": 1}
    clock.advance(timedelta(hours=16))  # Monday, four in the morning
    assert jobs.report_week({}, AContext()) == {**nothing, "reported": 1}
    assert jobs.report_week({"date": "2026-11-29"}, AContext()) == {**nothing, "told_before": 1}
    clock.advance(timedelta(days=7))
    assert jobs.report_week({"date": "2026-11-30"}, AContext()) == {**nothing, "reported": 1}
    assert [report.first for report in mail.events()] == [MONDAY, MONDAY + timedelta(days=7)]


def test_a_week_that_is_not_over_is_not_reported(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = Mail(Books(), InMemoryReports(), list, InMemoryProgress())
    monkeypatch.setattr(wiring, "weekly_reports", lambda: mail.weekly)
    monkeypatch.setattr("supermarket.jobs.utc_now", clock)
    mail.introduce("s1")
    mail.sell(SUNDAY)
    with pytest.raises(Invalid, match="2026-11-16 to 2026-11-22 is not over"):
        jobs.report_week({"date": "2026-11-23"}, AContext())
    clock.advance(timedelta(hours=16))
    assert jobs.report_week({}, AContext())["told_before"] == 0
