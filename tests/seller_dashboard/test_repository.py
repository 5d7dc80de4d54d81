"""The projections in memory and in DynamoDB behave alike."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from seller_dashboard import repository
from seller_dashboard.model import (
    Customer,
    Destination,
    Details,
    Order,
    Overtaken,
    Payment,
    PaymentStatus,
    Period,
    Product,
    Progress,
    Purchase,
    Sale,
    SaleStatus,
    Seller,
    Sold,
    Stock,
)
from seller_dashboard.numbers import DayTotals
from seller_dashboard.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoSales,
    DynamoSellers,
)
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.people import Address
from support.cloud import held_by_a_transaction
from support.seller_dashboard import ASHA, PLACED, Books, a_line, a_sale, inr, usd

REFUSED = Overtaken("changed")
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
EVER = Period.between(None, None)
HERE = Address("12 Lake View Road", "Kolkata", "West Bengal", "700029", "IN")
PAID = Payment("y1", PaymentStatus.COMPLETED, PLACED)


@pytest.fixture(params=["memory", "dynamodb"])
def books(request: pytest.FixtureRequest) -> Books:
    if request.param == "memory":
        return Books()
    request.getfixturevalue("aws")
    return Books(
        DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoSellers(), DynamoTransaction
    )


def save(books: Books, sale: Sale, known: Sale | None = None) -> None:
    if known is None:
        books.sales.meet(sale)
    transaction = books.begin()
    books.sales.save(sale, known, transaction, REFUSED)
    transaction.commit()


def count(books: Books, sale: Sale, *, out: bool = False) -> None:
    transaction = books.begin()
    change = DayTotals.of(sale)
    books.sales.count(sale, -change if out else change, transaction)
    transaction.commit()


def newest(books: Books, limit: int = 10, after: str | None = None) -> list[str]:
    return [sale.order_id for sale in books.sales.newest("s1", EVER, None, limit, after)]


AN_ORDER = Order(
    "o1",
    Purchase(ASHA, (a_line(), a_line("p2", seller_id="s2")), PLACED),
    inr(2000),
    Progress(SaleStatus.CONFIRMED, PLACED),
    is_paid=True,
    payment=PAID,
    refunds={"r1": inr(30)},
    destination=Destination(HERE, PLACED),
)


@pytest.mark.parametrize("order", [Order("o1"), AN_ORDER])
def test_an_order_is_found_as_it_was_saved(books: Books, order: Order) -> None:
    assert books.orders.find("o1") is None
    saved = books.orders.save(order)
    found = books.orders.find("o1")
    assert found == saved == order
    assert found.version == saved.version == 1


def test_an_order_that_was_saved_meanwhile_is_not_overwritten(books: Books) -> None:
    read = books.orders.save(Order("o1"))
    books.orders.save(read.joined(AN_ORDER))
    for stale in (Order("o1"), read):
        with pytest.raises(Overtaken):
            books.orders.save(stale)
    assert books.orders.find("o1") == AN_ORDER


def test_a_sale_is_found_as_it_was_saved(books: Books) -> None:
    lines = [a_line("p1", refunded=3), a_line("p2", 1, 99)]
    sale = replace(a_sale(lines=lines, payment=PAID, is_paid=True, version=4), address=HERE)
    assert books.sales.find(sale) is None
    save(books, sale)
    found = books.sales.find(a_sale(SaleStatus.PENDING))
    assert found == sale
    assert found.version == 4


def test_a_sale_that_is_there_is_not_made_again(books: Books) -> None:
    save(books, a_sale())
    with pytest.raises(Overtaken):
        save(books, a_sale(SaleStatus.CANCELLED), known=None)
    assert books.sales.find(a_sale()) == a_sale()


def test_a_sale_that_moved_since_it_was_read_is_not_overwritten(books: Books) -> None:
    pending = a_sale(SaleStatus.PENDING)
    save(books, pending)
    save(books, a_sale(SaleStatus.CANCELLED, version=2), known=pending)
    with pytest.raises(Overtaken):
        save(books, a_sale(SaleStatus.CONFIRMED, version=3), known=pending)
    assert books.sales.find(pending) == a_sale(SaleStatus.CANCELLED)


def test_a_refused_sale_leaves_the_sums_alone(books: Books) -> None:
    save(books, a_sale())
    transaction = books.begin()
    books.sales.save(a_sale(), None, transaction, REFUSED)
    books.sales.count(a_sale(), DayTotals.of(a_sale()), transaction)
    with pytest.raises(Overtaken):
        transaction.commit()
    assert list(books.sales.days("s1", NOVEMBER)) == []


def test_a_day_sums_its_sales_and_each_product(books: Books) -> None:
    lines = [a_line("p1", 2, 500, refunded=50), a_line("p1", 1, 400), a_line("p2", 1, 70)]
    count(books, a_sale(lines=lines, is_paid=True))
    count(books, a_sale(order_id="o2", lines=[a_line("p2", 3, 70)]))
    [day] = books.sales.days("s1", NOVEMBER)
    assert (day.day, day.placed, day.paid, day.orders) == (PLACED.date(), 2, 1, 2)
    assert (day.sold, day.refunded) == (Sold(7, inr(1630)), inr(50))
    assert day.products == {"p1": Sold(3, inr(1350)), "p2": Sold(4, inr(280))}


def test_what_is_taken_out_leaves_no_trace_in_the_sums(books: Books) -> None:
    save(books, a_sale())
    count(books, a_sale())
    count(books, a_sale(), out=True)
    [day] = books.sales.days("s1", NOVEMBER)
    assert day == DayTotals.nothing(day.day, day.currency)
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.units, product.revenue) == (0, ())
    [buyer] = books.sales.buyers("s1", 10, None)
    assert (buyer.orders, buyer.spent) == (0, ())


def test_an_order_that_does_not_count_was_placed_all_the_same(books: Books) -> None:
    count(books, a_sale(SaleStatus.PENDING))
    [day] = books.sales.days("s1", NOVEMBER)
    assert (day.placed, day.orders, day.sold) == (1, 0, Sold(0, inr(0)))


def test_days_are_those_of_the_period_and_of_the_seller(books: Books) -> None:
    first, last = PLACED.replace(day=5), PLACED.replace(day=9)
    for number in range(12):
        count(books, a_sale(order_id=f"o{number}", placed_at=PLACED.replace(day=1 + number)))
    count(books, a_sale(seller_id="s2", placed_at=first))
    found = books.sales.days("s1", Period(first.date(), last.date()))
    assert [day.day.day for day in found] == [5, 6, 7, 8, 9]


def test_currencies_have_sums_of_their_own(books: Books) -> None:
    dollars = a_sale(order_id="o2", lines=[a_line("p1", 1, 300, currency=Currency.USD)])
    for sale in (a_sale(), dollars):
        save(books, sale)
        count(books, sale)
    found = books.sales.days("s1", NOVEMBER)
    assert {day.sold.revenue for day in found} == {inr(1000), usd(300)}
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.units, product.revenue) == (3, (inr(1000), usd(300)))
    [buyer] = books.sales.buyers("s1", 10, None)
    assert (buyer.orders, buyer.spent) == (2, (inr(1000), usd(300)))


def test_an_order_of_fifty_different_products_fits(books: Books) -> None:
    lines = [a_line(f"01JD9B0000PR0DVCT0000000{n:02}") for n in range(50)]
    sale = a_sale(lines=lines, payment=PAID)
    transaction = books.begin()
    books.sales.save(sale, None, transaction, REFUSED)
    books.sales.count(sale, DayTotals.of(sale), transaction)
    transaction.commit()
    [day] = books.sales.days("s1", NOVEMBER)
    assert (day.sold.units, len(day.products)) == (100, 50)


def test_sales_are_listed_newest_first_page_by_page(books: Books) -> None:
    for number in range(5):
        save(books, a_sale(order_id=f"o{number}", placed_at=PLACED + timedelta(minutes=number)))
    save(books, a_sale(order_id="foreign", seller_id="s2"))
    assert newest(books, 2) == ["o4", "o3"]
    *_, last = books.sales.newest("s1", EVER, None, 2, None)
    position = last.position
    assert newest(books, 10, position) == ["o2", "o1", "o0"]


def test_sales_can_be_had_by_their_status_and_period(books: Books) -> None:
    for number in range(6):
        status = SaleStatus.CONFIRMED if number % 2 else SaleStatus.CANCELLED
        placed = PLACED.replace(day=10 + number)
        save(books, a_sale(status, f"o{number}", placed_at=placed, payment=PAID))
    period = Period(date(2026, 11, 11), date(2026, 11, 14))
    every = list(books.sales.newest("s1", period, None, 9, None))
    assert [sale.order_id for sale in every] == ["o4", "o3", "o2", "o1"]
    assert [share.order_id for share in books.sales.payments("s1", period, 9, None)] == [
        sale.order_id for sale in every
    ]
    first, last = books.sales.newest("s1", period, SaleStatus.CONFIRMED, 9, None)
    assert (first.order_id, last.order_id) == ("o3", "o1")
    rest = books.sales.newest("s1", period, SaleStatus.CONFIRMED, 9, first.position)
    assert list(rest) == [last]


def test_a_sale_that_moved_is_under_its_new_status_only(books: Books) -> None:
    pending = a_sale(SaleStatus.PENDING)
    save(books, pending)
    save(books, a_sale(version=2), known=pending)
    assert list(books.sales.newest("s1", EVER, SaleStatus.PENDING, 9, None)) == []
    assert list(books.sales.newest("s1", EVER, SaleStatus.CONFIRMED, 9, None)) == [a_sale()]


def test_payments_are_the_shares_of_the_sales_that_have_one(books: Books) -> None:
    for number in range(4):
        placed = PLACED + timedelta(minutes=number)
        payment = None if number == 1 else PAID
        lines = [a_line(refunded=number)]
        save(books, a_sale(order_id=f"o{number}", lines=lines, placed_at=placed, payment=payment))
    page = list(books.sales.payments("s1", EVER, 2, None))
    assert [share.order_id for share in page] == ["o3", "o2"]
    assert (page[0].payment, page[0].total, page[0].refunded) == (PAID, inr(1000), inr(3))
    rest = books.sales.payments("s1", EVER, 2, page[-1].position)
    assert [share.order_id for share in rest] == ["o0"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_customers_last_order_is_the_last_one_placed(books: Books, turned: bool) -> None:
    early = a_sale(customer=Customer("c1", "Asha"))
    late = a_sale(
        order_id="o2", customer=Customer("c1", "Asha Rani"), placed_at=PLACED.replace(hour=23)
    )
    for sale in (late, early) if turned else (early, late):
        save(books, sale)
        count(books, sale)
    [buyer] = books.sales.buyers("s1", 10, None)
    assert buyer.customer == Customer("c1", "Asha Rani")
    assert (buyer.orders, buyer.spent, buyer.last_order_at) == (2, (inr(2000),), late.placed_at)


def test_customers_are_listed_page_by_page_each_to_the_own_sellers(books: Books) -> None:
    for number in range(4):
        save(books, a_sale(order_id=f"o{number}", customer=Customer(f"c{number}", "Asha")))
    save(books, a_sale(seller_id="s2", customer=Customer("c9", "Ravi")))
    page = books.sales.buyers("s1", 3, None)
    assert [(buyer.customer.id, buyer.orders) for buyer in page] == [
        ("c3", 0),
        ("c2", 0),
        ("c1", 0),
    ]
    assert [buyer.customer.id for buyer in books.sales.buyers("s1", 3, "c1")] == ["c0"]


def test_the_register_knows_who_had_orders_on_a_day(books: Books) -> None:
    for number, seller_id in enumerate(["s2", "s1", "s1"]):
        save(books, a_sale(order_id=f"o{number}", seller_id=seller_id))
    save(books, a_sale(seller_id="s3", placed_at=PLACED + timedelta(days=1)))
    assert sorted(books.sales.sellers_on(PLACED.date())) == ["s1", "s2"]


def test_the_sales_of_a_day_are_all_of_it_and_no_others(books: Books) -> None:
    moments = [PLACED.replace(hour=0, minute=0), PLACED, PLACED + timedelta(days=1)]
    for number, moment in enumerate(moments):
        save(books, a_sale(order_id=f"o{number}", placed_at=moment))
    save(books, a_sale(seller_id="s2"))
    found = books.sales.of_day("s1", PLACED.date())
    assert [sale.order_id for sale in found] == ["o0", "o1"]


def test_sums_are_replaced_as_they_were_read_and_no_others(books: Books) -> None:
    for number in range(2):
        count(books, a_sale(order_id=f"o{number}", lines=[a_line(f"p{number}")]))
    [read] = books.sales.sums_of_day("s1", PLACED.date())
    healed = replace(DayTotals.of(a_sale(lines=[a_line("p7", 1, 9)])), version=read.version)
    books.replace_sums("s1", healed)
    with pytest.raises(Overtaken):
        books.replace_sums("s1", healed)
    assert list(books.sales.days("s1", NOVEMBER)) == [healed]
    count(books, a_sale(order_id="o9", lines=[a_line("p7", 1, 9)]))
    [day] = books.sales.sums_of_day("s1", PLACED.date())
    assert day.products == {"p7": Sold(2, inr(18))}
    assert day.version == read.version + 2


def test_sums_that_are_missing_can_be_written_once(books: Books) -> None:
    sums = DayTotals.of(a_sale())
    books.replace_sums("s1", sums)
    with pytest.raises(Overtaken):
        books.replace_sums("s1", sums)
    assert list(books.sales.days("s1", NOVEMBER)) == [sums]


def a_product(
    product_id: str = "p1",
    *,
    revision: int = 1,
    stock: int = 9,
    threshold: int | None = 3,
    is_deleted: bool = False,
) -> Product:
    price = Money(revision * 100, Currency.INR)
    details = Details(revision, f"Tea {revision}", price, "tea", threshold)
    return Product("s1", product_id, details, Stock(stock, revision), is_deleted)


def test_a_product_is_found_as_it_was_saved(books: Books) -> None:
    assert books.catalogue.find("s1", "p1") is None
    books.catalogue.save(a_product())
    found = books.catalogue.find("s1", "p1")
    assert found == a_product()
    assert found.version == 1
    books.catalogue.save(replace(a_product(revision=2), version=1))
    assert books.catalogue.find("s1", "p1") == a_product(revision=2)


def test_a_product_that_was_saved_meanwhile_is_not_overwritten(books: Books) -> None:
    books.catalogue.save(a_product(revision=2))
    with pytest.raises(Overtaken):
        books.catalogue.save(a_product(revision=1))
    assert books.catalogue.find("s1", "p1") == a_product(revision=2)


def test_a_product_is_shown_with_its_facts_until_it_is_deleted_and_after(books: Books) -> None:
    books.catalogue.save(a_product())
    [shown] = books.catalogue.newest("s1", 10, None)
    assert (shown.title, shown.price, shown.category) == ("Tea 1", inr(100), "tea")
    assert shown.on_sale
    books.catalogue.save(replace(a_product(is_deleted=True), version=1))
    [shown] = books.catalogue.newest("s1", 10, None)
    assert (shown.title, shown.on_sale) == ("Tea 1", False)


def test_a_product_that_sold_before_its_fact_came_has_the_title_of_the_sale(books: Books) -> None:
    count(books, a_sale())
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.title, product.price, product.on_sale) == ("Title of p1", None, False)
    assert books.catalogue.titles("s1", ["p1"]) == {"p1": "Title of p1"}
    known = books.catalogue.find("s1", "p1") or Product("s1", "p1")
    books.catalogue.save(replace(a_product(), version=known.version))
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.title, product.units, product.on_sale) == ("Tea 1", 2, True)
    count(books, a_sale())
    [product] = books.catalogue.newest("s1", 10, None)
    assert product.title == "Tea 1"


def test_products_are_listed_newest_first_page_by_page(books: Books) -> None:
    for number in range(4):
        books.catalogue.save(a_product(f"p{number}"))
    page = books.catalogue.newest("s1", 3, None)
    assert [product.product_id for product in page] == ["p3", "p2", "p1"]
    assert [p.product_id for p in books.catalogue.newest("s1", 3, "p1")] == ["p0"]
    assert list(books.catalogue.newest("s2", 3, None)) == []


def test_titles_are_those_of_the_seller(books: Books) -> None:
    books.catalogue.save(a_product())
    assert books.catalogue.titles("s1", ["p1", "p2"]) == {"p1": "Tea 1"}
    assert books.catalogue.titles("s2", ["p1"]) == {}
    assert books.catalogue.titles("s1", []) == {}


def test_the_scarcest_products_come_first_and_what_is_not_low_not_at_all(books: Books) -> None:
    for product_id, stock in [("p1", 3), ("p2", 4), ("p3", 0), ("p4", 1)]:
        books.catalogue.save(a_product(product_id, stock=stock))
    books.catalogue.save(a_product("p5", stock=0, is_deleted=True))
    books.catalogue.save(a_product("p6", stock=0, threshold=None))
    low = books.catalogue.low_stock("s1", 2)
    assert [(one.product_id, one.stock, one.threshold) for one in low] == [
        ("p3", 0, 3),
        ("p4", 1, 3),
    ]
    assert len(books.catalogue.low_stock("s1", 9)) == 3
    assert list(books.catalogue.low_stock("s2", 9)) == []


def test_what_is_stocked_up_is_low_no_longer(books: Books) -> None:
    books.catalogue.save(a_product(stock=1))
    books.catalogue.save(replace(a_product(stock=50), version=1))
    assert list(books.catalogue.low_stock("s1", 9)) == []


@pytest.mark.parametrize("turned", [False, True])
def test_the_last_that_was_told_of_a_seller_stands(books: Books, turned: bool) -> None:
    assert books.sellers.find("s1") is None
    facts = [
        (Seller("s1", "old@example.com", "Meera"), "2026-11-22T09:30:00.000Z#1"),
        (Seller("s1", "new@example.com", "Meera"), "2026-11-22T09:30:00.001Z#0"),
    ]
    for seller, told in reversed(facts) if turned else facts:
        books.sellers.introduce(seller, told)
    assert books.sellers.find("s1") == facts[1][0]
    assert books.sellers.find("s2") is None


def test_a_day_of_five_thousand_products_fits_in_a_row() -> None:
    product = Sold(999, inr(9_999_999_99))
    products = {f"01JD9B0000PR0DVCT000{number:06}": product for number in range(5000)}
    sums = replace(DayTotals.of(a_sale()), products=products)
    # as it is sent: moto would take half a minute to store it
    stored = repository._day_row("01JD9B0000SE11ER0000000001", sums).serialize()
    size = sum(len(name) + len(next(iter(value.values()))) for name, value in stored.items())
    assert size < 400 * 1024


@pytest.mark.usefixtures("aws")
def test_a_write_that_meets_a_transaction_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supermarket.dynamo.writes.FIRST_WAIT_SECONDS", 0)
    sales, catalogue = DynamoSales(), DynamoCatalogue()
    with held_by_a_transaction("UpdateItem", times=2):
        sales.meet(a_sale())
    assert [buyer.customer for buyer in sales.buyers("s1", 9, None)] == [ASHA]
    with held_by_a_transaction("UpdateItem", times=2):
        catalogue.save(a_product())
    assert catalogue.find("s1", "p1") == a_product()
