"""What counts, what overtakes what, and the numbers made of days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.model import (
    DayTotals,
    PaymentStatus,
    Period,
    SaleStatus,
    Sold,
    best_sellers,
    change_in_count,
    metrics,
    overtakes,
    payment_standing,
)
from supermarket.errors import Invalid
from supermarket.money import Currency, Money
from support.seller_dashboard import a_line, a_sale

TODAY = date(2026, 11, 22)
WEEK = Period(date(2026, 11, 16), TODAY)


def inr(minor: int) -> Money:
    return Money(minor, Currency.INR)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


def a_day(day: int, orders: int, **products: tuple[int, Money]) -> DayTotals:
    sold = {product_id: Sold(*share) for product_id, share in products.items()}
    currency = next(iter(sold.values())).revenue.currency
    whole = Sold(
        sum(share.units for share in sold.values()),
        Money.total((share.revenue for share in sold.values()), currency),
    )
    return DayTotals(date(2026, 11, day), orders, whole, sold)


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (SaleStatus.PENDING, False),
        (SaleStatus.CONFIRMED, True),
        (SaleStatus.SHIPPED, True),
        (SaleStatus.DELIVERED, True),
        (SaleStatus.CANCELLED, False),
    ],
)
def test_only_paid_orders_that_were_not_cancelled_count(status: SaleStatus, counts: bool) -> None:
    assert status.counts is counts


@given(st.lists(st.sampled_from(SaleStatus), min_size=1))
def test_whatever_comes_the_counts_add_up_to_the_last_status(arriving: list[SaleStatus]) -> None:
    known, counted = None, 0
    for status in arriving:
        sale = a_sale(status)
        if overtakes(sale, known):
            counted += change_in_count(sale, known)
            known = sale
    assert known is not None
    assert known.status.rank == max(status.rank for status in arriving)
    assert counted == int(known.status.counts)


def test_nothing_comes_after_a_cancellation() -> None:
    cancelled = a_sale(SaleStatus.CANCELLED)
    assert not any(overtakes(a_sale(status), cancelled) for status in SaleStatus)


def test_two_lines_of_one_product_are_one_share() -> None:
    sale = a_sale(lines=[a_line("p1", 2, 500), a_line("p2", 1, 70), a_line("p1", 1, 450)])
    assert sale.products == {"p1": Sold(3, inr(1450)), "p2": Sold(1, inr(70))}
    assert (sale.units, sale.total) == (4, inr(1520))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (("1", PaymentStatus.PENDING), ("1", PaymentStatus.FAILED)),
        (("1", PaymentStatus.FAILED), ("2", PaymentStatus.PENDING)),
        (("2", PaymentStatus.FAILED), ("1", PaymentStatus.COMPLETED)),
        (("1", PaymentStatus.PENDING), ("1", PaymentStatus.COMPLETED)),
        (("1", PaymentStatus.COMPLETED), ("1", PaymentStatus.REFUNDED)),
        (("2", PaymentStatus.PENDING), ("1", PaymentStatus.REFUNDED)),
    ],
)
def test_of_two_payment_facts_the_telling_one_stands(
    low: tuple[str, PaymentStatus], high: tuple[str, PaymentStatus]
) -> None:
    assert payment_standing(*low) < payment_standing(*high)


def test_the_default_period_is_the_last_thirty_days() -> None:
    period = Period.of(None, None, TODAY)
    assert (period.first, period.last) == (date(2026, 10, 24), TODAY)
    assert len(period.days) == 30


def test_an_open_end_is_today_and_an_open_beginning_thirty_days_earlier() -> None:
    assert Period.of(date(2026, 11, 1), None, TODAY) == Period(date(2026, 11, 1), TODAY)
    assert Period.of(None, date(2026, 1, 30), TODAY).first == date(2026, 1, 1)


def test_a_period_may_be_a_leap_year_and_not_a_day_more() -> None:
    first = TODAY - timedelta(days=365)
    assert len(Period.of(first, TODAY, TODAY).days) == 366
    with pytest.raises(Invalid):
        Period.of(first - timedelta(days=1), TODAY, TODAY)


def test_a_period_that_ends_before_it_begins_is_invalid() -> None:
    with pytest.raises(Invalid) as refused:
        Period.of(TODAY, TODAY - timedelta(days=1), TODAY)
    assert [error.field for error in refused.value.errors] == ["from"]


def test_sums_are_made_of_days() -> None:
    days = [a_day(20, 2, a=(3, inr(300))), a_day(22, 1, a=(1, inr(100)), b=(4, inr(55)))]
    found = metrics(WEEK, days, {})
    assert (found.units, found.orders, found.revenue) == (8, 3, (inr(455),))
    assert found.average_order == (inr(152),)  # 151.67


@given(minor=st.integers(0, 10**9), orders=st.integers(1, 10**4))
def test_the_average_is_off_by_half_a_minor_unit_at_most(minor: int, orders: int) -> None:
    average = metrics(WEEK, [a_day(20, orders, a=(1, inr(minor)))], {}).average_order[0].minor
    assert -orders < 2 * (average * orders - minor) <= orders


def test_currencies_are_never_added_up() -> None:
    days = [a_day(20, 1, a=(1, inr(300))), a_day(20, 2, b=(2, usd(900)))]
    found = metrics(WEEK, days, {})
    assert found.revenue == (inr(300), usd(900))
    assert found.average_order == (inr(300), usd(450))
    day = next(one for one in found.series if one.day == date(2026, 11, 20))
    assert (day.units, day.revenue) == (3, (inr(300), usd(900)))


def test_the_series_has_every_day_of_the_period() -> None:
    found = metrics(WEEK, [a_day(20, 1, a=(1, inr(300)))], {})
    assert [(one.day.day, one.units) for one in found.series] == [
        (16, 0),
        (17, 0),
        (18, 0),
        (19, 0),
        (20, 1),
        (21, 0),
        (22, 0),
    ]


def test_the_five_that_sold_most_are_the_top_over_all_days() -> None:
    shares = {f"p{n}": (n, inr(n)) for n in range(1, 8)}
    days = [a_day(20, 1, **shares), a_day(21, 1, p1=(9, inr(90)))]
    assert best_sellers(days) == ["p1", "p7", "p6", "p5", "p4"]
    top = metrics(WEEK, days, {"p1": "Rice"}).top[0]
    assert (top.title, top.units, top.revenue) == ("Rice", 10, (inr(91),))


def test_a_product_whose_sales_were_all_cancelled_is_no_best_seller() -> None:
    assert best_sellers([a_day(20, 0, a=(0, inr(0)))]) == []


def test_no_sales_are_zeros_and_empty_lists() -> None:
    found = metrics(WEEK, [], {})
    assert (found.units, found.orders, found.revenue, found.average_order, found.top) == (
        (0, 0) + ((),) * 3
    )
