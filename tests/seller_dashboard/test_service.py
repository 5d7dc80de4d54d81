"""The books come out the same whatever the order of the facts, and however many write them."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.model import Overtaken, Period, Sale, SaleStatus
from seller_dashboard.service import Bookkeeping, Dashboard
from supermarket.errors import Conflict
from support.in_memory import InMemoryOutbox, InMemoryTransaction
from support.seller_dashboard import (
    InMemoryCatalogue,
    InMemoryNotes,
    InMemorySales,
    a_line,
    a_sale,
)

NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))


class Shop:
    """Bookkeeping and dashboard over the same books in memory."""

    def __init__(self, begin: Callable[[], InMemoryTransaction] | None = None) -> None:
        catalogue, notes = InMemoryCatalogue(), InMemoryNotes()
        self.sales = InMemorySales(catalogue)
        begin = begin or InMemoryOutbox().begin
        self.books = Bookkeeping(self.sales, notes, catalogue, begin)
        self.dashboard = Dashboard(self.sales, notes, catalogue)

    def units(self, seller_id: str = "s1") -> int:
        return self.dashboard.metrics(seller_id, NOVEMBER).units


LIFE = {
    "kept": [SaleStatus.PENDING, SaleStatus.CONFIRMED],
    "delivered": [SaleStatus.CONFIRMED, SaleStatus.SHIPPED, SaleStatus.DELIVERED],
    "never-paid": [SaleStatus.PENDING, SaleStatus.CANCELLED],
    "regretted": [SaleStatus.PENDING, SaleStatus.CONFIRMED, SaleStatus.CANCELLED],
}
FACTS = [(order_id, status) for order_id, statuses in LIFE.items() for status in statuses]


@given(st.permutations(FACTS), st.lists(st.sampled_from(FACTS)))
def test_duplicates_and_disorder_change_nothing(
    once: list[tuple[str, SaleStatus]], again: list[tuple[str, SaleStatus]]
) -> None:
    shop = Shop()
    for order_id, status in [*once, *again]:
        shop.books.record([a_sale(status, order_id)])
    found = shop.dashboard.metrics("s1", NOVEMBER)
    assert (found.orders, found.units) == (2, 4)
    orders = shop.dashboard.orders("s1", 10, None).items
    assert {noted.sale.order_id: noted.sale.status for noted in orders} == {
        "kept": SaleStatus.CONFIRMED,
        "delivered": SaleStatus.DELIVERED,
        "never-paid": SaleStatus.CANCELLED,
        "regretted": SaleStatus.CANCELLED,
    }


def test_a_sale_that_somebody_else_moves_meanwhile_is_read_again() -> None:
    interruptions: list[Sale] = [a_sale(SaleStatus.PENDING)]
    outbox = InMemoryOutbox()

    def begin() -> InMemoryTransaction:
        transaction = outbox.begin()
        if interruptions:  # another worker is faster, between our reading and our writing
            other = interruptions.pop()
            faster = outbox.begin()
            shop.sales.save(other, shop.sales.find(other), faster, Overtaken("never"))
            faster.commit()
        return transaction

    shop = Shop(begin)
    shop.books.record([a_sale(SaleStatus.CONFIRMED)])
    assert shop.units() == 2
    assert not interruptions


def test_the_same_confirmation_in_two_workers_counts_once() -> None:
    confirmed = a_sale(SaleStatus.CONFIRMED)
    outbox, twins = InMemoryOutbox(), [confirmed]

    def begin() -> InMemoryTransaction:
        if twins:
            shop.books.record([twins.pop()])
        return outbox.begin()

    shop = Shop(begin)
    shop.books.record([confirmed])
    assert shop.dashboard.metrics("s1", NOVEMBER).orders == 1


def test_a_sale_that_never_stands_still_is_left_to_its_queue() -> None:
    class Refusing(InMemoryTransaction):
        def commit(self) -> None:
            raise Overtaken("again")

    with pytest.raises(Conflict):
        Shop(lambda: Refusing([])).books.record([a_sale()])


def test_each_seller_has_the_own_lines_and_numbers_only() -> None:
    shop = Shop()
    mine = a_sale(lines=[a_line("mine", 1)])
    theirs = a_sale(seller_id="s2", lines=[a_line("theirs", 5)])
    shop.books.record([mine, theirs])
    assert (shop.units("s1"), shop.units("s2"), shop.units("s3")) == (1, 5, 0)
    [noted] = shop.dashboard.orders("s1", 10, None).items
    assert [line.product_id for line in noted.sale.lines] == ["mine"]
    assert [p.product_id for p in shop.dashboard.products("s2", 10, None).items] == ["theirs"]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_pages_hold_every_order_once_and_the_last_one_knows_that_it_is(count: int) -> None:
    shop = Shop()
    for number in range(count):
        shop.books.record([a_sale(order_id=f"o{number}")])
    seen: list[str] = []
    position, pages = None, 0
    while pages == 0 or position is not None:
        page = shop.dashboard.orders("s1", 3, position)
        seen += [noted.sale.order_id for noted in page.items]
        position, pages = page.next, pages + 1
    assert seen == [f"o{number}" for number in reversed(range(count))]
    assert pages == max(1, -(-count // 3))
