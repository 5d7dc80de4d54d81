"""What the front page costs: read units, counted from the items that the index returns."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Any

import pytest

from product.model import Filters, Image, Sort
from product.repository import SHARDS, DynamoProducts
from supermarket.dynamo.rows import database
from supermarket.dynamo.transaction import DynamoTransaction
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
