"""A seller's totals of one day: named numbers that sales are added to and subtracted from."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Self

from seller_dashboard.projections.model import Sale
from supermarket.money import Currency, Money

UNITS, MINOR = "units#", "minor#"


@dataclass(frozen=True)
class DailyTotals:
    """A seller's totals of one day in one currency; also the change that one sale makes to them.

    `numbers` has by name:

    - `placed`: all orders; `paid`: those whose money arrived, refunded later or not; `orders`:
      those that count (`SaleStatus.counts`)
    - `units`: units sold; `minor`: their revenue in minor units, net of refunds; both also by
      product, as `units#<product id>` and `minor#<product id>`
    - `refunded`: refunds in minor units, those of cancelled orders included

    A missing number is zero.
    """

    day: date
    currency: Currency
    numbers: Counter[str] = field(default_factory=Counter)
    version: int = field(default=0, compare=False)

    @classmethod
    def of(cls, sale: Sale) -> Self:
        """Return what one sale adds to its day."""
        numbers = Counter(placed=1, paid=int(sale.is_paid), refunded=sale.refunded.minor)
        if sale.status.counts:
            numbers["orders"] = 1
            for line in sale.lines:
                for name, number in (("units", line.quantity), ("minor", line.net.minor)):
                    numbers[name] += number
                    numbers[f"{name}#{line.product_id}"] += number
        return cls(sale.day, sale.currency, numbers)

    @property
    def revenue(self) -> Money:
        return Money(self.numbers["minor"], self.currency)

    @property
    def refunded(self) -> Money:
        return Money(self.numbers["refunded"], self.currency)

    def by_product(self, prefix: str) -> Counter[str]:
        """Return the numbers whose names begin with UNITS or MINOR, by product id."""
        names = (name for name in self.numbers if name.startswith(prefix))
        return Counter({name.removeprefix(prefix): self.numbers[name] for name in names})

    def __add__(self, other: Self) -> Self:
        numbers = Counter(self.numbers)
        numbers.update(other.numbers)
        return replace(self, numbers=numbers)

    def __sub__(self, other: Self) -> Self:
        numbers = Counter(self.numbers)
        numbers.subtract(other.numbers)
        return replace(self, numbers=Counter({name: n for name, n in numbers.items() if n}))

    def __bool__(self) -> bool:
        return any(self.numbers.values())


def sum_by_currency(totals: Iterable[DailyTotals]) -> dict[Currency, DailyTotals]:
    """Return the sum of all totals per currency, under the first one's day."""
    sums: dict[Currency, DailyTotals] = {}
    for one in totals:
        total = sums.setdefault(one.currency, DailyTotals(one.day, one.currency))
        total.numbers.update(one.numbers)  # in place: a day may have thousands of products
    return {currency: sums[currency] for currency in Currency if currency in sums}


def nonzero(amounts: Iterable[Money]) -> tuple[Money, ...]:
    return tuple(amount for amount in amounts if amount.minor)
