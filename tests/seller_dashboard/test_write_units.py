"""What a fact about an order costs in each partition: it does not grow with the products that a
seller sells a day.
"""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest

from benchmarks.units import KILOBYTE, counting, item_size
from conftest import FrozenClock
from seller_dashboard.projections.model import (
    Customer,
    OrderFacts,
    Payment,
    PaymentStatus,
    ProductDetails,
    ProductFacts,
    Purchase,
    SaleStatus,
    ShippingAddress,
    StatusChange,
    StockLevel,
)
from seller_dashboard.projections.repository import _part_key
from seller_dashboard.projections.rows import DayRow, Key
from seller_dashboard.projections.totals import MINOR, UNITS, DailyTotals
from supermarket.dynamo.batches import put_many
from supermarket.money import Currency
from supermarket.people import Address
from support.seller_dashboard import PLACED, a_line, in_dynamodb, inr

PARTITION_LIMIT = 1000  # write units a second
NEEDED = 200  # facts a second of one seller
SELLER = "01JD9A0000SE11ER000000001"  # a character less than an id: the units of ids are not kept
CUSTOMER = "01JD9A0000CVST0MER00000001"
PAYMENT, ORDER = "01JD9D0000PAYMENT000000001", "01JD9C00000000RDER00000001"
HOME = Address("Flat 12, Lake View Apartments, MG Road", "Bengaluru", "Karnataka", "560001", "IN")
LINES = 3
LARGEST_PART = 2 * KILOBYTE


def a_product_id(number: int) -> str:
    return f"01JD9B0000PR0DVCT0000{number:05}"


def facts_of_an_order() -> list[OrderFacts]:
    """Return the facts of an order that is placed and paid, as the listeners make them."""
    lines = tuple(
        replace(
            a_line(a_product_id(number), 2, 49_900, seller_id=SELLER),
            title="Basmati rice, aged for two years, 5 kg bag",
        )
        for number in range(LINES)
    )
    bought = Purchase(Customer(CUSTOMER, "Asha"), lines, PLACED, PLACED.date())
    total = inr(LINES * 99_800)
    placed = StatusChange(SaleStatus.PENDING, PLACED)
    confirmed = StatusChange(SaleStatus.CONFIRMED, PLACED + timedelta(minutes=2))
    opened = Payment(PAYMENT, PaymentStatus.PENDING, PLACED, 1)
    paid = Payment(PAYMENT, PaymentStatus.COMPLETED, PLACED + timedelta(minutes=1), 2)
    home = ShippingAddress(HOME, PLACED)
    return [
        OrderFacts(ORDER, bought, total, placed, shipping_address=home),
        OrderFacts(ORDER, payment=opened),
        OrderFacts(ORDER, payment=paid, is_paid=True),
        OrderFacts(ORDER, bought, total, confirmed, is_paid=True),
    ]


def sell_products(number: int, day: date) -> None:
    """Store a day of a seller on which so many products were sold."""
    totals = DailyTotals(day, Currency.INR, Counter(placed=number, paid=number, orders=number))
    for product_id in map(a_product_id, range(number)):
        totals.numbers.update({UNITS + product_id: 120, MINOR + product_id: 5_988_000})
    rows = []
    for part in totals.parts(ORDER):
        row = DayRow(Key.TOTALS + SELLER, _part_key(part), version=99_999)
        row.numbers = part.numbers
        rows.append(row)
        assert item_size(row.serialize()) <= LARGEST_PART
    put_many(rows)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("products", [1, 100, 1000, 5600])
def test_a_seller_of_many_products_a_day_can_take_two_hundred_facts_a_second(
    products: int, clock: FrozenClock
) -> None:
    projections = in_dynamodb(clock)
    for number in range(LINES):
        details = ProductDetails(3, "Basmati rice, aged for two years, 5 kg", inr(1), "rice", 5)
        stock = StockLevel(900, 7, 3)
        projections.catalogue.save(ProductFacts(SELLER, a_product_id(number), details, stock))
    sell_products(products, PLACED.date())
    facts = facts_of_an_order()
    with counting() as units:
        for fact in facts:
            projections.projector.apply(fact)
    per_fact = {key: total / len(facts) for key, total in units.by_key.items()}
    assert per_fact[f"sales {Key.SELLER}{SELLER}"] == 4.25
    assert 3 <= per_fact[f"sales {Key.TOTALS}{SELLER}"] <= 4
    assert max(per_fact.values()) <= PARTITION_LIMIT / NEEDED
