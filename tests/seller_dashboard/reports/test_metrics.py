"""Daily totals that are added and subtracted, and the metrics computed from them."""

from datetime import date
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.projections.model import LowStock, Period, SaleStatus, SalesTotals
from seller_dashboard.projections.totals import DailyTotals
from seller_dashboard.reports.metrics import (
    compute_metrics,
    rank_by_revenue,
    rank_by_units,
    top_product_ids,
)
from supermarket.money import Currency, Money
from support.seller_dashboard import a_line, a_sale, inr, usd

TODAY = date(2026, 11, 22)
WEEK = Period(date(2026, 11, 16), TODAY)


def a_day(day: int, orders: int, **products: tuple[int, Money]) -> DailyTotals:
    sold = {product_id: SalesTotals(*share) for product_id, share in products.items()}
    currency = next(iter(sold.values())).revenue.currency
    whole = sum(sold.values(), SalesTotals.zero(currency))
    zero = Money.zero(currency)
    return DailyTotals(date(2026, 11, day), orders, orders, orders, whole, zero, sold)


def test_a_confirmed_sale_is_part_of_every_total() -> None:
    lines = [a_line("p1", 2, 500, refunded=100), a_line("p2", 1, 70)]
    sums = DailyTotals.of(a_sale(lines=lines, is_paid=True))
    assert (sums.placed, sums.paid, sums.orders) == (1, 1, 1)
    assert (sums.sold, sums.refunded) == (SalesTotals(3, inr(970)), inr(100))
    assert sums.products == {"p1": SalesTotals(2, inr(900)), "p2": SalesTotals(1, inr(70))}


def test_a_cancelled_sale_counts_as_placed_paid_and_refunded_only() -> None:
    lines = [a_line("p1", 2, 500, refunded=1000)]
    sums = DailyTotals.of(a_sale(SaleStatus.CANCELLED, lines=lines, is_paid=True))
    assert (sums.placed, sums.paid, sums.orders) == (1, 1, 0)
    assert (sums.sold, sums.refunded, sums.products) == (SalesTotals(0, inr(0)), inr(1000), {})


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
def test_subtracting_what_was_added_gives_zero(sales: list[object]) -> None:
    sums = [DailyTotals.of(sale) for sale in sales]  # type: ignore[arg-type]
    zero = DailyTotals.zero(TODAY, Currency.INR)
    whole = reduce(DailyTotals.__add__, sums, zero)
    assert reduce(DailyTotals.__sub__, reversed(sums), whole) == zero
    assert not zero
    assert whole


def test_metrics_sum_up_the_days() -> None:
    days = [a_day(20, 2, a=(3, inr(300))), a_day(22, 1, a=(1, inr(100)), b=(4, inr(55)))]
    found = compute_metrics(WEEK, days, {})
    assert (found.units, found.orders, found.revenue) == (8, 3, (inr(455),))
    assert found.average_order_value == (inr(152),)  # 151.67


@given(minor=st.integers(0, 10**9), orders=st.integers(1, 10**4))
def test_the_average_is_rounded_to_a_minor_unit(minor: int, orders: int) -> None:
    average = (
        compute_metrics(WEEK, [a_day(20, orders, a=(1, inr(minor)))], {})
        .average_order_value[0]
        .minor
    )
    assert -orders < 2 * (average * orders - minor) <= orders


def test_conversion_is_the_share_of_the_placed_orders_that_were_paid() -> None:
    statuses = [*[SaleStatus.PENDING] * 2, SaleStatus.CONFIRMED]
    sums = [DailyTotals.of(a_sale(s, is_paid=s is SaleStatus.CONFIRMED)) for s in statuses]
    found = compute_metrics(WEEK, sums, {})
    assert (found.placed, found.orders, found.conversion) == (3, 1, 0.3333)
    assert compute_metrics(WEEK, [], {}).conversion is None


def test_currencies_are_never_added_up() -> None:
    days = [a_day(20, 1, a=(1, inr(300))), a_day(20, 2, b=(2, usd(900)))]
    found = compute_metrics(WEEK, days, {})
    assert found.revenue == (inr(300), usd(900))
    assert found.average_order_value == (inr(300), usd(450))
    day = next(one for one in found.series if one.day == date(2026, 11, 20))
    assert (day.orders, day.units, day.revenue) == (3, 3, (inr(300), usd(900)))


def test_the_series_has_every_day_of_the_period() -> None:
    found = compute_metrics(WEEK, [a_day(20, 1, a=(1, inr(300)))], {})
    units = [(one.day.day, one.units) for one in found.series]
    assert units == [(16, 0), (17, 0), (18, 0), (19, 0), (20, 1), (21, 0), (22, 0)]


def test_the_top_products_are_the_five_with_the_most_units_of_all_days() -> None:
    shares = {f"p{n}": (n, inr(n)) for n in range(1, 8)}
    days = [a_day(20, 1, **shares), a_day(21, 1, p1=(9, inr(90)))]
    assert rank_by_units(days) == ["p1", "p7", "p6", "p5", "p4"]
    top = compute_metrics(WEEK, days, {"p1": "Rice"}).top_products[0]
    assert (top.title, top.units, top.revenue) == ("Rice", 10, (inr(91),))


def test_each_currency_has_its_own_top_products_by_revenue() -> None:
    days = [
        a_day(20, 1, cheap=(90, inr(90)), dear=(1, inr(900))),
        a_day(21, 1, abroad=(1, usd(5)), dear=(1, usd(7))),
    ]
    rupees, dollars = compute_metrics(WEEK, days, {"dear": "Saffron"}).top_products_by_revenue
    assert rupees.currency is Currency.INR
    assert [top.product_id for top in rupees.products] == ["dear", "cheap"]
    assert (rupees.products[0].title, rupees.products[0].revenue) == ("Saffron", (inr(900),))
    assert [(top.product_id, top.revenue) for top in dollars.products] == [
        ("dear", (usd(7),)),
        ("abroad", (usd(5),)),
    ]
    assert top_product_ids(days) == {"cheap", "dear", "abroad"}


def test_a_fully_refunded_product_has_units_and_no_revenue() -> None:
    day = a_day(20, 1, a=(2, inr(0)))
    assert (rank_by_units([day]), rank_by_revenue([day])) == (["a"], [])


def test_a_product_with_cancelled_sales_only_is_no_top_product() -> None:
    assert rank_by_units([a_day(20, 0, a=(0, inr(0)))]) == []


def test_metrics_without_sales_are_zeros_and_empty_lists() -> None:
    low = LowStock("p1", "Tea", 1, 3)
    found = compute_metrics(WEEK, [], {}, [low])
    assert (found.units, found.orders, found.placed) == (0, 0, 0)
    assert (found.revenue, found.refunds, found.average_order_value) == ((), (), ())
    assert (found.top_products, found.top_products_by_revenue, found.low_stock) == ((), (), (low,))
