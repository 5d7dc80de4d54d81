"""A seller's metrics of a period, computed from its daily totals."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from seller_dashboard.projections.model import LowStock, Period, SalesTotals
from seller_dashboard.projections.totals import DailyTotals
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
    titles: Mapping[str, str],
    low_stock: Iterable[LowStock] = (),
) -> Metrics:
    """Return the metrics of `period`; `titles` has those of `top_product_ids(days)`."""
    by_day = {day: [totals for totals in days if totals.day == day] for day in period.days}
    placed = sum(day.placed for day in days)
    return Metrics(
        units=sum(day.sold.units for day in days),
        orders=sum(day.orders for day in days),
        placed=placed,
        conversion=round(sum(day.paid for day in days) / placed, RATE_DIGITS) if placed else None,
        revenue=sum_by_currency(day.sold.revenue for day in days),
        refunds=sum_by_currency(day.refunded for day in days),
        average_order_value=_average_order_values(days),
        top_products=tuple(_top_product(one, days, titles) for one in rank_by_units(days)),
        top_products_by_revenue=tuple(
            TopOfCurrency(currency, tuple(_top_product(one, own, titles) for one in ranked))
            for currency, own in _group_by_currency(days).items()
            if (ranked := rank_by_revenue(own))
        ),
        series=tuple(_day_sales(day, totals) for day, totals in by_day.items()),
        low_stock=tuple(low_stock),
    )


def top_product_ids(days: Sequence[DailyTotals]) -> set[str]:
    """Return the ids of the products whose titles the metrics need."""
    by_revenue = (rank_by_revenue(own) for own in _group_by_currency(days).values())
    return {*rank_by_units(days), *chain.from_iterable(by_revenue)}


def rank_by_units(days: Iterable[DailyTotals]) -> list[str]:
    """Return the ids of the products with the most units sold, in descending order."""
    return _rank(days, lambda sold: sold.units)


def rank_by_revenue(days_of_one_currency: Iterable[DailyTotals]) -> list[str]:
    """Return the ids of the products with the most revenue, in descending order."""
    return _rank(days_of_one_currency, lambda sold: sold.revenue.minor)


def sum_by_currency(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """Return the sums that are not zero, in the order of `Currency`."""
    sums: Counter[Currency] = Counter()
    for amount in amounts:
        sums[amount.currency] += amount.minor
    return tuple(Money(sums[currency], currency) for currency in Currency if sums[currency])


def _rank(days: Iterable[DailyTotals], measure: Callable[[SalesTotals], int]) -> list[str]:
    sums: Counter[str] = Counter()
    for day in days:
        sums.update({product_id: measure(sold) for product_id, sold in day.products.items()})
    ranked = sorted(sums, key=lambda product_id: (-sums[product_id], product_id))
    return [product_id for product_id in ranked if sums[product_id] > 0][:TOP_PRODUCTS]


def _group_by_currency(days: Sequence[DailyTotals]) -> dict[Currency, list[DailyTotals]]:
    grouped = {c: [day for day in days if day.currency is c] for c in Currency}
    return {currency: own for currency, own in grouped.items() if own}


def _day_sales(day: date, totals: Sequence[DailyTotals]) -> DaySales:
    return DaySales(
        day=day,
        orders=sum(one.orders for one in totals),
        units=sum(one.sold.units for one in totals),
        revenue=sum_by_currency(one.sold.revenue for one in totals),
        refunds=sum_by_currency(one.refunded for one in totals),
    )


def _top_product(
    product_id: str, days: Iterable[DailyTotals], titles: Mapping[str, str]
) -> TopProduct:
    sold = [day.products[product_id] for day in days if product_id in day.products]
    return TopProduct(
        product_id,
        titles.get(product_id, ""),
        sum(one.units for one in sold),
        sum_by_currency(one.revenue for one in sold),
    )


def _average_order_values(days: Sequence[DailyTotals]) -> tuple[Money, ...]:
    """Return net revenue per order that counts, rounded half up to a minor unit."""
    averages = []
    for currency, own in _group_by_currency(days).items():
        if orders := sum(day.orders for day in own):
            minor = sum(day.sold.revenue.minor for day in own)
            averages.append(Money((2 * minor + orders) // (2 * orders), currency))
    return tuple(averages)
