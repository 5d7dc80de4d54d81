"""A seller's totals of one day: named numbers that sales are added to and subtracted from."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import batched
from typing import Self
from zlib import crc32

from seller_dashboard.projections.model import Sale
from supermarket.money import Currency, Money

UNITS, MINOR = "units#", "minor#"
# A day has rows of its own for so many groups of orders and of products. All sales of a seller
# change these rows: the more there are, the fewer transactions meet in one, and the smaller it is.
ORDER_PARTS, PRODUCT_PARTS = 16, 512
PRODUCTS_PER_STEP = 40  # each changes two rows, and a transaction has at most 100


@dataclass(frozen=True)
class DailyTotals:
    """A seller's totals of one day in one currency; also the change that one sale makes to them.

    `numbers` has by name:

    - `placed`: all orders; `paid`: those whose money arrived, refunded later or not; `orders`:
      those that count (`SaleStatus.counts`)
    - `units`: units sold; `minor`: their revenue in minor units, net of refunds; both also by
      product, as `units#<product id>` and `minor#<product id>`
    - `refunded`: refunds in minor units, those of cancelled orders included

    A missing number is zero. `part` names the stored part of a day whose numbers these are; it is
    empty for those of a whole day or sale.
    """

    day: date
    currency: Currency
    numbers: Counter[str] = field(default_factory=Counter)
    part: str = ""
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

    def parts(self, order_id: str) -> list[Self]:
        """Split what an order adds into the stored parts of its day."""
        numbers: dict[str, Counter[str]] = defaultdict(Counter)
        for name, number in self.numbers.items():
            numbers[_part(order_id, _product_id(name))][name] = number
        return [replace(self, numbers=own, part=part) for part, own in numbers.items()]

    def steps(self) -> Iterator[tuple[Self, bool]]:
        """Split a change into some that fit in a transaction each; yields also which is the last.

        The first has the numbers that belong to no product.
        """
        products = list(dict.fromkeys(filter(None, map(_product_id, self.numbers))))
        batches = [*batched(products, PRODUCTS_PER_STEP, strict=False)] or [()]
        for number, batch in enumerate(batches):
            kept = {*batch, ""} if number == 0 else {*batch}
            own = Counter({n: m for n, m in self.numbers.items() if _product_id(n) in kept})
            yield replace(self, numbers=own), number == len(batches) - 1

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


@dataclass(frozen=True)
class Counted:
    """What the totals contain of a sale, and as of which version of it; 0 for none.

    The version changes last: a sale of many products is counted in several steps.
    """

    totals: DailyTotals
    sale_version: int = 0


def sum_by_currency(totals: Iterable[DailyTotals]) -> dict[Currency, DailyTotals]:
    """Return the sum of all totals per currency, under the first one's day."""
    sums = _sum_by(totals, lambda one: one.currency)
    return {currency: sums[currency] for currency in Currency if currency in sums}


def sum_by_part(totals: Iterable[DailyTotals]) -> dict[tuple[Currency, str], DailyTotals]:
    """Return the sum of the parts of one day per currency and part."""
    return _sum_by(totals, lambda one: (one.currency, one.part))


def sum_by_day(parts: Iterable[DailyTotals]) -> list[DailyTotals]:
    """Join the parts of each day and currency, in the order in which they come."""
    return [replace(one, part="") for one in _sum_by(parts, lambda p: (p.day, p.currency)).values()]


def nonzero(amounts: Iterable[Money]) -> tuple[Money, ...]:
    return tuple(amount for amount in amounts if amount.minor)


def _sum_by[Key](
    totals: Iterable[DailyTotals], key: Callable[[DailyTotals], Key]
) -> dict[Key, DailyTotals]:
    sums: dict[Key, DailyTotals] = {}
    for one in totals:
        if (group := key(one)) not in sums:
            sums[group] = replace(one, numbers=Counter(), version=0)
        sums[group].numbers.update(one.numbers)  # in place: a day may have thousands of products
    return sums


def _product_id(name: str) -> str:
    """Return the id in the name of a product's number; empty for others."""
    return name.partition("#")[2]


def _part(order_id: str, product_id: str) -> str:
    if product_id:
        return f"p{crc32(product_id.encode()) % PRODUCT_PARTS:03}"
    return f"o{crc32(order_id.encode()) % ORDER_PARTS:02}"
