"""What a sold line costs: write units, counted from the rows that the project's own code writes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from inventory.model import StockRequest
from inventory.wiring import inventory_service
from product import streams, wiring
from product.model import Draft, Image, Product
from product.service import ProductService
from supermarket.caller import Role
from supermarket.clock import new_id
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.money import Currency, Money
from support.api import a_caller
from support.product import InMemoryPictures
from support.streams import records_of

KILOBYTE = 1024
TRANSACTION, SINGLE = 2, 1  # write units per kilobyte
READS = {"BatchGetItem", "GetItem", "Query"}
SMALL = Draft("Tea", Money(100, Currency.INR), stock=5)
LARGE = replace(
    SMALL,
    title="न" * 120,
    description="न" * 2000,
    category="ç" * 60,
    low_stock_threshold=1,
    price=Money(999_999_999, Currency.USD),
)


@pytest.fixture
def catalogue(aws: None) -> ProductService:
    return replace(wiring.product_service(), pictures=InMemoryPictures())


@contextmanager
def counting_writes() -> Iterator[list[dict[str, Any]]]:
    """Collect the parameters of all calls that write."""
    writes: list[dict[str, Any]] = []

    def save(params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name not in READS:
            writes.append(params)

    events = database().client.meta.events
    events.register("provide-client-params.dynamodb", save)
    try:
        yield writes
    finally:
        events.unregister("provide-client-params.dynamodb", save)


def sell(product: Product, order_id: str) -> None:
    request = StockRequest(product.id, product.price, 1)
    inventory_service().commit_reserving(order_id, [request], DynamoTransaction)


def ship(order_id: str) -> None:
    transaction = DynamoTransaction()
    inventory_service().ship(order_id, transaction)
    transaction.commit()


def deliver(start: int) -> None:
    """Deliver the changes of buckets since the record with this number."""
    batch = {"Records": records_of("inventory", "bucket#")[start:]}
    assert streams.watch_stock(batch, None) == {"batchItemFailures": []}


def units(record: dict[str, Any], per_kilobyte: int) -> int:
    """Return the write units of a record: DynamoDB counts the larger of both images."""
    change = record["dynamodb"]
    images = [change[name] for name in ("OldImage", "NewImage") if name in change]
    return per_kilobyte * ceil(max(map(size, images)) / KILOBYTE)


def size(image: dict[str, Any]) -> int:
    """Return at least the bytes that DynamoDB counts for an item."""
    return len(json.dumps(image, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("draft", "splits"),
    [(SMALL, 0), (LARGE, 0), (replace(LARGE, stock=64, low_stock_threshold=None), 1)],
    ids=["small", "large", "split"],
)
def test_a_sold_line_costs_at_most_seven_write_units(
    catalogue: ProductService, draft: Draft, splits: int
) -> None:
    product = catalogue.create(draft, [], a_caller(Role.SELLER))
    for _ in range(splits):
        assert inventory_service().split(product.id)
    order_id = new_id()
    before, changes = len(records_of("inventory")), len(records_of("inventory", "bucket#"))
    sell(product, order_id)
    deliver(start=changes)
    ship(order_id)
    deliver(start=changes + 1)
    records = records_of("inventory")[before:]
    kinds = {
        kind: [each for each in records if part(each).startswith(kind)]
        for kind in ("bucket#", "movement#", "reservation", "total")
    }
    assert [len(each) for each in kinds.values()] == [2, 2, 2, splits]
    line = sum(units(each, TRANSACTION) for each in kinds["bucket#"])
    line += sum(units(each, SINGLE) for each in kinds["movement#"] + kinds["total"])
    assert line <= 7


def test_the_reservation_of_an_order_costs_less_than_a_write_unit_per_line(
    catalogue: ProductService,
) -> None:
    seller = a_caller(Role.SELLER)
    products = [catalogue.create(SMALL, [], seller) for _ in range(48)]
    requests = [StockRequest(product.id, product.price, 1) for product in products]
    order_id = new_id()
    inventory_service().commit_reserving(order_id, requests, DynamoTransaction)
    (record,) = records_of("inventory", "reservation")
    assert 2 * units(record, TRANSACTION) < len(requests)  # stored once, removed once


@pytest.mark.parametrize("images", [0, 5])
def test_a_sale_from_five_to_four_writes_nothing_to_the_products(
    catalogue: ProductService, images: int
) -> None:
    product = catalogue.create(LARGE, [], a_caller(Role.SELLER))
    _give_images(product, images)
    deliver(start=0)
    order_id = new_id()
    with counting_writes() as writes:
        sell(product, order_id)
        deliver(start=1)
        ship(order_id)
        deliver(start=2)
    assert len(writes) == 4  # two transactions, and two batches of movements
    assert "supermarket-test-inventory" in json.dumps(writes, default=str)
    assert "supermarket-test-product" not in json.dumps(writes, default=str)
    assert "supermarket-test-outbox" not in json.dumps(writes, default=str)
    assert catalogue.get_product(product.id).stock == 4


def test_the_last_sale_writes_to_the_product(catalogue: ProductService) -> None:
    product = catalogue.create(replace(SMALL, stock=1), [], a_caller(Role.SELLER))
    deliver(start=0)
    with counting_writes() as writes:
        sell(product, new_id())
        deliver(start=1)
    assert "supermarket-test-product" in json.dumps(writes, default=str)


def part(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["Keys"]["part"]["S"])


def _give_images(product: Product, number: int) -> None:
    images = tuple(
        Image(f"https://i/{n}" * 20, f"https://t/{n}" * 20, str(n)) for n in range(number)
    )
    transaction = DynamoTransaction()
    after = replace(product, images=images, revision=product.revision + 1)
    wiring.product_service().products.change(product, after, transaction)
    transaction.commit()
