"""The projections in memory and in DynamoDB behave alike."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from seller_dashboard.model import (
    Address,
    CatalogueEntry,
    OrderNotes,
    Overtaken,
    PaymentStatus,
    Period,
    Sale,
    SaleStatus,
    Sold,
    payment_standing,
)
from seller_dashboard.repository import DynamoCatalogue, DynamoNotes, DynamoSales
from seller_dashboard.service import Catalogue, Notes, Sales
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.transaction import BeginTransaction
from support.in_memory import InMemoryOutbox
from support.seller_dashboard import (
    PLACED,
    InMemoryCatalogue,
    InMemoryNotes,
    InMemorySales,
    a_line,
    a_sale,
)

REFUSED = Overtaken("changed")
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
HERE = Address("12 Lake View Road", "Kolkata", "West Bengal", "700029", "IN")
THERE = Address("1 Hill Road", "Shillong", "Meghalaya", "793001", "IN")


@dataclass
class Books:
    sales: Sales
    notes: Notes
    catalogue: Catalogue
    begin: BeginTransaction

    def save(self, sale: Sale, known: Sale | None = None) -> None:
        transaction = self.begin()
        self.sales.save(sale, known, transaction, REFUSED)
        transaction.commit()

    def count(self, sale: Sale, change: int = 1) -> None:
        transaction = self.begin()
        self.sales.count(sale, change, transaction)
        transaction.commit()


@pytest.fixture(params=["memory", "dynamodb"])
def books(request: pytest.FixtureRequest) -> Books:
    if request.param == "memory":
        catalogue = InMemoryCatalogue()
        sales = InMemorySales(catalogue)
        return Books(sales, InMemoryNotes(), catalogue, InMemoryOutbox().begin)
    request.getfixturevalue("aws")
    return Books(DynamoSales(), DynamoNotes(), DynamoCatalogue(), DynamoTransaction)


def test_a_sale_is_found_as_it_was_saved(books: Books) -> None:
    sale = a_sale(lines=[a_line("p1"), a_line("p2", 1, 99)])
    assert books.sales.find(sale) is None
    books.save(sale)
    assert books.sales.find(a_sale(SaleStatus.PENDING)) == sale


def test_a_sale_that_is_there_is_not_made_again(books: Books) -> None:
    books.save(a_sale())
    with pytest.raises(Overtaken):
        books.save(a_sale(SaleStatus.CANCELLED), known=None)
    assert books.sales.find(a_sale()) == a_sale()


def test_a_sale_that_moved_since_it_was_read_is_not_overwritten(books: Books) -> None:
    pending = a_sale(SaleStatus.PENDING)
    books.save(pending)
    books.save(a_sale(SaleStatus.CANCELLED), known=pending)
    with pytest.raises(Overtaken):
        books.save(a_sale(SaleStatus.CONFIRMED), known=pending)
    assert books.sales.find(pending) == a_sale(SaleStatus.CANCELLED)


def test_a_refused_sale_leaves_the_sums_alone(books: Books) -> None:
    books.save(a_sale())
    transaction = books.begin()
    books.sales.save(a_sale(), None, transaction, REFUSED)
    books.sales.count(a_sale(), 1, transaction)
    with pytest.raises(Overtaken):
        transaction.commit()
    assert list(books.sales.days("s1", NOVEMBER)) == []


def test_a_day_sums_its_sales_and_each_product(books: Books) -> None:
    books.count(a_sale(lines=[a_line("p1", 2, 500), a_line("p1", 1, 400), a_line("p2", 1, 70)]))
    books.count(a_sale(order_id="o2", lines=[a_line("p2", 3, 70)]))
    [day] = books.sales.days("s1", NOVEMBER)
    assert (day.day, day.orders) == (PLACED.date(), 2)
    assert day.sold == Sold(7, Money(1680, Currency.INR))
    assert day.products == {
        "p1": Sold(3, Money(1400, Currency.INR)),
        "p2": Sold(4, Money(280, Currency.INR)),
    }


def test_what_is_taken_out_leaves_no_trace_in_the_sums(books: Books) -> None:
    books.count(a_sale())
    books.count(a_sale(), -1)
    [day] = books.sales.days("s1", NOVEMBER)
    assert (day.orders, day.sold) == (0, Sold(0, Money(0, Currency.INR)))
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.units, product.revenue) == (0, ())


def test_days_are_those_of_the_period_and_of_the_seller(books: Books) -> None:
    first, last = PLACED.replace(day=5), PLACED.replace(day=9)
    for number in range(12):
        books.count(a_sale(order_id=f"o{number}", placed_at=PLACED.replace(day=1 + number)))
    books.count(a_sale(seller_id="s2", placed_at=first))
    found = books.sales.days("s1", Period(first.date(), last.date()))
    assert [day.day.day for day in found] == [5, 6, 7, 8, 9]


def test_currencies_have_days_of_their_own(books: Books) -> None:
    dollars = Money(300, Currency.USD)
    line = a_line()
    books.count(a_sale())
    books.count(a_sale(lines=[type(line)("p1", "Tea", 1, dollars, dollars)]))
    found = books.sales.days("s1", NOVEMBER)
    assert {day.sold.revenue for day in found} == {Money(1000, Currency.INR), dollars}
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.units, product.revenue) == (3, (Money(1000, Currency.INR), dollars))


def test_an_order_of_fifty_different_products_fits(books: Books) -> None:
    sale = a_sale(lines=[a_line(f"01JD9B0000PR0DVCT0000000{n:02}") for n in range(50)])
    transaction = books.begin()
    books.sales.save(sale, None, transaction, REFUSED)
    books.sales.count(sale, 1, transaction)
    transaction.commit()
    [day] = books.sales.days("s1", NOVEMBER)
    assert (day.sold.units, len(day.products)) == (100, 50)


def test_sales_are_listed_newest_first_page_by_page(books: Books) -> None:
    for number in range(5):
        books.save(a_sale(order_id=f"o{number}", placed_at=PLACED + timedelta(minutes=number)))
    books.save(a_sale(order_id="foreign", seller_id="s2"))
    page = books.sales.newest("s1", 2, None)
    assert [sale.order_id for sale in page] == ["o4", "o3"]
    rest = books.sales.newest("s1", 10, page[-1].position)
    assert [sale.order_id for sale in rest] == ["o2", "o1", "o0"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_payment_that_arrived_beats_whatever_comes_before_or_after(
    books: Books, turned: bool
) -> None:
    facts = [
        ("1", PaymentStatus.PENDING),
        ("1", PaymentStatus.FAILED),
        ("2", PaymentStatus.PENDING),
        ("2", PaymentStatus.COMPLETED),
        ("3", PaymentStatus.PENDING),
    ]
    for payment_id, status in reversed(facts) if turned else facts:
        books.notes.payment("o1", status, payment_standing(payment_id, status))
    assert books.notes.find_many(["o1"]) == {"o1": OrderNotes(payment=PaymentStatus.COMPLETED)}


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_address_stands(books: Books, turned: bool) -> None:
    facts = [(HERE, PLACED), (THERE, PLACED + timedelta(seconds=1))]
    for address, since in reversed(facts) if turned else facts:
        books.notes.address("o1", address, since)
    assert books.notes.find_many(["o1"]) == {"o1": OrderNotes(shipping_address=THERE)}


def test_payment_and_address_of_an_order_stand_side_by_side(books: Books) -> None:
    books.notes.payment("o1", PaymentStatus.PENDING, "0#1#0")
    books.notes.address("o1", HERE, PLACED)
    books.notes.payment("o2", PaymentStatus.FAILED, "0#1#1")
    assert books.notes.find_many(["o1", "o2", "o3"]) == {
        "o1": OrderNotes(PaymentStatus.PENDING, HERE),
        "o2": OrderNotes(PaymentStatus.FAILED),
    }


def an_entry(revision: int, product_id: str = "p1", category: str | None = "tea") -> CatalogueEntry:
    price = Money(revision * 100, Currency.INR)
    return CatalogueEntry("s1", product_id, f"Tea {revision}", price, category, revision)


@pytest.mark.parametrize("revisions", [[1, 2, 3], [3, 2, 1], [2, 3, 1, 3]])
def test_the_highest_revision_of_a_product_stands(books: Books, revisions: list[int]) -> None:
    for revision in revisions:
        books.catalogue.revise(an_entry(revision))
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.title, product.price) == ("Tea 3", Money(300, Currency.INR))
    assert product.on_sale


def test_a_category_can_be_taken_away(books: Books) -> None:
    books.catalogue.revise(an_entry(1))
    books.catalogue.revise(an_entry(2, category=None))
    assert books.catalogue.newest("s1", 10, None)[0].category is None


@pytest.mark.parametrize("deleted_first", [False, True])
def test_a_deleted_product_is_never_on_sale_again(books: Books, deleted_first: bool) -> None:
    if deleted_first:
        books.catalogue.take_off_sale("s1", "p1")
    books.catalogue.revise(an_entry(1))
    if not deleted_first:
        books.catalogue.take_off_sale("s1", "p1")
    books.catalogue.revise(an_entry(9))
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.on_sale, product.title) == (False, "Tea 9")


def test_a_product_that_sold_before_its_fact_came_has_the_title_of_the_sale(books: Books) -> None:
    books.count(a_sale())
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.title, product.price, product.on_sale) == ("Title of p1", None, False)
    books.catalogue.revise(an_entry(1))
    [product] = books.catalogue.newest("s1", 10, None)
    assert (product.title, product.units, product.on_sale) == ("Tea 1", 2, True)
    books.count(a_sale())
    assert books.catalogue.newest("s1", 10, None)[0].title == "Tea 1"


def test_products_are_listed_newest_first_page_by_page(books: Books) -> None:
    for number in range(4):
        books.catalogue.revise(an_entry(1, f"p{number}"))
    page = books.catalogue.newest("s1", 3, None)
    assert [product.product_id for product in page] == ["p3", "p2", "p1"]
    assert [p.product_id for p in books.catalogue.newest("s1", 3, "p1")] == ["p0"]
    assert list(books.catalogue.newest("s2", 3, None)) == []


def test_titles_are_those_of_the_seller(books: Books) -> None:
    books.catalogue.revise(an_entry(1))
    assert books.catalogue.titles("s1", ["p1", "p2"]) == {"p1": "Tea 1"}
    assert books.catalogue.titles("s2", ["p1"]) == {}
    assert books.catalogue.titles("s1", []) == {}
