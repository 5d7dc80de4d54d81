"""The projections, in memory and in DynamoDB."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from seller_dashboard.projections.model import (
    Customer,
    OrderFacts,
    Payment,
    PaymentStatus,
    Period,
    ProductDetails,
    ProductFacts,
    Purchase,
    Sale,
    SaleStatus,
    ShippingAddress,
    Slice,
    StatusChange,
    StockLevel,
)
from seller_dashboard.projections.repository import (
    DynamoCatalogue,
    DynamoOrders,
    DynamoSales,
    DynamoSellers,
)
from seller_dashboard.projections.totals import MINOR, UNITS, Counted, DailyTotals
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from supermarket.people import Address, Recipient
from supermarket.retry import StaleWrite
from support.cloud import held_by_a_transaction
from support.seller_dashboard import ASHA, PLACED, Projections, a_line, a_sale, inr, usd

DAY, MOMENT = timedelta(days=1), timedelta(milliseconds=1)
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
EVER = Period.between(None, None)
HERE = Address("12 Lake View Road", "Kolkata", "West Bengal", "700029", "IN")
PAID = Payment("y1", PaymentStatus.COMPLETED, PLACED)


@pytest.fixture(params=["memory", "dynamodb"])
def projections(request: pytest.FixtureRequest) -> Projections:
    if request.param == "memory":
        return Projections()
    request.getfixturevalue("aws")
    return Projections(
        DynamoOrders(), DynamoSales(), DynamoCatalogue(), DynamoSellers(), DynamoTransaction
    )


def count(projections: Projections, sale: Sale, change: DailyTotals, known: Counted) -> Counted:
    transaction = projections.begin()
    counted = projections.sales.count(sale, known, change, transaction)
    transaction.commit()
    return counted


def listed_sales(projections: Projections, limit: int = 10, after: str | None = None) -> list[str]:
    return [
        sale.order_id
        for sale in projections.sales.list_sales("s1", EVER, None, Slice(limit, after))
    ]


AN_ORDER = OrderFacts(
    "o1",
    Purchase(ASHA, (a_line(), a_line("p2", seller_id="s2")), PLACED, PLACED.date()),
    inr(2000),
    StatusChange(SaleStatus.CONFIRMED, PLACED),
    is_paid=True,
    payment=PAID,
    refunds={"r1": inr(30)},
    shipping_address=ShippingAddress(HERE, PLACED),
)


@pytest.mark.parametrize("order", [OrderFacts("o1"), AN_ORDER])
def test_an_order_is_found_as_saved(projections: Projections, order: OrderFacts) -> None:
    assert projections.orders.find("o1") is None
    saved = projections.orders.save(order)
    found = projections.orders.find("o1")
    assert found == saved == order
    assert found.version == saved.version == 1


def test_an_order_that_was_saved_meanwhile_is_not_overwritten(projections: Projections) -> None:
    read = projections.orders.save(OrderFacts("o1"))
    projections.orders.save(read.merge(AN_ORDER))
    for stale in (OrderFacts("o1"), read):
        with pytest.raises(StaleWrite):
            projections.orders.save(stale)
    assert projections.orders.find("o1") == AN_ORDER


def test_a_sale_is_found_as_it_was_saved(projections: Projections) -> None:
    lines = [a_line("p1", refunded=3), a_line("p2", 1, 99)]
    sale = replace(a_sale(lines=lines, payment=PAID, is_paid=True, version=4), address=HERE)
    assert projections.sales.find(sale)[0] is None
    projections.sales.save(sale, None)
    found, _ = projections.sales.find(a_sale(SaleStatus.PENDING))
    assert found == sale
    assert found.version == 4


def test_an_existing_sale_is_not_created_again(projections: Projections) -> None:
    projections.sales.save(a_sale(), None)
    with pytest.raises(StaleWrite):
        projections.sales.save(a_sale(SaleStatus.CANCELLED), None)
    assert projections.sales.find(a_sale())[0] == a_sale()


def test_a_sale_that_changed_since_it_was_read_is_not_overwritten(projections: Projections) -> None:
    pending = a_sale(SaleStatus.PENDING)
    projections.sales.save(pending, None)
    projections.sales.save(a_sale(SaleStatus.CANCELLED, version=2), pending)
    with pytest.raises(StaleWrite):
        projections.sales.save(a_sale(SaleStatus.CONFIRMED, version=3), pending)
    assert projections.sales.find(pending)[0] == a_sale(SaleStatus.CANCELLED)


def test_a_sale_that_was_counted_meanwhile_does_not_change_the_totals(
    projections: Projections,
) -> None:
    sale = a_sale(payment=PAID)
    _, nothing = projections.sales.find(sale)
    assert (nothing.sale_version, bool(nothing.totals)) == (0, False)
    counted = count(projections, sale, DailyTotals.of(sale), replace(nothing, sale_version=4))
    assert projections.sales.find(sale) == (None, counted)
    assert (counted.sale_version, counted.totals.version) == (4, 1)
    assert projections.sales.list_counted([sale, a_sale(order_id="o2")]) == {
        "o1": counted,
        "o2": nothing,
    }
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert day == counted.totals
    with pytest.raises(StaleWrite):
        count(projections, replace(sale, payment=None), DailyTotals.of(sale), nothing)
    assert projections.sales.list_daily_totals("s1", NOVEMBER) == [day]


def test_a_days_totals_include_those_of_each_product(projections: Projections) -> None:
    lines = [a_line("p1", 2, 500, refunded=50), a_line("p1", 1, 400), a_line("p2", 1, 70)]
    projections.record(a_sale(lines=lines, is_paid=True))
    projections.record(a_sale(order_id="o2", lines=[a_line("p2", 3, 70)]))
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert day.day == PLACED.date()
    assert day.numbers == Counter(
        {"placed": 2, "paid": 1, "orders": 2, "units": 7, "minor": 1630, "refunded": 50}
        | {"units#p1": 3, "minor#p1": 1350, "units#p2": 4, "minor#p2": 280}
    )


def test_subtracting_what_was_added_gives_zero_totals(projections: Projections) -> None:
    projections.record(a_sale())
    zero = DailyTotals(PLACED.date(), Currency.INR)
    _, counted = projections.sales.find(a_sale())
    count(projections, a_sale(), zero - DailyTotals.of(a_sale()), counted)
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert day == zero
    [product] = projections.catalogue.list_products("s1", Slice(10))
    assert (product.units, product.revenue) == (0, ())
    [customer] = projections.sales.list_customers("s1", Slice(10))
    assert (customer.orders, customer.spent) == (0, ())


def test_an_order_that_does_not_count_is_counted_as_placed(projections: Projections) -> None:
    projections.record(a_sale(SaleStatus.PENDING))
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert day.numbers == Counter(placed=1)


def test_daily_totals_are_those_of_the_period_and_the_seller(projections: Projections) -> None:
    first, last = PLACED.replace(day=5), PLACED.replace(day=9)
    for number in range(12):
        projections.record(a_sale(order_id=f"o{number}", placed_at=PLACED.replace(day=1 + number)))
    projections.record(a_sale(seller_id="s2", placed_at=first))
    found = projections.sales.list_daily_totals("s1", Period(first.date(), last.date()))
    assert [day.day.day for day in found] == [5, 6, 7, 8, 9]


def test_each_currency_has_its_own_totals(projections: Projections) -> None:
    dollars = a_sale(order_id="o2", lines=[a_line("p1", 1, 300, currency=Currency.USD)])
    projections.record(a_sale(), dollars)
    found = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert {day.revenue for day in found} == {inr(1000), usd(300)}
    [product] = projections.catalogue.list_products("s1", Slice(10))
    assert (product.units, product.revenue) == (3, (inr(1000), usd(300)))
    [customer] = projections.sales.list_customers("s1", Slice(10))
    assert (customer.orders, customer.spent) == (2, (inr(1000), usd(300)))


def test_an_order_of_fifty_different_products_is_counted_in_transactions_that_fit(
    projections: Projections,
) -> None:
    lines = [a_line(f"01JD9B0000PR0DVCT0000000{n:02}") for n in range(50)]
    sale = a_sale(lines=lines, payment=PAID)
    projections.record(sale)
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert (day.numbers["units"], len(day.by_product(UNITS))) == (100, 50)


def test_sales_are_listed_newest_first_page_by_page(projections: Projections) -> None:
    for number in range(5):
        placed = PLACED + timedelta(minutes=number)
        projections.record(a_sale(order_id=f"o{number}", placed_at=placed))
    projections.record(a_sale(order_id="foreign", seller_id="s2"))
    assert listed_sales(projections, 2) == ["o4", "o3"]
    *_, last = projections.sales.list_sales("s1", EVER, None, Slice(2))
    position = last.sort_key
    assert listed_sales(projections, 10, position) == ["o2", "o1", "o0"]


def test_sales_are_listed_by_status_and_period(projections: Projections) -> None:
    for number in range(6):
        status = SaleStatus.CONFIRMED if number % 2 else SaleStatus.CANCELLED
        placed = PLACED.replace(day=10 + number)
        projections.record(a_sale(status, f"o{number}", placed_at=placed, payment=PAID))
    period = Period(date(2026, 11, 11), date(2026, 11, 14))
    every = list(projections.sales.list_sales("s1", period, None, Slice(9)))
    assert [sale.order_id for sale in every] == ["o4", "o3", "o2", "o1"]
    assert [sale.order_id for sale in projections.sales.list_payments("s1", period, Slice(9))] == [
        sale.order_id for sale in every
    ]
    first, last = projections.sales.list_sales("s1", period, SaleStatus.CONFIRMED, Slice(9))
    assert (first.order_id, last.order_id) == ("o3", "o1")
    rest = projections.sales.list_sales(
        "s1", period, SaleStatus.CONFIRMED, Slice(9, first.sort_key)
    )
    assert list(rest) == [last]


def test_the_oldest_sales_of_a_status_are_listed_oldest_first(projections: Projections) -> None:
    for number in range(6):
        status = SaleStatus.CONFIRMED if number % 2 else SaleStatus.CANCELLED
        placed = PLACED + timedelta(minutes=number)
        projections.record(a_sale(status, f"o{number}", placed_at=placed, payment=PAID))
    oldest = projections.sales.list_oldest_sales("s1", SaleStatus.CONFIRMED, 2)
    assert [sale.order_id for sale in oldest] == ["o1", "o3"]


def test_a_sale_is_listed_under_its_current_status_only(projections: Projections) -> None:
    projections.record(a_sale(SaleStatus.PENDING), a_sale(version=2))
    assert list(projections.sales.list_sales("s1", EVER, SaleStatus.PENDING, Slice(9))) == []
    assert list(projections.sales.list_sales("s1", EVER, SaleStatus.CONFIRMED, Slice(9))) == [
        a_sale()
    ]


def test_payments_are_listed_for_sales_that_have_one(projections: Projections) -> None:
    for number in range(4):
        placed = PLACED + timedelta(minutes=number)
        payment = None if number == 1 else PAID
        lines = [a_line(refunded=number)]
        projections.record(
            a_sale(order_id=f"o{number}", lines=lines, placed_at=placed, payment=payment)
        )
    page = list(projections.sales.list_payments("s1", EVER, Slice(2)))
    assert [sale.order_id for sale in page] == ["o3", "o2"]
    assert (page[0].payment, page[0].total, page[0].refunded) == (PAID, inr(1000), inr(3))
    rest = projections.sales.list_payments("s1", EVER, Slice(2, page[-1].sort_key))
    assert [sale.order_id for sale in rest] == ["o0"]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_customers_last_order_is_the_latest_one_placed(
    projections: Projections, reverse: bool
) -> None:
    early = a_sale(customer=Customer("c1", "Asha"))
    late = a_sale(
        order_id="o2", customer=Customer("c1", "Asha Rani"), placed_at=PLACED.replace(hour=23)
    )
    projections.record(*((late, early) if reverse else (early, late)))
    [customer] = projections.sales.list_customers("s1", Slice(10))
    assert customer.customer == Customer("c1", "Asha Rani")
    assert (customer.orders, customer.spent, customer.last_order_at) == (
        2,
        (inr(2000),),
        late.placed_at,
    )


def test_customers_of_a_seller_are_listed_page_by_page(
    projections: Projections,
) -> None:
    for number in range(4):
        customer = Customer(f"c{number}", "Asha")
        projections.record(a_sale(SaleStatus.PENDING, f"o{number}", customer=customer))
    projections.record(a_sale(seller_id="s2", customer=Customer("c9", "Ravi")))
    page = projections.sales.list_customers("s1", Slice(3))
    assert [(customer.customer.id, customer.orders) for customer in page] == [
        ("c3", 0),
        ("c2", 0),
        ("c1", 0),
    ]
    assert [
        customer.customer.id for customer in projections.sales.list_customers("s1", Slice(3, "c1"))
    ] == ["c0"]


def test_the_sellers_with_orders_on_a_day_are_listed(projections: Projections) -> None:
    for number, seller_id in enumerate(["s2", "s1", "s1"]):
        projections.record(a_sale(order_id=f"o{number}", seller_id=seller_id))
    projections.record(a_sale(seller_id="s3", placed_at=PLACED + timedelta(days=1)))
    assert sorted(projections.sales.list_sellers_of_day(PLACED.date())) == ["s1", "s2"]


def test_the_sales_of_a_day_are_listed_completely(projections: Projections) -> None:
    moments = [PLACED.replace(hour=0, minute=0), PLACED, PLACED + timedelta(days=1)]
    for number, moment in enumerate(moments):
        projections.record(a_sale(order_id=f"o{number}", placed_at=moment))
    projections.record(a_sale(seller_id="s2"))
    found = projections.sales.list_sales_of_day("s1", PLACED.date())
    assert [sale.order_id for sale in found] == ["o0", "o1"]


def test_lists_of_a_period_have_the_orders_of_the_shops_days(projections: Projections) -> None:
    midnight = datetime(2026, 11, 30, 18, 30, tzinfo=UTC)  # in India
    for number, placed in enumerate([midnight - MOMENT, midnight, midnight + DAY - MOMENT]):
        projections.record(a_sale(order_id=f"o{number}", placed_at=placed, payment=PAID))
    projections.record(a_sale(order_id="o3", placed_at=midnight + DAY, payment=PAID))
    first = date(2026, 12, 1)
    period, part = Period(first, first), Slice(9)
    listed = [
        projections.sales.list_sales("s1", period, None, part),
        projections.sales.list_sales("s1", period, SaleStatus.CONFIRMED, part),
        projections.sales.list_payments("s1", period, part),
    ]
    assert [[sale.order_id for sale in sales] for sales in listed] == [["o2", "o1"]] * 3
    of_day = projections.sales.list_sales_of_day("s1", first)
    assert [sale.order_id for sale in of_day] == ["o1", "o2"]
    [totals] = projections.sales.list_daily_totals("s1", period)
    assert (totals.day, totals.numbers["orders"]) == (first, 2)
    ever = Period.between(date(2000, 1, 1), date.max)
    assert len(list(projections.sales.list_sales("s1", ever, None, part))) == 4


def test_a_part_of_a_day_is_replaced_only_if_unchanged(projections: Projections) -> None:
    for number in range(2):
        projections.record(a_sale(order_id=f"o{number}", lines=[a_line("p7", 1, 9)]))
    [read] = [
        part
        for part in projections.sales.list_parts("s1", PLACED.date())
        if part.numbers["units#p7"]
    ]
    assert read.numbers == Counter({"units#p7": 2, "minor#p7": 18})
    repaired = replace(read, numbers=Counter({"units#p7": 7, "minor#p7": 63}))
    projections.replace_part("s1", repaired)
    with pytest.raises(StaleWrite):
        projections.replace_part("s1", repaired)
    assert repaired in projections.sales.list_parts("s1", PLACED.date())
    projections.record(a_sale(order_id="o9", lines=[a_line("p7", 1, 9)]))
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert (day.by_product(UNITS), day.by_product(MINOR)) == ({"p7": 8}, {"p7": 72})
    with pytest.raises(StaleWrite):
        projections.replace_part("s1", replace(repaired, version=repaired.version + 1))


def test_a_missing_part_of_a_day_is_created_once(projections: Projections) -> None:
    for part in DailyTotals.of(a_sale()).parts("o1"):
        projections.replace_part("s1", part)
        with pytest.raises(StaleWrite):
            projections.replace_part("s1", part)
    [day] = projections.sales.list_daily_totals("s1", NOVEMBER)
    assert not day - DailyTotals.of(a_sale())


def a_product(
    product_id: str = "p1",
    *,
    revision: int = 1,
    stock: int = 9,
    threshold: int | None = 3,
    is_deleted: bool = False,
) -> ProductFacts:
    price = Money(revision * 100, Currency.INR)
    details = ProductDetails(revision, f"Tea {revision}", price, "tea", threshold)
    return ProductFacts("s1", product_id, details, StockLevel(stock, revision), is_deleted)


def test_a_product_is_found_as_saved(projections: Projections) -> None:
    assert projections.catalogue.find("s1", "p1") is None
    projections.catalogue.save(a_product())
    found = projections.catalogue.find("s1", "p1")
    assert found == a_product()
    assert found.version == 1
    projections.catalogue.save(replace(a_product(revision=2), version=1))
    assert projections.catalogue.find("s1", "p1") == a_product(revision=2)


def test_a_product_that_changed_since_it_was_read_is_not_overwritten(
    projections: Projections,
) -> None:
    projections.catalogue.save(a_product(revision=2))
    with pytest.raises(StaleWrite):
        projections.catalogue.save(a_product(revision=1))
    assert projections.catalogue.find("s1", "p1") == a_product(revision=2)


def test_a_deleted_product_is_listed_with_its_details(
    projections: Projections,
) -> None:
    projections.catalogue.save(a_product())
    [listed] = projections.catalogue.list_products("s1", Slice(10))
    assert (listed.title, listed.price, listed.category) == ("Tea 1", inr(100), "tea")
    assert listed.on_sale
    projections.catalogue.save(replace(a_product(is_deleted=True), version=1))
    [listed] = projections.catalogue.list_products("s1", Slice(10))
    assert (listed.title, listed.on_sale) == ("Tea 1", False)


def test_a_product_without_details_has_the_title_of_its_sale(
    projections: Projections,
) -> None:
    projections.record(a_sale())
    [product] = projections.catalogue.list_products("s1", Slice(10))
    assert (product.title, product.price, product.on_sale) == ("Title of p1", None, False)
    assert projections.catalogue.get_titles("s1", ["p1"]) == {"p1": "Title of p1"}
    known = projections.catalogue.find("s1", "p1") or ProductFacts("s1", "p1")
    projections.catalogue.save(replace(a_product(), version=known.version))
    [product] = projections.catalogue.list_products("s1", Slice(10))
    assert (product.title, product.units, product.on_sale) == ("Tea 1", 2, True)
    projections.record(a_sale(order_id="o2"))
    [product] = projections.catalogue.list_products("s1", Slice(10))
    assert product.title == "Tea 1"


def test_products_are_listed_newest_first_page_by_page(projections: Projections) -> None:
    for number in range(4):
        projections.catalogue.save(a_product(f"p{number}"))
    page = projections.catalogue.list_products("s1", Slice(3))
    assert [product.product_id for product in page] == ["p3", "p2", "p1"]
    assert [p.product_id for p in projections.catalogue.list_products("s1", Slice(3, "p1"))] == [
        "p0"
    ]
    assert list(projections.catalogue.list_products("s2", Slice(3))) == []


def test_titles_are_those_of_the_sellers_products(projections: Projections) -> None:
    projections.catalogue.save(a_product())
    assert projections.catalogue.get_titles("s1", ["p1", "p2"]) == {"p1": "Tea 1"}
    assert projections.catalogue.get_titles("s2", ["p1"]) == {}
    assert projections.catalogue.get_titles("s1", []) == {}


def test_products_with_low_stock_are_listed_lowest_stock_first(
    projections: Projections,
) -> None:
    for product_id, stock in [("p1", 3), ("p2", 4), ("p3", 0), ("p4", 1)]:
        projections.catalogue.save(a_product(product_id, stock=stock))
    projections.catalogue.save(a_product("p5", stock=0, is_deleted=True))
    projections.catalogue.save(a_product("p6", stock=0, threshold=None))
    low = projections.catalogue.list_low_stock("s1", 2)
    assert [(one.product_id, one.stock, one.threshold) for one in low] == [
        ("p3", 0, 3),
        ("p4", 1, 3),
    ]
    assert len(projections.catalogue.list_low_stock("s1", 9)) == 3
    assert list(projections.catalogue.list_low_stock("s2", 9)) == []


def test_a_restocked_product_has_no_low_stock(projections: Projections) -> None:
    projections.catalogue.save(a_product(stock=1))
    projections.catalogue.save(replace(a_product(stock=50), version=1))
    assert list(projections.catalogue.list_low_stock("s1", 9)) == []


@pytest.mark.parametrize("reverse", [False, True])
def test_the_latest_mail_address_of_a_seller_is_kept(
    projections: Projections, reverse: bool
) -> None:
    assert projections.sellers.find("s1") is None
    facts = [
        (Recipient("s1", "old@example.com", "Meera"), "2026-11-22T09:30:00.000Z#1"),
        (Recipient("s1", "new@example.com", "Meera"), "2026-11-22T09:30:00.001Z#0"),
    ]
    for seller, as_of in reversed(facts) if reverse else facts:
        projections.sellers.upsert(seller, as_of)
    assert projections.sellers.find("s1") == facts[1][0]
    assert projections.sellers.find("s2") is None


@pytest.mark.usefixtures("aws")
def test_a_write_is_retried_while_a_transaction_holds_the_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supermarket.dynamo.writes.FIRST_WAIT_SECONDS", 0)
    sales, catalogue = DynamoSales(), DynamoCatalogue()
    with held_by_a_transaction("UpdateItem", times=2):
        sales.record_last_order(a_sale())
    assert [customer.customer for customer in sales.list_customers("s1", Slice(9))] == [ASHA]
    with held_by_a_transaction("UpdateItem", times=2):
        catalogue.save(a_product())
    assert catalogue.find("s1", "p1") == a_product()
