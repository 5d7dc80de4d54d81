"""What lists cost: read units of the front page, and items that a list with filters reads."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import product as combinations
from math import ceil
from typing import Any

import pytest

from inventory.model import MAX_BUCKETS, Cause, MovementKind
from inventory.repository import BucketRow, TotalRow
from product import wiring
from product.model import Filters, Image, Product, Selection, Sort, category_key
from product.repository import SHARDS, DynamoProducts, ProductRow
from supermarket.dynamo.batches import put_many
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency
from support.inventory import OFFER, a_level
from support.product import a_product

FOUR_KILOBYTES = 4096
FRONT_PAGE = 20
ADDRESS = "https://ik.imagekit.io/supermarket/products/"
PICTURES = tuple(
    Image(ADDRESS.ljust(110, "x"), ADDRESS.ljust(140, "x"), str(number).zfill(24))
    for number in range(3)
)


def fill(number: int) -> None:
    """Add products with three pictures and a description of 500 characters."""
    product = a_product(description="rice " * 100, images=PICTURES)
    for position in range(number):
        transaction = DynamoTransaction()
        at = product.created_at + timedelta(seconds=position)
        new = replace(product, id=f"01JD{position:022d}", created_at=at)
        DynamoProducts().add(new, transaction)
        transaction.commit()


def units(items: Iterable[Any]) -> float:
    """Return the units of an eventually consistent read: half of one for each 4 KB."""
    return ceil(sum(size({"M": item}) for item in items) / FOUR_KILOBYTES) / 2


def size(value: dict[str, Any]) -> int:
    """Return the bytes that DynamoDB counts for a value."""
    [(kind, content)] = value.items()
    match kind:
        case "M":
            return 3 + sum(len(name) + size(each) + 1 for name, each in content.items())
        case "L":
            return 3 + sum(size(each) + 1 for each in content)
        case "N":
            return len(content) // 2 + 2
        case "S":
            return len(content.encode())
        case _:
            return 1


@pytest.mark.usefixtures("aws")
def test_shards_halve_the_load_of_a_partition_at_less_than_twice_the_cost() -> None:
    fill(60)
    answers: list[list[Any]] = []
    events = database().client.meta.events

    def save(parsed: dict[str, Any], **_: Any) -> None:
        answers.append(parsed["Items"])

    events.register("after-call.dynamodb.Query", save)
    try:
        page = DynamoProducts().page(Filters(), Sort.NEWEST, None, FRONT_PAGE)
    finally:
        events.unregister("after-call.dynamodb.Query", save)
    assert len(page.products) == FRONT_PAGE
    costs = {items[0]["shelf"]["S"]: units(items) for items in answers}
    everything = sorted((item for items in answers for item in items), key=newest, reverse=True)
    from_one_partition = units(everything[: FRONT_PAGE + 1])
    assert len(costs) == len(SHARDS) == len(answers)
    assert max(costs.values()) <= from_one_partition / 2
    assert sum(costs.values()) <= 2 * from_one_partition


def newest(item: dict[str, Any]) -> str:
    return str(item["newest"]["S"])


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("buckets", [1, MAX_BUCKETS])
def test_a_list_with_filters_reads_at_most_120_items_however_the_stock_is_split(
    buckets: int,
) -> None:
    products = [a_product(id=f"01JD{number:022d}") for number in range(130)]
    put_many(map(ProductRow.of, products))
    dearest = products[-60:]  # those that are listed
    put_many(row for product in products[:-60] for row in stock_rows(product, 1))
    put_many(row for product in dearest for row in stock_rows(product, buckets))
    read: list[int] = []

    def count(parsed: dict[str, Any], **_: Any) -> None:
        items = [len(each) for each in parsed.get("Responses", {}).values()]
        read.append(parsed.get("ScannedCount", 0) + sum(items))

    events = database().client.meta.events
    events.register("after-call.dynamodb", count)
    service = wiring.product_service()
    currency, category = Currency.INR, category_key(products[0].category)
    filters = (
        Filters(currency=currency, in_stock=True),
        Filters(currency=currency, lowest=1),
        Filters(currency=currency, category=category),
    )
    try:
        for each, sort, limit in combinations(filters, (Sort.NEWEST, Sort.DEAREST), (1, 20, 100)):
            read.clear()
            page = service.list_products(Selection(each, sort), None, limit)
            assert sum(read) <= 120, (each, sort, limit)
            assert {product.stock for product in page.products} == {buckets}
    finally:
        events.unregister("after-call.dynamodb", count)


def stock_rows(product: Product, buckets: int) -> Iterable[BucketRow | TotalRow]:
    """Return the rows of a stock with one piece in each bucket."""
    level = a_level(product.id, *[1] * buckets)
    cause = Cause(MovementKind.OPENED, "seller", product.created_at, "request")
    for bucket in level.buckets:
        number = None if bucket.number else buckets
        yield BucketRow.of(product.id, bucket, OFFER, cause, number)
    if buckets > 1:
        yield TotalRow(product.id, total=level.total)
