"""The projector: the same projections in any order of the facts, and with concurrent writers."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.projections.model import (
    OrderFacts,
    Period,
    ProductDetails,
    ProductFacts,
    Purchase,
    Sale,
    SaleStatus,
    Slice,
    StatusChange,
    StockLevel,
)
from seller_dashboard.projections.totals import DailyTotals
from supermarket.errors import Busy, Conflict
from supermarket.retry import StaleWrite
from support.in_memory import InMemoryOutbox, InMemoryTransaction
from support.seller_dashboard import (
    ASHA,
    PLACED,
    InMemoryCatalogue,
    InMemoryOrders,
    Projections,
    a_line,
    inr,
)

NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
EVER = Period.between(None, None)


def facts(
    status: SaleStatus = SaleStatus.CONFIRMED,
    order_id: str = "o1",
    *,
    lines: tuple[str, ...] = ("s1",),
    refunds: dict[str, int] | None = None,
) -> OrderFacts:
    own = tuple(a_line(f"p-{seller_id}", seller_id=seller_id) for seller_id in lines)
    refunded = {refund: inr(minor) for refund, minor in (refunds or {}).items()}
    return OrderFacts(
        order_id,
        Purchase(ASHA, own, PLACED, PLACED.date()),
        inr(1000 * len(lines)),
        StatusChange(status, PLACED + timedelta(minutes=status.rank)),
        is_paid=status.counts,
        refunds=refunded,
    )


def units(projections: Projections, seller_id: str = "s1") -> int:
    return projections.dashboard.get_metrics(seller_id, NOVEMBER).units


def orders(projections: Projections, seller_id: str = "s1", after: str | None = None) -> list[Sale]:
    return list(projections.dashboard.list_orders(seller_id, EVER, None, Slice(10, after)).items)


LIFE = {
    "kept": [SaleStatus.PENDING, SaleStatus.CONFIRMED],
    "delivered": [SaleStatus.CONFIRMED, SaleStatus.SHIPPED, SaleStatus.DELIVERED],
    "never-paid": [SaleStatus.PENDING, SaleStatus.CANCELLED],
    "cancelled-later": [SaleStatus.PENDING, SaleStatus.CONFIRMED, SaleStatus.CANCELLED],
}
FACTS = [(order_id, status) for order_id, statuses in LIFE.items() for status in statuses]


@given(st.permutations(FACTS), st.lists(st.sampled_from(FACTS)))
def test_duplicates_and_disorder_do_not_matter(
    once: list[tuple[str, SaleStatus]], again: list[tuple[str, SaleStatus]]
) -> None:
    projections = Projections()
    for order_id, status in [*once, *again]:
        projections.projector.apply(facts(status, order_id))
    found = projections.dashboard.get_metrics("s1", NOVEMBER)
    assert (found.placed, found.orders, found.units, found.conversion) == (4, 2, 4, 0.75)
    assert {sale.order_id: sale.status for sale in orders(projections)} == {
        "kept": SaleStatus.CONFIRMED,
        "delivered": SaleStatus.DELIVERED,
        "never-paid": SaleStatus.CANCELLED,
        "cancelled-later": SaleStatus.CANCELLED,
    }


def test_a_refund_that_arrives_before_its_order_counts() -> None:
    projections = Projections()
    projections.projector.apply(OrderFacts("o1", refunds={"r1": inr(300)}))
    projections.projector.apply(facts())
    projections.projector.apply(OrderFacts("o1", refunds={"r1": inr(300)}))
    found = projections.dashboard.get_metrics("s1", NOVEMBER)
    assert (found.revenue, found.refunds) == ((inr(700),), (inr(300),))


def test_an_order_that_another_worker_changes_is_read_again() -> None:
    others = [OrderFacts("o1", refunds={"r1": inr(300)})]

    class Interrupted(InMemoryOrders):
        """Another worker writes between the read and the write."""

        def save(self, order: OrderFacts) -> OrderFacts:
            if others:
                known = self.find("o1") or OrderFacts("o1")
                super().save(known.merge(others.pop()))
            return super().save(order)

    projections = Projections(orders=Interrupted())
    projections.projector.apply(facts())
    [sale] = orders(projections)
    assert (sale.refunded, sale.status) == (inr(300), SaleStatus.CONFIRMED)


def interrupted_projections(meanwhile: list[Callable[[], None]]) -> Projections:
    """Return projections whose transactions begin after the next of these has been called."""
    outbox = InMemoryOutbox()

    def begin() -> InMemoryTransaction:
        if meanwhile:
            meanwhile.pop()()
        return outbox.begin()

    return Projections(begin=begin)


def test_a_sale_that_another_worker_changes_is_read_again() -> None:
    meanwhile: list[Callable[[], None]] = []
    projections = interrupted_projections(meanwhile)
    projections.projector.apply(facts(SaleStatus.PENDING))
    meanwhile.append(lambda: projections.projector.apply(facts(SaleStatus.CANCELLED)))
    projections.projector.apply(facts(SaleStatus.CONFIRMED))
    assert units(projections) == 0
    assert not meanwhile


def test_the_same_confirmation_in_two_workers_counts_once() -> None:
    meanwhile: list[Callable[[], None]] = []
    projections = interrupted_projections(meanwhile)
    meanwhile.append(lambda: projections.projector.apply(facts()))
    projections.projector.apply(facts())
    assert projections.dashboard.get_metrics("s1", NOVEMBER).orders == 1


def test_a_sale_that_failed_is_completed_when_the_facts_arrive_again() -> None:
    def crash() -> None:
        raise RuntimeError("power failure")

    meanwhile: list[Callable[[], None]] = [crash]
    projections = interrupted_projections(meanwhile)
    with pytest.raises(RuntimeError):
        projections.projector.apply(facts(lines=("s1", "s2")))
    assert (units(projections, "s1"), units(projections, "s2")) == (0, 0)
    projections.projector.apply(facts(lines=("s1", "s2")))
    assert (units(projections, "s1"), units(projections, "s2")) == (2, 2)


def test_a_sale_is_listed_although_the_totals_fail() -> None:
    class Refusing(InMemoryTransaction):
        def commit(self) -> None:
            raise Busy("the totals are throttled")

    projections = Projections(begin=lambda: Refusing([]))
    with pytest.raises(Busy):
        projections.projector.apply(facts(lines=("s1", "s2")))
    with pytest.raises(Busy):
        projections.projector.apply(facts(SaleStatus.SHIPPED, lines=("s1", "s2")))
    for seller_id in ("s1", "s2"):
        assert [sale.status for sale in orders(projections, seller_id)] == [SaleStatus.SHIPPED]
        assert units(projections, seller_id) == 0


def test_a_sale_that_keeps_changing_is_left_to_its_queue() -> None:
    class Refusing(InMemoryTransaction):
        def commit(self) -> None:
            raise StaleWrite

    with pytest.raises(Conflict):
        Projections(begin=lambda: Refusing([])).projector.apply(facts())


def test_each_seller_has_the_own_lines_and_metrics_only() -> None:
    projections = Projections()
    projections.projector.apply(facts(lines=("s1", "s2", "s2")))
    assert (units(projections, "s1"), units(projections, "s2"), units(projections, "s3")) == (
        2,
        4,
        0,
    )
    assert [line.product_id for line in orders(projections)[0].lines] == ["p-s1"]
    assert [p.product_id for p in projections.dashboard.list_products("s2", Slice(10)).items] == [
        "p-s2"
    ]
    assert projections.dashboard.list_customers("s3", Slice(10)).items == []


def test_a_product_that_another_worker_changes_is_read_again() -> None:
    def described(revision: int) -> ProductFacts:
        return ProductFacts(
            "s1", "p1", ProductDetails(revision, f"Tea {revision}", inr(1), None, 5)
        )

    others = [described(2)]

    class Interrupted(InMemoryCatalogue):
        def save(self, product: ProductFacts) -> None:
            if others:
                super().save(others.pop())
            super().save(product)

    projections = Projections(catalogue=Interrupted())
    projections.projector.apply_product(described(1))
    projections.projector.apply_product(ProductFacts("s1", "p1", stock=StockLevel(3, 1)))
    assert [low.title for low in projections.catalogue.list_low_stock("s1", 10)] == ["Tea 2"]


def test_a_days_totals_can_be_recomputed_from_its_sales() -> None:
    projections = Projections()
    projections.projector.apply(facts())
    projections.projector.apply(facts(SaleStatus.CANCELLED, "o2", refunds={"r1": 500}))
    [stored] = projections.sales.list_daily_totals("s1", NOVEMBER)
    totals = DailyTotals(stored.day, stored.currency)
    for sale in projections.sales.list_sales_of_day("s1", PLACED.date()):
        totals += DailyTotals.of(sale)
    assert totals == stored
