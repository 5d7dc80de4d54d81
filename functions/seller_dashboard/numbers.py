"""The numbers made of sales: sums by day that can be added to and taken from, and a period's
metrics made of its days.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from typing import Self

from seller_dashboard.model import LowStock, Period, Sale, Sold
from supermarket.money import Currency, Money

TOP_PRODUCTS = 5
RATE_DIGITS = 4


@dataclass(frozen=True)
class DayTotals:
    """What a seller sold on one day in one currency; also the change that one sale makes to it.

    `placed` counts all orders, `paid` those whose money arrived, if only for a time, and `orders`
    those that count. Revenue is net of refunds; `refunded` also has the refunds of what was
    cancelled, which is no part of the revenue in the first place.
    """

    day: date
    placed: int
    paid: int
    orders: int
    sold: Sold
    refunded: Money
    products: Mapping[str, Sold]
    version: int = field(default=0, compare=False)

    @classmethod
    def nothing(cls, day: date, currency: Currency) -> Self:
        return cls(day, 0, 0, 0, Sold.none(currency), Money.zero(currency), {})

    @classmethod
    def of(cls, sale: Sale) -> Self:
        """What one sale adds to its day."""
        products = sale.products if sale.status.counts else {}
        return cls(
            day=sale.day,
            placed=1,
            paid=int(sale.is_paid),
            orders=int(sale.status.counts),
            sold=sum(products.values(), Sold.none(sale.currency)),
            refunded=sale.refunded,
            products=products,
        )

    @property
    def currency(self) -> Currency:
        return self.refunded.currency

    def __neg__(self) -> "DayTotals":
        return DayTotals(
            self.day,
            -self.placed,
            -self.paid,
            -self.orders,
            -self.sold,
            self.refunded * -1,
            {product_id: -sold for product_id, sold in self.products.items()},
        )

    def __add__(self, other: "DayTotals") -> "DayTotals":
        none = Sold.none(self.currency)
        products = {
            product_id: self.products.get(product_id, none) + other.products.get(product_id, none)
            for product_id in {**self.products, **other.products}
        }
        return DayTotals(
            self.day,
            self.placed + other.placed,
            self.paid + other.paid,
            self.orders + other.orders,
            self.sold + other.sold,
            self.refunded + other.refunded,
            {product_id: sold for product_id, sold in products.items() if sold},
        )

    def __sub__(self, other: "DayTotals") -> "DayTotals":
        return self + -other

    def __bool__(self) -> bool:
        counts = (self.placed, self.paid, self.orders, self.refunded.minor)
        return any(counts) or bool(self.sold) or bool(self.products)


def sums_of(sales: Iterable[Sale]) -> dict[Currency, DayTotals]:
    """The sums per currency of sales of one day, however many they are."""
    sums: dict[Currency, DayTotals] = {}
    products: dict[Currency, dict[str, Sold]] = {}
    for sale in sales:
        currency, own = sale.currency, DayTotals.of(sale)
        known = sums.get(currency, DayTotals.nothing(sale.day, currency))
        sums[currency] = known + replace(own, products={})
        sold = products.setdefault(currency, {})  # in place: a day may have thousands
        for product_id, share in own.products.items():
            sold[product_id] = sold.get(product_id, Sold.none(currency)) + share
    return {currency: replace(sums[currency], products=products[currency]) for currency in sums}


@dataclass(frozen=True)
class TopProduct:
    """One of the products that sold most in a period."""

    product_id: str
    title: str
    units: int
    revenue: tuple[Money, ...]


@dataclass(frozen=True)
class TopOfCurrency:
    """The products that brought most in one currency; two currencies cannot be compared."""

    currency: Currency
    products: tuple[TopProduct, ...]


@dataclass(frozen=True)
class DaySales:
    """One day of a series; days without sales are there as well."""

    day: date
    orders: int
    units: int
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]


@dataclass(frozen=True)
class Metrics:
    """A seller's numbers of one period; money is told per currency and never added across them."""

    units: int
    orders: int
    placed: int
    conversion: float | None
    revenue: tuple[Money, ...]
    refunds: tuple[Money, ...]
    average_order: tuple[Money, ...]
    top: tuple[TopProduct, ...]
    top_by_revenue: tuple[TopOfCurrency, ...]
    series: tuple[DaySales, ...]
    low_stock: tuple[LowStock, ...] = ()


def metrics(
    period: Period,
    days: Sequence[DayTotals],
    titles: Mapping[str, str],
    low_stock: Iterable[LowStock] = (),
) -> Metrics:
    """The numbers of `period` from its days."""
    by_day = {day: [totals for totals in days if totals.day == day] for day in period.days}
    placed = sum(day.placed for day in days)
    return Metrics(
        units=sum(day.sold.units for day in days),
        orders=sum(day.orders for day in days),
        placed=placed,
        conversion=round(sum(day.paid for day in days) / placed, RATE_DIGITS) if placed else None,
        revenue=per_currency(day.sold.revenue for day in days),
        refunds=per_currency(day.refunded for day in days),
        average_order=_averages(days),
        top=tuple(_top(product_id, days, titles) for product_id in best_sellers(days)),
        top_by_revenue=tuple(
            TopOfCurrency(currency, tuple(_top(product_id, own, titles) for product_id in ranked))
            for currency, own in _by_currency(days).items()
            if (ranked := best_earners(own))
        ),
        series=tuple(_day_sales(day, totals) for day, totals in by_day.items()),
        low_stock=tuple(low_stock),
    )


def products_to_name(days: Sequence[DayTotals]) -> set[str]:
    """The products whose titles the metrics need."""
    earners = (best_earners(own) for own in _by_currency(days).values())
    return {*best_sellers(days), *chain.from_iterable(earners)}


def best_sellers(days: Iterable[DayTotals]) -> list[str]:
    """The products that sold the most units, most first."""
    return _ranked(days, lambda sold: sold.units)


def best_earners(days_of_one_currency: Iterable[DayTotals]) -> list[str]:
    """The products that brought the most money, most first."""
    return _ranked(days_of_one_currency, lambda sold: sold.revenue.minor)


def per_currency(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """Sums in the currencies that have one, in a fixed order."""
    sums: Counter[Currency] = Counter()
    for amount in amounts:
        sums[amount.currency] += amount.minor
    return tuple(Money(sums[currency], currency) for currency in Currency if sums[currency])


def _ranked(days: Iterable[DayTotals], measure: Callable[[Sold], int]) -> list[str]:
    sums: Counter[str] = Counter()
    for day in days:
        sums.update({product_id: measure(sold) for product_id, sold in day.products.items()})
    ranked = sorted(sums, key=lambda product_id: (-sums[product_id], product_id))
    return [product_id for product_id in ranked if sums[product_id] > 0][:TOP_PRODUCTS]


def _by_currency(days: Sequence[DayTotals]) -> dict[Currency, list[DayTotals]]:
    return {
        currency: [day for day in days if day.currency is currency]
        for currency in Currency
        if any(day.currency is currency for day in days)
    }


def _day_sales(day: date, totals: Sequence[DayTotals]) -> DaySales:
    return DaySales(
        day=day,
        orders=sum(one.orders for one in totals),
        units=sum(one.sold.units for one in totals),
        revenue=per_currency(one.sold.revenue for one in totals),
        refunds=per_currency(one.refunded for one in totals),
    )


def _top(product_id: str, days: Iterable[DayTotals], titles: Mapping[str, str]) -> TopProduct:
    sold = [day.products[product_id] for day in days if product_id in day.products]
    return TopProduct(
        product_id,
        titles.get(product_id, ""),
        sum(one.units for one in sold),
        per_currency(one.revenue for one in sold),
    )


def _averages(days: Sequence[DayTotals]) -> tuple[Money, ...]:
    """Net revenue by orders, rounded half up to a minor unit."""
    return tuple(
        Money((2 * minor + orders) // (2 * orders), currency)
        for currency, own in _by_currency(days).items()
        if (orders := sum(day.orders for day in own))
        for minor in [sum(day.sold.revenue.minor for day in own)]
    )
