"""A seller's metrics of a period, computed from its daily totals."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from seller_dashboard.projections.model import LowStock, Period
from seller_dashboard.projections.totals import MINOR, UNITS, DailyTotals, nonzero, sum_by_currency
from supermarket.money import Currency, Money

TOP_PRODUCTS = 5
LOW_STOCK_LIMIT = 20
RATE_DIGITS = 4


@dataclass(frozen=True)
class TopProduct:
    """A product with the most units or revenue of a period."""

    product_id: str
    title: str
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class TopOfCurrency:
    """The products with the most revenue in one currency; currencies are not compared."""

    currency: Currency
    products: tuple[TopProduct, ...]


@dataclass(frozen=True)
class DaySales:
    """One day of the series, which has the days without sales as well."""

    day: date
    orders: int
    units: int
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]


@dataclass(frozen=True)
class Metrics:
    """A seller's metrics of one period; one amount per currency, never added across currencies."""

    units: int
    orders: int
    placed: int
    conversion: float | None
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]
    average_order_value: tuple[Money, ...]
    top_products: tuple[TopProduct, ...]
    top_products_by_revenue: tuple[TopOfCurrency, ...]
    series: tuple[DaySales, ...]
    low_stock: tuple[LowStock, ...] = ()


def compute_metrics(
    period: Period,
    days: Sequence[DailyTotals],
    get_titles: Callable[[set[str]], Mapping[str, str]],
    low_stock: Iterable[LowStock] = (),
) -> Metrics:
    """Return the metrics of `period`; `get_titles` finds titles by product id."""
    totals = list(sum_by_currency(days).values())
    counts = sum((one.numbers for one in totals), Counter[str]())
    placed = counts["placed"]
    by_units = _rank(counts, UNITS)
    by_revenue = {one.currency: _rank(one.numbers, MINOR) for one in totals}
    titles = get_titles({*by_units, *chain.from_iterable(by_revenue.values())})

    def top(product_id: str, *own: DailyTotals) -> TopProduct:
        units = sum(one.numbers[UNITS + product_id] for one in own)
        revenue = (Money(one.numbers[MINOR + product_id], one.currency) for one in own)
        return TopProduct(product_id, titles.get(product_id, ""), units, nonzero(revenue))

    return Metrics(
        units=counts["units"],
        orders=counts["orders"],
        placed=placed,
        conversion=round(counts["paid"] / placed, RATE_DIGITS) if placed else None,
        revenue=nonzero(one.revenue for one in totals),
        refunds=nonzero(one.refunded for one in totals),
        average_order_value=tuple(_average_order_values(totals)),
        top_products=tuple(top(product_id, *totals) for product_id in by_units),
        top_products_by_revenue=tuple(
            TopOfCurrency(one.currency, tuple(top(product_id, one) for product_id in ranked))
            for one in totals
            if (ranked := by_revenue[one.currency])
        ),
        series=tuple(_series(period, days)),
        low_stock=tuple(low_stock),
    )


def _rank(numbers: Mapping[str, int], prefix: str) -> list[str]:
    """Return the ids of the products with the highest numbers, in descending order."""
    names = [name for name, number in numbers.items() if number > 0 and name.startswith(prefix)]
    ranked = sorted(names, key=lambda name: (-numbers[name], name))
    return [name.removeprefix(prefix) for name in ranked[:TOP_PRODUCTS]]


def _average_order_values(totals: Iterable[DailyTotals]) -> Iterator[Money]:
    """Yield net revenue per order that counts, rounded half up to a minor unit."""
    for one in totals:
        if orders := one.numbers["orders"]:
            yield Money((2 * one.revenue.minor + orders) // (2 * orders), one.currency)


def _series(period: Period, days: Iterable[DailyTotals]) -> Iterator[DaySales]:
    by_day: dict[date, list[DailyTotals]] = defaultdict(list)
    for one in days:
        by_day[one.day].append(one)
    for day in period.days:
        own = sum_by_currency(by_day[day]).values()
        yield DaySales(
            day=day,
            orders=sum(one.numbers["orders"] for one in own),
            units=sum(one.numbers["units"] for one in own),
            revenue=nonzero(one.revenue for one in own),
            refunds=nonzero(one.refunded for one in own),
        )
