"""Statuses that count, merging of facts, apportioned refunds, low stock and periods."""

from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.projections.model import (
    OrderFacts,
    Payment,
    PaymentStatus,
    Period,
    ProductDetails,
    ProductFacts,
    Purchase,
    SaleLine,
    SaleStatus,
    ShippingAddress,
    StatusChange,
    StockLevel,
    apportion,
)
from supermarket.errors import Invalid
from supermarket.money import Money
from supermarket.people import Address
from support.seller_dashboard import ASHA, PLACED, a_line, a_sale, inr

TODAY = date(2026, 11, 22)
LINES = (
    a_line("p1", 2, 500, seller_id="s1"),
    a_line("p2", 1, 333, seller_id="s2"),
    a_line("p3", 3, 111, seller_id="s1"),
)
BOUGHT = Purchase(ASHA, LINES, PLACED, PLACED.date())
TOTAL = inr(1000 + 333 + 333 + 50)  # with 50 for shipping, which belongs to no seller


def status_after(minutes: int) -> StatusChange:
    statuses = list(SaleStatus)
    return StatusChange(statuses[minutes % len(statuses)], PLACED + timedelta(minutes=minutes))


def an_order(refunds: dict[str, Money] | None = None, total: Money | None = TOTAL) -> OrderFacts:
    return OrderFacts("o1", BOUGHT, total, status_after(1), refunds=refunds or {})


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (SaleStatus.PENDING, False),
        (SaleStatus.CONFIRMED, True),
        (SaleStatus.SHIPPED, True),
        (SaleStatus.DELIVERED, True),
        (SaleStatus.CANCELLED, False),
    ],
)
def test_only_paid_orders_that_were_not_cancelled_count(status: SaleStatus, counts: bool) -> None:
    assert status.counts is counts


FACTS = [
    OrderFacts("o1", BOUGHT, TOTAL, status_after(0)),
    OrderFacts("o1", BOUGHT, TOTAL, status_after(1), is_paid=True),
    OrderFacts("o1", BOUGHT, None, status_after(2)),
    OrderFacts(
        "o1", shipping_address=ShippingAddress(Address("1", "Pune", "MH", "411001", "IN"), PLACED)
    ),
    OrderFacts(
        "o1",
        shipping_address=ShippingAddress(
            Address("2", "Pune", "MH", "411001", "IN"), PLACED + timedelta(hours=1)
        ),
    ),
    OrderFacts("o1", payment=Payment("y1", PaymentStatus.PENDING, PLACED)),
    OrderFacts("o1", payment=Payment("y1", PaymentStatus.COMPLETED, PLACED), is_paid=True),
    OrderFacts("o1", refunds={"r1": inr(100)}),
    OrderFacts("o1", refunds={"r2": inr(7)}),
]


@given(st.permutations(FACTS), st.lists(st.sampled_from(FACTS)), st.integers(0, len(FACTS)))
def test_merging_is_commutative_associative_and_idempotent(
    once: list[OrderFacts], again: list[OrderFacts], cut: int
) -> None:
    arriving = [*once, *again]
    early, late = (
        reduce(OrderFacts.merge, part, OrderFacts("o1"))
        for part in (arriving[:cut], arriving[cut:])
    )
    merged = early.merge(late)
    assert merged == reduce(OrderFacts.merge, FACTS, OrderFacts("o1"))
    assert merged.status == status_after(2)
    assert list(merged.refunds) == ["r1", "r2"]
    assert merged.merge(merged) == merged


def test_a_cancelled_order_keeps_its_status() -> None:
    cancelled = OrderFacts("o1", status=StatusChange(SaleStatus.CANCELLED, PLACED))
    for status in SaleStatus:
        late = OrderFacts("o1", status=StatusChange(status, PLACED))
        assert cancelled.merge(late) == late.merge(cancelled) == cancelled


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (("1", PaymentStatus.PENDING), ("1", PaymentStatus.FAILED)),
        (("1", PaymentStatus.FAILED, PLACED, 2), ("1", PaymentStatus.PENDING, PLACED, 3)),
        (("1", PaymentStatus.FAILED), ("1", PaymentStatus.PENDING, PLACED + timedelta(seconds=1))),
        (("1", PaymentStatus.FAILED), ("2", PaymentStatus.PENDING)),
        (("2", PaymentStatus.FAILED), ("1", PaymentStatus.COMPLETED)),
        (("1", PaymentStatus.PENDING), ("1", PaymentStatus.COMPLETED)),
        (("1", PaymentStatus.COMPLETED), ("1", PaymentStatus.REFUNDED)),
        (("2", PaymentStatus.PENDING), ("1", PaymentStatus.REFUNDED)),
    ],
)
def test_the_payment_state_of_the_higher_rank_wins(
    low: tuple[Any, ...], high: tuple[Any, ...]
) -> None:
    assert a_payment(*low).rank < a_payment(*high).rank


def a_payment(id_: str, status: PaymentStatus, at: datetime = PLACED, revision: int = 0) -> Payment:
    return Payment(id_, status, at, revision)


def test_an_order_without_known_lines_has_no_sales() -> None:
    assert OrderFacts("o1", payment=Payment("y1", PaymentStatus.PENDING, PLACED)).sales == ()


def test_each_sale_has_the_lines_of_its_seller_only() -> None:
    mine, theirs = an_order().sales
    assert [line.product_id for line in mine.lines] == ["p1", "p3"]
    assert [line.product_id for line in theirs.lines] == ["p2"]
    assert (mine.total, theirs.total) == (inr(1333), inr(333))


def test_a_sale_sums_up_its_lines_and_their_refunds() -> None:
    sale = a_sale(lines=[a_line("p1", 2, 500, refunded=10), a_line("p2", 1, 520)])
    assert (sale.total, sale.refunded) == (inr(1520), inr(10))


def test_a_full_refund_refunds_every_line_and_not_the_shipping() -> None:
    mine, theirs = an_order({"r1": inr(716), "r2": inr(1000)}).sales
    assert (mine.refunded, theirs.refunded) == (inr(1333), inr(333))
    assert all(line.net == inr(0) for sale in (mine, theirs) for line in sale.lines)


def test_a_partial_refund_is_apportioned_to_the_sellers() -> None:
    mine, theirs = an_order({"r1": inr(858)}).sales  # half of it
    assert (mine.refunded, theirs.refunded) == (inr(667), inr(166))


def test_a_refund_counts_only_once_the_total_of_the_order_is_known() -> None:
    assert [sale.refunded for sale in an_order({"r1": inr(9)}, None).sales] == [inr(0)] * 2


def test_refunds_never_exceed_the_total() -> None:
    mine, _ = an_order({"r1": TOTAL, "r2": inr(5)}).sales
    assert mine.refunded == mine.total


PARTS = st.lists(st.integers(1, 10**7), min_size=1, max_size=20)


@given(PARTS, st.integers(0, 10**6), st.data())
def test_apportioned_shares_are_exact_and_proportional(
    parts: list[int], fees: int, data: st.DataObject
) -> None:
    whole = sum(parts) + fees
    amount = data.draw(st.integers(0, whole))
    shares = list(apportion(amount, parts, whole))
    assert all(0 <= share <= part for share, part in zip(shares, parts, strict=True))
    for share, part in zip(shares, parts, strict=True):
        assert abs(share * whole - amount * part) <= whole  # a minor unit at most
    assert 2 * abs(sum(shares) * whole - amount * sum(parts)) <= whole  # half of one
    if not fees:
        assert sum(shares) == amount


@given(PARTS, st.data())
def test_a_larger_refund_reduces_no_share(parts: list[int], data: st.DataObject) -> None:
    """Except for a minor unit of rounding."""
    less, more = sorted(data.draw(st.tuples(*[st.integers(0, sum(parts))] * 2)))
    few, many = (list(apportion(amount, parts, sum(parts))) for amount in (less, more))
    assert all(one <= another + 1 for one, another in zip(few, many, strict=True))


def a_product(revision: int = 1, threshold: int | None = 3) -> ProductFacts:
    details = ProductDetails(revision, f"Tea {revision}", inr(100), "tea", threshold)
    return ProductFacts("s1", "p1", details)


STOCK_FACTS = [
    a_product(1, None).merge(ProductFacts("s1", "p1", stock=StockLevel(9, 0, 1))),
    a_product(2, 3).merge(ProductFacts("s1", "p1", stock=StockLevel(8, 4, 2))),
    ProductFacts("s1", "p1", stock=StockLevel(3, 9)),
    ProductFacts("s1", "p1", stock=StockLevel(2, 10)),
]


@given(st.permutations(STOCK_FACTS), st.lists(st.sampled_from(STOCK_FACTS)))
def test_details_and_stock_each_have_their_highest_revision(
    once: list[ProductFacts], again: list[ProductFacts]
) -> None:
    product = reduce(ProductFacts.merge, [*once, *again], ProductFacts("s1", "p1"))
    assert product.details is not None
    assert (product.details.title, product.stock) == ("Tea 2", StockLevel(2, 10))
    low = product.low_stock
    assert low is not None
    assert (low.title, low.stock, low.threshold) == ("Tea 2", 2, 3)


def test_without_stock_revisions_the_revision_of_the_product_decides() -> None:
    old, new = (ProductFacts("s1", "p1", stock=StockLevel(n, 0, n)) for n in (1, 2))
    assert old.merge(new).stock == new.merge(old).stock == StockLevel(2, 0, 2)


@pytest.mark.parametrize(
    ("stock", "threshold", "is_deleted", "is_low"),
    [
        (3, 3, False, True),
        (0, 3, False, True),
        (4, 3, False, False),
        (0, None, False, False),
        (0, 0, False, True),
        (0, 3, True, False),
    ],
)
def test_stock_is_low_at_or_below_the_threshold_of_a_product_on_sale(
    stock: int, threshold: int | None, is_deleted: bool, is_low: bool
) -> None:
    facts = ProductFacts("s1", "p1", stock=StockLevel(stock, 1), is_deleted=is_deleted)
    assert (a_product(1, threshold).merge(facts).low_stock is not None) is is_low


def test_stock_is_not_low_before_the_details_are_known() -> None:
    assert ProductFacts("s1", "p1", stock=StockLevel(0, 1)).low_stock is None


def test_the_default_period_is_the_last_thirty_days() -> None:
    period = Period.of(None, None, TODAY)
    assert (period.first, period.last) == (date(2026, 10, 24), TODAY)
    assert len(period.days) == 30


def test_an_open_period_ends_today_and_begins_thirty_days_before_its_end() -> None:
    assert Period.of(date(2026, 11, 1), None, TODAY) == Period(date(2026, 11, 1), TODAY)
    assert Period.of(None, date(2026, 1, 30), TODAY).first == date(2026, 1, 1)


def test_a_period_has_at_most_366_days() -> None:
    first = TODAY - timedelta(days=365)
    assert len(Period.of(first, TODAY, TODAY).days) == 366
    with pytest.raises(Invalid):
        Period.of(first - timedelta(days=1), TODAY, TODAY)


@pytest.mark.parametrize(
    "period",
    [
        lambda: Period.of(TODAY, date(2026, 11, 21), TODAY),
        lambda: Period.between(TODAY, date(2026, 11, 21)),
    ],
)
def test_a_period_that_ends_before_it_begins_is_invalid(period: object) -> None:
    with pytest.raises(Invalid) as refused:
        period()  # type: ignore[operator]
    assert [error.field for error in refused.value.errors] == ["from"]


def test_a_list_may_have_open_ends() -> None:
    assert Period.between(None, TODAY) == Period(date.min, TODAY)
    assert Period.between(TODAY, None) == Period(TODAY, date.max)


def test_a_lines_net_amount_excludes_its_refund() -> None:
    line: SaleLine = a_line("p1", 2, 500, refunded=1)
    assert line.net == inr(999)
