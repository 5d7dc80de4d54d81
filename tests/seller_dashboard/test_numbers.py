"""Sums that are added to and taken from, and the metrics made of days."""

from datetime import date
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.model import LowStock, Period, SaleStatus, Sold
from seller_dashboard.numbers import (
    DayTotals,
    best_earners,
    best_sellers,
    metrics,
    products_to_name,
)
from supermarket.money import Currency, Money
from support.seller_dashboard import a_line, a_sale, inr, usd

TODAY = date(2026, 11, 22)
WEEK = Period(date(2026, 11, 16), TODAY)


def a_day(day: int, orders: int, **products: tuple[int, Money]) -> DayTotals:
    sold = {product_id: Sold(*share) for product_id, share in products.items()}
    currency = next(iter(sold.values())).revenue.currency
    whole = sum(sold.values(), Sold.none(currency))
    zero = Money.zero(currency)
    return DayTotals(date(2026, 11, day), orders, orders, orders, whole, zero, sold)


def test_a_sale_that_counts_is_in_every_sum() -> None:
    lines = [a_line("p1", 2, 500, refunded=100), a_line("p2", 1, 70)]
    sums = DayTotals.of(a_sale(lines=lines, is_paid=True))
    assert (sums.placed, sums.paid, sums.orders) == (1, 1, 1)
    assert (sums.sold, sums.refunded) == (Sold(3, inr(970)), inr(100))
    assert sums.products == {"p1": Sold(2, inr(900)), "p2": Sold(1, inr(70))}


def test_a_cancelled_sale_was_placed_and_perhaps_paid_and_refunded_and_nothing_else() -> None:
    lines = [a_line("p1", 2, 500, refunded=1000)]
    sums = DayTotals.of(a_sale(SaleStatus.CANCELLED, lines=lines, is_paid=True))
    assert (sums.placed, sums.paid, sums.orders) == (1, 1, 0)
    assert (sums.sold, sums.refunded, sums.products) == (Sold(0, inr(0)), inr(1000), {})


SALES = st.builds(
    lambda status, minor, back, product: a_sale(
        status, lines=[a_line(product, 1, minor, refunded=min(minor, back))]
    ),
    st.sampled_from(SaleStatus),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["p1", "p2", "p3"]),
)


@given(st.lists(SALES, min_size=1))
def test_what_is_taken_out_of_a_sum_leaves_no_trace(sales: list[object]) -> None:
    sums = [DayTotals.of(sale) for sale in sales]  # type: ignore[arg-type]
    nothing = DayTotals.nothing(TODAY, Currency.INR)
    whole = reduce(DayTotals.__add__, sums, nothing)
    assert reduce(DayTotals.__sub__, reversed(sums), whole) == nothing
    assert not nothing
    assert whole


def test_sums_are_made_of_days() -> None:
    days = [a_day(20, 2, a=(3, inr(300))), a_day(22, 1, a=(1, inr(100)), b=(4, inr(55)))]
    found = metrics(WEEK, days, {})
    assert (found.units, found.orders, found.revenue) == (8, 3, (inr(455),))
    assert found.average_order == (inr(152),)  # 151.67


@given(minor=st.integers(0, 10**9), orders=st.integers(1, 10**4))
def test_the_average_is_off_by_half_a_minor_unit_at_most(minor: int, orders: int) -> None:
    average = metrics(WEEK, [a_day(20, orders, a=(1, inr(minor)))], {}).average_order[0].minor
    assert -orders < 2 * (average * orders - minor) <= orders


def test_conversion_is_the_part_of_the_placed_orders_that_came_to_be_paid() -> None:
    statuses = [*[SaleStatus.PENDING] * 2, SaleStatus.CONFIRMED]
    sums = [DayTotals.of(a_sale(s, is_paid=s is SaleStatus.CONFIRMED)) for s in statuses]
    found = metrics(WEEK, sums, {})
    assert (found.placed, found.orders, found.conversion) == (3, 1, 0.3333)
    assert metrics(WEEK, [], {}).conversion is None


def test_currencies_are_never_added_up() -> None:
    days = [a_day(20, 1, a=(1, inr(300))), a_day(20, 2, b=(2, usd(900)))]
    found = metrics(WEEK, days, {})
    assert found.revenue == (inr(300), usd(900))
    assert found.average_order == (inr(300), usd(450))
    day = next(one for one in found.series if one.day == date(2026, 11, 20))
    assert (day.orders, day.units, day.revenue) == (3, 3, (inr(300), usd(900)))


def test_the_series_has_every_day_of_the_period() -> None:
    found = metrics(WEEK, [a_day(20, 1, a=(1, inr(300)))], {})
    units = [(one.day.day, one.units) for one in found.series]
    assert units == [(16, 0), (17, 0), (18, 0), (19, 0), (20, 1), (21, 0), (22, 0)]


def test_the_five_that_sold_most_are_the_top_over_all_days() -> None:
    shares = {f"p{n}": (n, inr(n)) for n in range(1, 8)}
    days = [a_day(20, 1, **shares), a_day(21, 1, p1=(9, inr(90)))]
    assert best_sellers(days) == ["p1", "p7", "p6", "p5", "p4"]
    top = metrics(WEEK, days, {"p1": "Rice"}).top[0]
    assert (top.title, top.units, top.revenue) == ("Rice", 10, (inr(91),))


def test_by_revenue_each_currency_has_a_top_of_its_own() -> None:
    days = [
        a_day(20, 1, cheap=(90, inr(90)), dear=(1, inr(900))),
        a_day(21, 1, abroad=(1, usd(5)), dear=(1, usd(7))),
    ]
    rupees, dollars = metrics(WEEK, days, {"dear": "Saffron"}).top_by_revenue
    assert rupees.currency is Currency.INR
    assert [top.product_id for top in rupees.products] == ["dear", "cheap"]
    assert (rupees.products[0].title, rupees.products[0].revenue) == ("Saffron", (inr(900),))
    assert [(top.product_id, top.revenue) for top in dollars.products] == [
        ("dear", (usd(7),)),
        ("abroad", (usd(5),)),
    ]
    assert products_to_name(days) == {"cheap", "dear", "abroad"}


def test_a_product_whose_money_all_went_back_sold_but_earned_nothing() -> None:
    day = a_day(20, 1, a=(2, inr(0)))
    assert (best_sellers([day]), best_earners([day])) == (["a"], [])


def test_a_product_whose_sales_were_all_cancelled_is_no_best_seller() -> None:
    assert best_sellers([a_day(20, 0, a=(0, inr(0)))]) == []


def test_no_sales_are_zeros_and_empty_lists() -> None:
    low = LowStock("p1", "Tea", 1, 3)
    found = metrics(WEEK, [], {}, [low])
    assert (found.units, found.orders, found.placed) == (0, 0, 0)
    assert (found.revenue, found.refunds, found.average_order) == ((), (), ())
    assert (found.top, found.top_by_revenue, found.low_stock) == ((), (), (low,))
