"""Metrics of a period, computed from its daily totals."""

from collections import Counter
from collections.abc import Iterable
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.projections.model import LowStock, Period, SaleStatus
from seller_dashboard.projections.totals import MINOR, UNITS, DailyTotals
from seller_dashboard.reports.metrics import Metrics, compute_metrics
from supermarket.money import Currency, Money
from support.seller_dashboard import a_sale, inr, usd

TODAY = date(2026, 11, 22)
WEEK = Period(date(2026, 11, 16), TODAY)


def a_day(day: int, orders: int, **products: tuple[int, Money]) -> DailyTotals:
    """Return the totals of a day on which products were sold in some units for some revenue."""
    numbers = Counter(placed=orders, paid=orders, orders=orders)
    for product_id, (units, revenue) in products.items():
        numbers.update(units=units, minor=revenue.minor)
        numbers.update({UNITS + product_id: units, MINOR + product_id: revenue.minor})
    return DailyTotals(date(2026, 11, day), revenue.currency, numbers)


def metrics_of(*days: DailyTotals, low_stock: Iterable[LowStock] = (), **titles: str) -> Metrics:
    def get_titles(product_ids: set[str]) -> dict[str, str]:
        return {one: title for one, title in titles.items() if one in product_ids}

    return compute_metrics(WEEK, days, get_titles, low_stock)


def test_metrics_sum_up_the_days() -> None:
    days = [a_day(20, 2, a=(3, inr(300))), a_day(22, 1, a=(1, inr(100)), b=(4, inr(55)))]
    found = metrics_of(*days)
    assert (found.units, found.orders, found.revenue) == (8, 3, (inr(455),))
    assert found.average_order_value == (inr(152),)  # 151.67


@given(minor=st.integers(0, 10**9), orders=st.integers(1, 10**4))
def test_the_average_is_rounded_to_a_minor_unit(minor: int, orders: int) -> None:
    [average] = metrics_of(a_day(20, orders, a=(1, inr(minor)))).average_order_value
    assert -orders < 2 * (average.minor * orders - minor) <= orders


def test_conversion_is_the_share_of_the_placed_orders_that_were_paid() -> None:
    statuses = [*[SaleStatus.PENDING] * 2, SaleStatus.CONFIRMED]
    totals = [DailyTotals.of(a_sale(s, is_paid=s is SaleStatus.CONFIRMED)) for s in statuses]
    found = metrics_of(*totals)
    assert (found.placed, found.orders, found.conversion) == (3, 1, 0.3333)
    assert metrics_of().conversion is None


def test_currencies_are_never_added_up() -> None:
    days = [a_day(20, 1, a=(1, inr(300))), a_day(20, 2, b=(2, usd(900)))]
    found = metrics_of(*days)
    assert found.revenue == (inr(300), usd(900))
    assert found.average_order_value == (inr(300), usd(450))
    day = next(one for one in found.series if one.day == date(2026, 11, 20))
    assert (day.orders, day.units, day.revenue) == (3, 3, (inr(300), usd(900)))


def test_the_series_has_every_day_of_the_period() -> None:
    found = metrics_of(a_day(20, 1, a=(1, inr(300))))
    units = [(one.day.day, one.units) for one in found.series]
    assert units == [(16, 0), (17, 0), (18, 0), (19, 0), (20, 1), (21, 0), (22, 0)]


def test_the_top_products_are_the_five_with_the_most_units_of_all_days() -> None:
    shares = {f"p{n}": (n, inr(n)) for n in range(1, 8)}
    days = [a_day(20, 1, **shares), a_day(21, 1, p1=(9, inr(90)))]
    found = metrics_of(*days, p1="Rice").top_products
    assert [top.product_id for top in found] == ["p1", "p7", "p6", "p5", "p4"]
    top = found[0]
    assert (top.title, top.units, top.revenue) == ("Rice", 10, (inr(91),))


def test_each_currency_has_its_own_top_products_by_revenue() -> None:
    days = [
        a_day(20, 1, cheap=(90, inr(90)), dear=(1, inr(900))),
        a_day(21, 1, abroad=(1, usd(5)), dear=(1, usd(7))),
    ]
    rupees, dollars = metrics_of(*days, dear="Saffron").top_products_by_revenue
    assert rupees.currency is Currency.INR
    assert [top.product_id for top in rupees.products] == ["dear", "cheap"]
    assert (rupees.products[0].title, rupees.products[0].revenue) == ("Saffron", (inr(900),))
    assert [(top.product_id, top.revenue) for top in dollars.products] == [
        ("dear", (usd(7),)),
        ("abroad", (usd(5),)),
    ]


def test_a_fully_refunded_product_has_units_and_no_revenue() -> None:
    found = metrics_of(a_day(20, 1, a=(2, inr(0))))
    assert [(top.product_id, top.units, top.revenue) for top in found.top_products] == [
        ("a", 2, ())
    ]
    assert found.top_products_by_revenue == ()


def test_titles_are_read_for_the_top_products_only() -> None:
    asked: list[set[str]] = []

    def get_titles(product_ids: set[str]) -> dict[str, str]:
        asked.append(product_ids)
        return {}

    products = {f"p{n}": (n, inr(99 - n)) for n in range(1, 15)}
    compute_metrics(WEEK, [a_day(20, 1, **products)], get_titles)
    assert asked == [{f"p{n}" for n in (14, 13, 12, 11, 10, 1, 2, 3, 4, 5)}]


def test_a_product_with_cancelled_sales_only_is_no_top_product() -> None:
    assert metrics_of(a_day(20, 0, a=(0, inr(0)))).top_products == ()


def test_metrics_without_sales_are_zeros_and_empty_lists() -> None:
    low = LowStock("p1", "Tea", 1, 3)
    found = metrics_of(low_stock=[low])
    assert (found.units, found.orders, found.placed) == (0, 0, 0)
    assert (found.revenue, found.refunds, found.average_order_value) == ((), (), ())
    assert (found.top_products, found.top_products_by_revenue, found.low_stock) == ((), (), (low,))
