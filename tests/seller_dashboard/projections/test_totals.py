"""Daily totals that sales are added to and subtracted from."""

from collections import Counter
from collections.abc import Mapping
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.projections.model import Sale, SaleStatus
from seller_dashboard.projections.totals import MINOR, UNITS, DailyTotals, sum_by_currency
from supermarket.money import Currency
from support.seller_dashboard import PLACED, a_line, a_sale, inr, usd


def test_a_confirmed_sale_is_part_of_every_total() -> None:
    lines = [a_line("p1", 2, 500, refunded=100), a_line("p2", 1, 70)]
    totals = DailyTotals.of(a_sale(lines=lines, is_paid=True))
    assert [totals.numbers[name] for name in ("placed", "paid", "orders", "units")] == [1, 1, 1, 3]
    assert (totals.revenue, totals.refunded) == (inr(970), inr(100))
    assert totals.by_product(UNITS) == {"p1": 2, "p2": 1}
    assert totals.by_product(MINOR) == {"p1": 900, "p2": 70}


def test_two_lines_of_one_product_are_summed_net_of_refunds() -> None:
    lines = [a_line("p1", 2, 500, refunded=10), a_line("p2", 1, 70), a_line("p1", 1, 450)]
    totals = DailyTotals.of(a_sale(lines=lines))
    assert totals.by_product(UNITS) == {"p1": 3, "p2": 1}
    assert totals.by_product(MINOR) == {"p1": 1440, "p2": 70}


def test_a_cancelled_sale_counts_as_placed_paid_and_refunded_only() -> None:
    lines = [a_line("p1", 2, 500, refunded=1000)]
    totals = DailyTotals.of(a_sale(SaleStatus.CANCELLED, lines=lines, is_paid=True))
    assert totals.numbers == Counter(placed=1, paid=1, refunded=1000)


SALES = st.builds(
    lambda status, minor, refunded, product: a_sale(
        status, lines=[a_line(product, 1, minor, refunded=min(minor, refunded))]
    ),
    st.sampled_from(SaleStatus),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["p1", "p2", "p3"]),
)


@given(st.lists(SALES, min_size=1))
def test_subtracting_what_was_added_gives_zero(sales: list[Sale]) -> None:
    totals = [DailyTotals.of(sale) for sale in sales]
    zero = DailyTotals(PLACED.date(), Currency.INR)
    whole = reduce(DailyTotals.__add__, totals, zero)
    assert reduce(DailyTotals.__sub__, reversed(totals), whole) == zero
    assert not zero
    assert whole


def test_sums_are_kept_by_currency() -> None:
    sales = [a_sale(), a_sale(lines=[a_line(currency=Currency.USD)]), a_sale()]
    sums = sum_by_currency(map(DailyTotals.of, sales))
    assert {currency: one.revenue for currency, one in sums.items()} == {
        Currency.INR: inr(2000),
        Currency.USD: usd(1000),
    }


def test_the_cost_of_a_sum_does_not_depend_on_the_number_of_products() -> None:
    numbers: Counter[str] = Counter()
    update = Counter.update

    def counted(total: Counter[str], added: Mapping[str, int] | None = None) -> None:
        numbers["added"] += len(added or ())
        update(total, added)

    def added(products: int) -> int:
        sales = [a_sale(order_id=f"o{n}", lines=[a_line(f"p{n % products}")]) for n in range(400)]
        totals = [DailyTotals.of(sale) for sale in sales]
        numbers.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Counter, "update", counted)
            [total] = sum_by_currency(totals).values()
        assert len(total.by_product(UNITS)) == products
        return numbers["added"]

    assert added(400) == added(4)
