"""What counts, how facts join, and who bears how much of a refund."""

from datetime import date, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.model import (
    Destination,
    Details,
    Order,
    Payment,
    PaymentStatus,
    Period,
    Product,
    Progress,
    Purchase,
    SaleStatus,
    Sold,
    SoldLine,
    Stock,
    proportional,
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
TOTAL = inr(1000 + 333 + 333 + 50)  # with fifty for shipping, which is nobody's sale


def after(minutes: int) -> Progress:
    statuses = list(SaleStatus)
    return Progress(statuses[minutes % len(statuses)], PLACED + timedelta(minutes=minutes))


def an_order(refunds: dict[str, Money] | None = None, total: Money | None = TOTAL) -> Order:
    bought = Purchase(ASHA, LINES, PLACED)
    return Order("o1", bought, total, after(1), refunds=refunds or {})


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
    Order("o1", Purchase(ASHA, LINES, PLACED), TOTAL, after(0)),
    Order("o1", Purchase(ASHA, LINES, PLACED), TOTAL, after(1), is_paid=True),
    Order("o1", Purchase(ASHA, LINES, PLACED), None, after(2)),
    Order("o1", destination=Destination(Address("1", "Pune", "MH", "411001", "IN"), PLACED)),
    Order(
        "o1",
        destination=Destination(
            Address("2", "Pune", "MH", "411001", "IN"), PLACED + timedelta(hours=1)
        ),
    ),
    Order("o1", payment=Payment("y1", PaymentStatus.PENDING, PLACED)),
    Order("o1", payment=Payment("y1", PaymentStatus.COMPLETED, PLACED), is_paid=True),
    Order("o1", refunds={"r1": inr(100)}),
    Order("o1", refunds={"r2": inr(7)}),
]


@given(st.permutations(FACTS), st.lists(st.sampled_from(FACTS)), st.integers(0, len(FACTS)))
def test_facts_come_to_the_same_order_in_whatever_order_groups_and_numbers_they_join(
    once: list[Order], again: list[Order], cut: int
) -> None:
    arriving = [*once, *again]
    early, late = (
        reduce(Order.joined, part, Order("o1")) for part in (arriving[:cut], arriving[cut:])
    )
    joined = early.joined(late)
    assert joined == reduce(Order.joined, FACTS, Order("o1"))
    assert joined.progress == after(2)
    assert list(joined.refunds) == ["r1", "r2"]
    assert joined.joined(joined) == joined


def test_nothing_comes_after_a_cancellation() -> None:
    cancelled = Order("o1", progress=Progress(SaleStatus.CANCELLED, PLACED))
    for status in SaleStatus:
        late = Order("o1", progress=Progress(status, PLACED))
        assert cancelled.joined(late) == late.joined(cancelled) == cancelled


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (("1", PaymentStatus.PENDING), ("1", PaymentStatus.FAILED)),
        (("1", PaymentStatus.FAILED), ("2", PaymentStatus.PENDING)),
        (("2", PaymentStatus.FAILED), ("1", PaymentStatus.COMPLETED)),
        (("1", PaymentStatus.PENDING), ("1", PaymentStatus.COMPLETED)),
        (("1", PaymentStatus.COMPLETED), ("1", PaymentStatus.REFUNDED)),
        (("2", PaymentStatus.PENDING), ("1", PaymentStatus.REFUNDED)),
    ],
)
def test_of_two_payment_facts_the_telling_one_stands(
    low: tuple[str, PaymentStatus], high: tuple[str, PaymentStatus]
) -> None:
    assert Payment(*low, PLACED).rank < Payment(*high, PLACED).rank


def test_an_order_of_which_nobody_said_what_is_in_it_is_nobodys_sale() -> None:
    assert Order("o1", payment=Payment("y1", PaymentStatus.PENDING, PLACED)).sales == ()


def test_each_seller_gets_the_own_lines_only() -> None:
    mine, theirs = an_order().sales
    assert [line.product_id for line in mine.lines] == ["p1", "p3"]
    assert [line.product_id for line in theirs.lines] == ["p2"]
    assert (mine.total, theirs.total) == (inr(1333), inr(333))


def test_two_lines_of_one_product_are_one_share_net_of_refunds() -> None:
    lines = [a_line("p1", 2, 500, refunded=10), a_line("p2", 1, 70), a_line("p1", 1, 450)]
    sale = a_sale(lines=lines)
    assert sale.products == {"p1": Sold(3, inr(1440)), "p2": Sold(1, inr(70))}
    assert (sale.total, sale.refunded) == (inr(1520), inr(10))


def test_a_refund_of_everything_gives_back_every_line_and_not_the_shipping() -> None:
    mine, theirs = an_order({"r1": inr(716), "r2": inr(1000)}).sales
    assert (mine.refunded, theirs.refunded) == (inr(1333), inr(333))
    assert all(line.net == inr(0) for sale in (mine, theirs) for line in sale.lines)


def test_a_part_that_went_back_is_borne_in_proportion() -> None:
    mine, theirs = an_order({"r1": inr(858)}).sales  # half of it
    assert (mine.refunded, theirs.refunded) == (inr(667), inr(166))


def test_nothing_went_back_as_long_as_nobody_said_of_how_much() -> None:
    assert [sale.refunded for sale in an_order({"r1": inr(9)}, None).sales] == [inr(0)] * 2


def test_more_than_everything_cannot_go_back() -> None:
    mine, _ = an_order({"r1": TOTAL, "r2": inr(5)}).sales
    assert mine.refunded == mine.total


PARTS = st.lists(st.integers(1, 10**7), min_size=1, max_size=20)


@given(PARTS, st.integers(0, 10**6), st.data())
def test_shares_are_exact_and_fair(parts: list[int], fees: int, data: st.DataObject) -> None:
    whole = sum(parts) + fees
    amount = data.draw(st.integers(0, whole))
    shares = list(proportional(amount, parts, whole))
    assert all(0 <= share <= part for share, part in zip(shares, parts, strict=True))
    for share, part in zip(shares, parts, strict=True):
        assert abs(share * whole - amount * part) <= whole  # a minor unit at most
    assert 2 * abs(sum(shares) * whole - amount * sum(parts)) <= whole  # half of one
    if not fees:
        assert sum(shares) == amount


@given(PARTS, st.data())
def test_a_growing_refund_takes_nothing_back_from_anybody(
    parts: list[int], data: st.DataObject
) -> None:
    """Beyond a minor unit of rounding, that is."""
    less, more = sorted(data.draw(st.tuples(*[st.integers(0, sum(parts))] * 2)))
    few, many = (list(proportional(amount, parts, sum(parts))) for amount in (less, more))
    assert all(one <= another + 1 for one, another in zip(few, many, strict=True))


def a_product(revision: int = 1, threshold: int | None = 3) -> Product:
    details = Details(revision, f"Tea {revision}", inr(100), "tea", threshold)
    return Product("s1", "p1", details)


STOCK_FACTS = [
    a_product(1, None).joined(Product("s1", "p1", stock=Stock(9, 0, 1))),
    a_product(2, 3).joined(Product("s1", "p1", stock=Stock(8, 4, 2))),
    Product("s1", "p1", stock=Stock(3, 9)),
    Product("s1", "p1", stock=Stock(2, 10)),
]


@given(st.permutations(STOCK_FACTS), st.lists(st.sampled_from(STOCK_FACTS)))
def test_the_highest_revision_of_details_and_of_stock_stand_each_by_itself(
    once: list[Product], again: list[Product]
) -> None:
    product = reduce(Product.joined, [*once, *again], Product("s1", "p1"))
    assert product.details is not None
    assert (product.details.title, product.stock) == ("Tea 2", Stock(2, 10))
    low = product.low_stock
    assert low is not None
    assert (low.title, low.stock, low.threshold) == ("Tea 2", 2, 3)


def test_among_old_facts_without_stock_revisions_the_products_revision_tells() -> None:
    old, new = (Product("s1", "p1", stock=Stock(n, 0, n)) for n in (1, 2))
    assert old.joined(new).stock == new.joined(old).stock == Stock(2, 0, 2)


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
def test_low_is_at_the_threshold_or_below_while_on_sale(
    stock: int, threshold: int | None, is_deleted: bool, is_low: bool
) -> None:
    told = Product("s1", "p1", stock=Stock(stock, 1), is_deleted=is_deleted)
    assert (a_product(1, threshold).joined(told).low_stock is not None) is is_low


def test_stock_of_a_product_that_nobody_described_is_not_low_yet() -> None:
    assert Product("s1", "p1", stock=Stock(0, 1)).low_stock is None


def test_the_default_period_is_the_last_thirty_days() -> None:
    period = Period.of(None, None, TODAY)
    assert (period.first, period.last) == (date(2026, 10, 24), TODAY)
    assert len(period.days) == 30


def test_an_open_end_is_today_and_an_open_beginning_thirty_days_earlier() -> None:
    assert Period.of(date(2026, 11, 1), None, TODAY) == Period(date(2026, 11, 1), TODAY)
    assert Period.of(None, date(2026, 1, 30), TODAY).first == date(2026, 1, 1)


def test_a_period_may_be_a_leap_year_and_not_a_day_more() -> None:
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


def test_a_line_knows_what_is_left_of_it() -> None:
    line: SoldLine = a_line("p1", 2, 500, refunded=1)
    assert line.net == inr(999)
