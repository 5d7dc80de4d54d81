"""The cost of the metrics does not depend on the number of orders: items read are counted at 100
and at 50,000 orders.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from seller_dashboard.endpoints import get_seller_metrics
from seller_dashboard.projections.model import ProductDetails, ProductFacts, Sale, StockLevel
from seller_dashboard.projections.repository import DynamoCatalogue, DynamoSales
from seller_dashboard.projections.totals import ORDER_PARTS, DailyTotals, sum_by_part
from seller_dashboard.reports.metrics import LOW_STOCK_LIMIT
from supermarket.caller import Caller, Role
from supermarket.config import table_name
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from support.api import a_caller, bearer, call
from support.seller_dashboard import Projections, a_line, a_sale, inr

FEW, MANY = 100, 50_000
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}
DAYS, PRODUCTS, PRODUCTS_A_DAY = 30, 20, 2


def the_sale(number: int, seller_id: str) -> Sale:
    """Return one of many orders, spread evenly over the days of a month and 20 products."""
    placed = BEGAN + timedelta(days=number % DAYS, seconds=number // DAYS)
    lines = [a_line(f"p{number % PRODUCTS:02}", 1 + number % PRODUCTS, 100)]
    return a_sale(order_id=f"o{number:05}", seller_id=seller_id, lines=lines, placed_at=placed)


def sell(orders: int, seller_id: str) -> None:
    """Store what the projections hold after so many orders: their rows, and the daily totals."""
    sales = [the_sale(number, seller_id) for number in range(orders)]
    projections = Projections(sales=DynamoSales(), begin=DynamoTransaction)
    for _, own in groupby(sorted(sales, key=lambda sale: sale.sort_key), lambda sale: sale.day):
        parts = chain.from_iterable(DailyTotals.of(sale).parts(sale.order_id) for sale in own)
        for part in sum_by_part(parts).values():
            projections.replace_part(seller_id, part)
    for number in range(PRODUCTS + 10):
        DynamoCatalogue().save(a_low_product(f"p{number:02}", seller_id))
    put_rows(sales)


def a_low_product(product_id: str, seller_id: str) -> ProductFacts:
    details = ProductDetails(1, f"Tea {product_id}", inr(100), None, 5)
    return ProductFacts(seller_id, product_id, details, StockLevel(1, 1))


def put_rows(sales: list[Sale]) -> None:
    """Save the first sale and copy its row for the others, around moto's own parsing, which would
    take minutes.
    """
    first, *others = sales
    DynamoSales().save(first, None)
    rows = partition(table_name("sales"), f"SELLER#{first.seller_id}")
    [model] = [row for key, row in rows.items() if key.value.startswith("ORDER#")]
    del model.attrs["sale"]  # the metrics do not read it, and it is most of the row
    for sale in others:
        row = copy(model)
        row.range_key, sort_key = text(f"ORDER#{sale.sort_key}"), text(sale.sort_key)
        row.attrs = {**model.attrs, "sk": row.range_key, "sortKey": sort_key}
        rows[row.range_key] = row


def partition(table: str, key: str) -> Any:
    """Moto's rows of a partition, by their sort keys."""
    return dynamodb_backends[DEFAULT_ACCOUNT_ID]["ap-south-1"].tables[table].items[text(key)]


def text(value: str) -> DynamoType:
    return DynamoType({"S": value})


class Reads:
    """DynamoDB calls and the number of items that they read, whether returned or not."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.items = 0

    def note(self, model: Any, parsed: Any, **_: Any) -> None:
        self.calls[model.name] += 1
        self.items += (
            parsed.get("ScannedCount", 0)
            + int("Item" in parsed)
            + sum(len(found) for found in parsed.get("Responses", {}).values())
        )


@contextmanager
def counting() -> Iterator[Reads]:
    reads = Reads()
    events = database().client.meta.events
    events.register("after-call.dynamodb", reads.note)
    try:
        yield reads
    finally:
        events.unregister("after-call.dynamodb", reads.note)


def reads_of(caller: Caller, orders: int) -> Reads:
    headers = bearer(caller)
    with counting() as reads:
        reply = call(get_seller_metrics, query=NOVEMBER, headers=headers)
    assert reply.body["orders"] == orders
    assert len(reply.body["topProducts"]) == 5
    return reads


@pytest.mark.long
@pytest.mark.usefixtures("aws")
def test_metrics_read_the_parts_of_the_days_for_fifty_thousand_orders_as_for_a_hundred() -> None:
    small, large = a_caller(Role.SELLER), a_caller(Role.SELLER)
    for caller, orders in ((small, FEW), (large, MANY)):
        sell(orders, caller.user_id)
    few, many = reads_of(small, FEW), reads_of(large, MANY)
    assert few.items <= many.items
    assert many.calls == few.calls
    # the session, the parts of the days, the titles of the top products, and those with low stock
    assert many.items == 1 + DAYS * (ORDER_PARTS + PRODUCTS_A_DAY) + 5 + LOW_STOCK_LIMIT
