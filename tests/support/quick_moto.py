"""Faster implementations of parts of moto, with the same results."""

from collections import defaultdict
from copy import copy, deepcopy
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from moto.core.model import Shape
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table


def speed_up(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(SERVICE_SPECIFIC_SERIALIZERS, "dynamodb", {"json": DynamoSerializer})
    patch.setattr(models.DynamoDBBackend, "transact_write_items", transact_write_items)
    patch.setattr(Table, "all_items", all_items)
    patch.setattr(SigV4Auth, "add_auth", add_credential_only)


def add_credential_only(auth: Any, request: AWSRequest) -> None:
    """Moto reads the key and the region, and checks no signature."""
    credential = f"{auth.credentials.access_key}/20261122/{auth._region_name}/{auth._service_name}"
    request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}/aws4_request"


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
    """Takes the place of the module `copy` during a transaction.

    A copy of a table shares the items. Moto replaces them, except in an update: that copies the
    item and changes the original, so the copied table gets the copied item.
    """

    def __init__(self) -> None:
        self._copies: dict[str, Table] = {}

    def deepcopy(self, value: Any) -> Any:
        if isinstance(value, Table):
            if value.name not in self._copies:
                self._copies[value.name] = _copy_of(value)
            return self._copies[value.name]
        copied = deepcopy(value)
        if isinstance(value, Item):
            for table in self._copies.values():
                _replace(value, copied, table)
        return copied


def _copy_of(table: Table) -> Table:
    copied = copy(table)
    items: dict[Any, Any] = table.items  # without a sort key, they are no dictionaries of items
    copied.items = defaultdict(dict)
    for key, found in items.items():
        copied.items[key] = found.copy() if isinstance(found, dict) else found
    if table.stream_shard:
        copied.stream_shard = copy(table.stream_shard)
        copied.stream_shard.table = copied
        copied.stream_shard.items = list(table.stream_shard.items)
    return copied


def _replace(item: Item, other: Item, table: Table) -> None:
    items: dict[Any, Any] = table.items
    found = items.get(item.hash_key)
    if found is item:
        items[item.hash_key] = other
    elif isinstance(found, dict) and found.get(item.range_key) is item:
        found[item.range_key] = other


def all_items(table: Table) -> list[Item]:
    """In the order of their keys. Moto parses two keys for each comparison of two items."""
    partitions = table.items.values()
    if table.range_key_attr:
        return sorted((item for items in partitions for item in items.values()), key=_place)
    return sorted(partitions, key=_place)  # type: ignore[arg-type]


def _place(item: Item) -> tuple[Any, ...]:
    return item.hash_key.cast_value, item.range_key.cast_value if item.range_key else ""
