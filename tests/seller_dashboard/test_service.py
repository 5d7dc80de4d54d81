"""The books come out the same whatever the order of the facts, and however many write them."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.model import (
    Details,
    Order,
    Overtaken,
    Period,
    Product,
    Progress,
    Purchase,
    Sale,
    SaleStatus,
    Stock,
)
from seller_dashboard.numbers import DayTotals
from seller_dashboard.service import Exports
from supermarket.errors import Conflict, NotFound
from support.in_memory import InMemoryOutbox, InMemoryTransaction
from support.seller_dashboard import (
    ASHA,
    PLACED,
    Books,
    InMemoryCatalogue,
    InMemoryOrders,
    a_line,
    a_sale,
    inr,
)

NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
EVER = Period.between(None, None)


def news(
    status: SaleStatus = SaleStatus.CONFIRMED,
    order_id: str = "o1",
    *,
    lines: tuple[str, ...] = ("s1",),
    refunds: dict[str, int] | None = None,
) -> Order:
    own = tuple(a_line(f"p-{seller_id}", seller_id=seller_id) for seller_id in lines)
    back = {refund: inr(minor) for refund, minor in (refunds or {}).items()}
    return Order(
        order_id,
        Purchase(ASHA, own, PLACED),
        inr(1000 * len(lines)),
        Progress(status, PLACED + timedelta(minutes=status.rank)),
        is_paid=status.counts,
        refunds=back,
    )


def units(books: Books, seller_id: str = "s1") -> int:
    return books.dashboard.metrics(seller_id, NOVEMBER).units


def orders(books: Books, seller_id: str = "s1", after: str | None = None) -> list[Sale]:
    return list(books.dashboard.orders(seller_id, EVER, None, 10, after).items)


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
    books = Books()
    for order_id, status in [*once, *again]:
        books.keeping.learn(news(status, order_id))
    found = books.dashboard.metrics("s1", NOVEMBER)
    assert (found.placed, found.orders, found.units, found.conversion) == (4, 2, 4, 0.75)
    assert {sale.order_id: sale.status for sale in orders(books)} == {
        "kept": SaleStatus.CONFIRMED,
        "delivered": SaleStatus.DELIVERED,
        "never-paid": SaleStatus.CANCELLED,
        "regretted": SaleStatus.CANCELLED,
    }


def test_a_refund_that_is_heard_of_before_its_order_is_not_forgotten() -> None:
    books = Books()
    books.keeping.learn(Order("o1", refunds={"r1": inr(300)}))
    books.keeping.learn(news())
    books.keeping.learn(Order("o1", refunds={"r1": inr(300)}))
    found = books.dashboard.metrics("s1", NOVEMBER)
    assert (found.revenue, found.refunds) == ((inr(700),), (inr(300),))


def test_an_order_that_somebody_else_joins_meanwhile_is_read_again() -> None:
    others = [Order("o1", refunds={"r1": inr(300)})]

    class Interrupted(InMemoryOrders):
        """Between our reading and our writing, another worker is faster."""

        def save(self, order: Order) -> Order:
            if others:
                known = self.find("o1") or Order("o1")
                super().save(known.joined(others.pop()))
            return super().save(order)

    books = Books(orders=Interrupted())
    books.keeping.learn(news())
    [sale] = orders(books)
    assert (sale.refunded, sale.status) == (inr(300), SaleStatus.CONFIRMED)


def books_with(meanwhile: list[Callable[[], None]]) -> Books:
    """Whose transactions begin when something else has just happened."""
    outbox = InMemoryOutbox()

    def begin() -> InMemoryTransaction:
        if meanwhile:
            meanwhile.pop()()
        return outbox.begin()

    return Books(begin=begin)


def test_a_sale_that_somebody_else_moves_meanwhile_is_read_again() -> None:
    meanwhile: list[Callable[[], None]] = []
    books = books_with(meanwhile)
    books.keeping.learn(news(SaleStatus.PENDING))
    meanwhile.append(lambda: books.keeping.learn(news(SaleStatus.CANCELLED)))
    books.keeping.learn(news(SaleStatus.CONFIRMED))
    assert units(books) == 0
    assert not meanwhile


def test_the_same_confirmation_in_two_workers_counts_once() -> None:
    meanwhile: list[Callable[[], None]] = []
    books = books_with(meanwhile)
    meanwhile.append(lambda: books.keeping.learn(news()))
    books.keeping.learn(news())
    assert books.dashboard.metrics("s1", NOVEMBER).orders == 1


def test_a_share_that_failed_is_made_good_when_the_fact_comes_again() -> None:
    def crash() -> None:
        raise RuntimeError("the power went out")

    meanwhile: list[Callable[[], None]] = [crash]
    books = books_with(meanwhile)
    with pytest.raises(RuntimeError):
        books.keeping.learn(news(lines=("s1", "s2")))
    assert (units(books, "s1"), units(books, "s2")) == (0, 0)
    books.keeping.learn(news(lines=("s1", "s2")))
    assert (units(books, "s1"), units(books, "s2")) == (2, 2)


def test_a_sale_that_never_stands_still_is_left_to_its_queue() -> None:
    class Refusing(InMemoryTransaction):
        def commit(self) -> None:
            raise Overtaken("again")

    with pytest.raises(Conflict):
        Books(begin=lambda: Refusing([])).keeping.learn(news())


def test_each_seller_has_the_own_lines_and_numbers_only() -> None:
    books = Books()
    books.keeping.learn(news(lines=("s1", "s2", "s2")))
    assert (units(books, "s1"), units(books, "s2"), units(books, "s3")) == (2, 4, 0)
    assert [line.product_id for line in orders(books)[0].lines] == ["p-s1"]
    assert [p.product_id for p in books.dashboard.products("s2", 10, None).items] == ["p-s2"]
    assert books.dashboard.customers("s3", 10, None).items == []


def test_a_product_that_somebody_else_changes_meanwhile_is_read_again() -> None:
    def described(revision: int) -> Product:
        return Product("s1", "p1", Details(revision, f"Tea {revision}", inr(1), None, 5))

    others = [described(2)]

    class Interrupted(InMemoryCatalogue):
        def save(self, product: Product) -> None:
            if others:
                super().save(others.pop())
            super().save(product)

    books = Books(catalogue=Interrupted())
    books.keeping.learn_of_product(described(1))
    books.keeping.learn_of_product(Product("s1", "p1", stock=Stock(3, 1)))
    assert [low.title for low in books.catalogue.low_stock("s1", 10)] == ["Tea 2"]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_pages_hold_every_order_once_and_the_last_one_knows_that_it_is(count: int) -> None:
    books = Books()
    for number in range(count):
        books.keeping.learn(news(order_id=f"o{number}"))
    seen: list[str] = []
    position, pages = None, 0
    while pages == 0 or position is not None:
        page = books.dashboard.orders("s1", EVER, None, 3, position)
        seen += [sale.order_id for sale in page.items]
        position, pages = page.next, pages + 1
    assert seen == [f"o{number}" for number in reversed(range(count))]
    assert pages == max(1, -(-count // 3))


def test_a_days_sums_can_be_made_anew_of_its_sales() -> None:
    books = Books()
    books.keeping.learn(news())
    books.keeping.learn(news(SaleStatus.CANCELLED, "o2", refunds={"r1": 500}))
    [told] = books.sales.sums_of_day("s1", PLACED.date())
    sums = DayTotals.nothing(told.day, told.currency)
    for sale in books.sales.of_day("s1", PLACED.date()):
        sums += DayTotals.of(sale)
    assert sums == told


def test_there_is_no_list_of_just_any_name() -> None:
    books = Books()
    with pytest.raises(NotFound):
        Exports(books.sales, books.catalogue).sheet("secrets", "s1", NOVEMBER, None)


def test_a_sale_without_a_payment_is_in_no_list_of_payments() -> None:
    assert a_sale().payment_share is None
