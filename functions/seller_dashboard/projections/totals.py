"""A seller's totals of one day: sums that sales are added to and subtracted from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from operator import add, sub
from typing import Any, Self

from seller_dashboard.projections.model import Sale, SalesTotals
from supermarket.money import Currency, Money

SUMMED = ("placed", "paid", "orders", "sold", "refunded")


@dataclass(frozen=True)
class DailyTotals:
    """A seller's totals of one day in one currency; also the change that one sale makes to them.

    `placed` counts all orders, `paid` those whose money arrived (refunded later or not), `orders`
    those that count (`SaleStatus.counts`). Revenue is net of refunds; `refunded` includes the
    refunds of cancelled orders, which are not part of the revenue.
    """

    day: date
    placed: int
    paid: int
    orders: int
    sold: SalesTotals
    refunded: Money
    products: Mapping[str, SalesTotals]
    version: int = field(default=0, compare=False)

    @classmethod
    def zero(cls, day: date, currency: Currency) -> Self:
        return cls(day, 0, 0, 0, SalesTotals.zero(currency), Money.zero(currency), {})

    @classmethod
    def of(cls, sale: Sale) -> Self:
        """Return what one sale adds to its day."""
        products = sale.products if sale.status.counts else {}
        return cls(
            day=sale.day,
            placed=1,
            paid=int(sale.is_paid),
            orders=int(sale.status.counts),
            sold=sum(products.values(), SalesTotals.zero(sale.currency)),
            refunded=sale.refunded,
            products=products,
        )

    @property
    def currency(self) -> Currency:
        return self.refunded.currency

    def __add__(self, other: Self) -> Self:
        return self._combine(other, add)

    def __sub__(self, other: Self) -> Self:
        return self._combine(other, sub)

    def __bool__(self) -> bool:
        counts = (self.placed, self.paid, self.orders, self.refunded.minor)
        return any(counts) or bool(self.sold or self.products)

    def _combine(self, other: Self, operation: Callable[[Any, Any], Any]) -> Self:
        zero = SalesTotals.zero(self.currency)
        products = {
            one: operation(self.products.get(one, zero), other.products.get(one, zero))
            for one in {**self.products, **other.products}
        }
        return replace(
            self,
            products={product_id: sold for product_id, sold in products.items() if sold},
            **{name: operation(getattr(self, name), getattr(other, name)) for name in SUMMED},
        )


def totals_by_currency(sales: Iterable[Sale]) -> dict[Currency, DailyTotals]:
    """Return the totals of one day's sales; linear in their number, however many products."""
    totals: dict[Currency, DailyTotals] = {}
    products: dict[Currency, dict[str, SalesTotals]] = {}
    for sale in sales:
        currency, own = sale.currency, DailyTotals.of(sale)
        known = totals.get(currency, DailyTotals.zero(sale.day, currency))
        totals[currency] = known + replace(own, products={})
        sold = products.setdefault(currency, {})  # in place: a day may have thousands of products
        for product_id, share in own.products.items():
            sold[product_id] = sold.get(product_id, SalesTotals.zero(currency)) + share
    return {c: replace(totals[c], products=products[c]) for c in totals}
