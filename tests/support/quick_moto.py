"""Faster implementations of parts of moto, with the same results."""

from copy import deepcopy
from typing import Any

import pytest
from moto.core.model import Shape
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table


def speed_up(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(SERVICE_SPECIFIC_SERIALIZERS, "dynamodb", {"json": DynamoSerializer})
    patch.setattr(models.DynamoDBBackend, "transact_write_items", transact_write_items)
    patch.setattr(Table, "all_items", all_items)


class DynamoSerializer(JSONSerializer):
    """Writes the members that a response has. Moto looks for each that it might have, and for
    several spellings of each.
    """

    def _serialize_structure_member(
        self, serialized: Any, value: Any, shape: Shape, key: str
    ) -> None:
        if not isinstance(value, dict) or key in value:
            super()._serialize_structure_member(serialized, value, shape, key)


_transact_write_items = models.DynamoDBBackend.transact_write_items


def transact_write_items(backend: models.DynamoDBBackend, items: list[dict[str, Any]]) -> None:
    """Moto copies a table for each write to it, to put it back if the transaction fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "copy", OneCopyOfEachTable())
        _transact_write_items(backend, items)


class OneCopyOfEachTable:
    """Takes the place of the module `copy` during a transaction."""

    def __init__(self) -> None:
        self._copies: dict[str, Table] = {}

    def deepcopy(self, value: Any) -> Any:
        if not isinstance(value, Table):
            return deepcopy(value)
        if value.name not in self._copies:
            self._copies[value.name] = deepcopy(value)
        return self._copies[value.name]


def all_items(table: Table) -> list[Item]:
    """In the order of their keys. Moto parses two keys for each comparison of two items."""
    partitions = table.items.values()
    if table.range_key_attr:
        return sorted((item for items in partitions for item in items.values()), key=_place)
    return sorted(partitions, key=_place)  # type: ignore[arg-type]


def _place(item: Item) -> tuple[Any, ...]:
    return item.hash_key.cast_value, item.range_key.cast_value if item.range_key else ""
