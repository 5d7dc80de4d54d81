"""The chart of a week: proportional bars, and a comparison in words."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notification.report import charts
from supermarket.contracts import Amount, SalesOfDay, SalesReportReady
from supermarket.money import Currency
from support.notification import MONDAY, quiet_week, rupees, sales_report


def a_week(*minors: int, before: int = 0) -> SalesReportReady:
    days = [
        SalesOfDay(day=MONDAY + timedelta(days=number), units=1, revenue=[rupees(minor)])
        for number, minor in enumerate(minors)
    ]
    week = {
        "days": days,
        "revenue": [rupees(sum(minors))],
        "revenue_before": [rupees(before)] if before else [],
    }
    return sales_report().model_copy(update=week)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=7, max_size=7))
def test_the_length_of_a_bar_grows_with_revenue(minors: list[int]) -> None:
    (chart,) = charts(a_week(*minors))
    assert [bar.amount.minor for bar in chart.bars] == minors
    assert all(0 <= bar.percent <= 100 for bar in chart.bars)
    assert all((bar.percent > 0) == (bar.amount.minor > 0) for bar in chart.bars)
    by_amount = sorted(chart.bars, key=lambda bar: bar.amount.minor)
    assert [bar.percent for bar in by_amount] == sorted(bar.percent for bar in chart.bars)
    if max(minors) > 0:
        assert by_amount[-1].percent == 100


def test_each_currency_has_its_own_chart() -> None:
    rupee, dollar = charts(sales_report())
    assert (rupee.currency, dollar.currency) == (Currency.INR, Currency.USD)
    assert dollar.total.amount == Decimal("12.50")
    assert [bar.percent for bar in dollar.bars] == [0, 0, 100, 0, 0, 0, 0]


def test_a_week_without_sales_has_no_bars_but_is_compared() -> None:
    (chart,) = charts(quiet_week())
    assert not chart.has_bars
    assert chart.comparison == "100% less than the week before"


def test_a_seller_who_never_sold_anything_has_no_chart() -> None:
    assert charts(quiet_week().model_copy(update={"revenue_before": []})) == ()


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (115, 100, "15% more than the week before"),
        (50, 100, "50% less than the week before"),
        (300, 100, "200% more than the week before"),
        (100_000, 100_001, "As much as the week before"),
        (-100, 100, "200% less than the week before"),
        (100, 0, "Nothing the week before"),
    ],
)
def test_a_week_is_compared_with_the_one_before(now: int, before: int, words: str) -> None:
    (chart,) = charts(a_week(now, 0, 0, 0, 0, 0, 0, before=before))
    assert chart.comparison == words


def test_amounts_of_one_currency_are_added_up() -> None:
    report = a_week(1, 2, 3, 4, 5, 6, 7)
    doubled = [Amount(minor=14, currency=Currency.INR)] * 2
    (chart,) = charts(report.model_copy(update={"revenue": doubled}))
    assert chart.total.minor == 28
