"""Counts DynamoDB's calls, read units and write units.

The sizes are those that DynamoDB documents, of the items that the project's own code stores in
moto; the keys, indexes and projections are those of the template.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from math import ceil
from threading import Lock
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from support.cloud import REGION, STAGE
from support.template import resources

KILOBYTE = 1024
READ_BLOCK = 4 * KILOBYTE
TRANSACTION = 2  # write units per kilobyte, of a write outside of a transaction 1
EVENTUALLY = 0.5  # read units per block, of a strongly consistent read 1
OVERHEAD = 3  # bytes of a list or a map
DATE = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+Z?)?")
NUMBER = re.compile(r"\b\d+$")
OWN = re.compile(r"[0-9A-Za-z]{26}|@|_\d{14}")  # the key of one person, order or payment

type Item = Mapping[str, Any]
type Call = Any
"""Botocore's `_make_api_call`: takes an operation's name and its parameters."""


@dataclass
class Units:
    """What a flow takes. `queried` are those of `reads` that queries take, which read one partition
    each, `index_writes` those of `writes` that indexes take, and `other_calls` the calls of other
    services than DynamoDB. `by_key` has the write units of each partition key that many flows
    share, such as `outbox byAge <n>`.
    """

    calls: int = 0
    other_calls: int = 0
    reads: float = 0
    queried: float = 0
    writes: int = 0
    index_writes: int = 0
    by_key: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Units") -> "Units":
        return Units(
            self.calls + other.calls,
            self.other_calls + other.other_calls,
            self.reads + other.reads,
            self.queried + other.queried,
            self.writes + other.writes,
            self.index_writes + other.index_writes,
            self.by_key + other.by_key,
        )

    def add_writes(self, units: int, partition: str, key: str, *, is_index: bool = False) -> None:
        """Add write units of a partition of a table or an index."""
        self.writes += units
        self.index_writes += units if is_index else 0
        shared = NUMBER.sub("<n>", DATE.sub("<date>", key))
        if not OWN.search(shared):
            self.by_key[f"{partition} {shared}"] += units


@dataclass(frozen=True)
class Write:
    """One write of a call; `is_check` changes nothing."""

    table: str
    key: Item
    per_kilobyte: int = 1
    is_check: bool = False


@contextmanager
def counting() -> Iterator[Units]:
    """Count what the calls inside the block take."""
    units, make_call = Units(), vars(BaseClient)["_make_api_call"]

    def count(client: BaseClient, name: str, params: dict[str, Any]) -> Any:
        call = partial(make_call, client)
        if client.meta.service_model.service_name != "dynamodb":
            units.other_calls += 1
            return call(name, params)
        return _count(units, call, name, params)

    with patch.object(BaseClient, "_make_api_call", count):
        yield units


def item_size(item: Item) -> int:
    """Return an item's bytes, as DynamoDB counts them."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        digits: str = content.lstrip("-").replace(".", "").strip("0")
        return ceil(len(digits) / 2) + 1 + int(content.startswith("-"))
    if kind in {"SS", "NS"}:
        return sum(_value_size({kind[0]: each}) for each in content)
    if kind == "M":
        return OVERHEAD + item_size(content) + len(content)
    if kind == "L":
        return OVERHEAD + sum(1 + _value_size(each) for each in content)
    return len(content) if kind == "B" else 1  # BOOL and NULL


_one_at_a_time = Lock()  # some calls are made on threads


def _count(units: Units, call: Call, name: str, params: dict[str, Any]) -> Any:
    with _one_at_a_time:
        return _counted(units, call, name, params)


def _counted(units: Units, call: Call, name: str, params: dict[str, Any]) -> Any:
    units.calls += 1
    writes = _writes(name, params)
    before = [_item(write) for write in writes]
    answer = call(name, params)
    for write, old in zip(writes, before, strict=True):
        new = old if write.is_check else _item(write)
        name_of_table = write.table.removeprefix(f"supermarket-{STAGE}-")
        size = max(item_size(old), item_size(new))
        key = write.key[_keys()[write.table][0]]["S"]
        units.add_writes(write.per_kilobyte * _kilobytes(size), name_of_table, key)
        for index in _indexes()[write.table]:
            for in_index, key in index.writes(old, new):
                units.add_writes(in_index, f"{name_of_table} {index.name}", key, is_index=True)
    reads = _reads(name, params, answer)
    units.reads += reads
    units.queried += reads if name == "Query" else 0
    return answer


def _item(write: Write) -> Item:
    """Return the row as it is stored in moto; empty when there is none."""
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[write.table]
    hash_key, *others = (DynamoType(write.key[name]) for name in _keys()[write.table])
    row = table.get_item(hash_key, others[0] if others else None)
    found: Item = row.to_json()["Attributes"] if row else {}
    return found


def _writes(name: str, params: dict[str, Any]) -> list[Write]:
    if name == "TransactWriteItems":
        return [
            Write(each["TableName"], _key(each), TRANSACTION, kind == "ConditionCheck")
            for item in params["TransactItems"]
            for kind, each in item.items()
        ]
    if name == "BatchWriteItem":
        return [
            Write(table, _key({"TableName": table, **each}))
            for table, requests in params["RequestItems"].items()
            for request in requests
            for each in request.values()
        ]
    if name in {"PutItem", "UpdateItem", "DeleteItem"}:
        return [Write(params["TableName"], _key(params))]
    return []


def _key(write: Mapping[str, Any]) -> Item:
    if "Key" in write:
        key: Item = write["Key"]
        return key
    return {name: write["Item"][name] for name in _keys()[write["TableName"]]}


def _reads(name: str, params: dict[str, Any], answer: dict[str, Any]) -> float:
    if name == "GetItem":
        return _read_units([answer.get("Item", {})], consistent=params.get("ConsistentRead", False))
    if name == "BatchGetItem":
        return sum(
            _read_units(
                [*answer["Responses"][table], *[{}] * _missing(wanted, answer["Responses"][table])],
                consistent=wanted.get("ConsistentRead", False),
            )
            for table, wanted in params["RequestItems"].items()
        )
    if name in {"Query", "Scan"}:
        # DynamoDB adds up what it looks at, also what a filter leaves out
        found = answer["Items"]
        seen: float = sum(map(item_size, found)) * answer["ScannedCount"] / max(1, len(found))
        per_block: float = 1 if params.get("ConsistentRead") else EVENTUALLY
        return per_block * max(1, ceil(seen / READ_BLOCK))
    return 0


def _missing(wanted: Mapping[str, Any], found: list[Item]) -> int:
    return len(wanted["Keys"]) - len(found)


def _read_units(items: list[Item], *, consistent: bool) -> float:
    blocks = sum(max(1, ceil(item_size(item) / READ_BLOCK)) for item in items)
    return blocks if consistent else EVENTUALLY * blocks


def _kilobytes(size: int) -> int:
    return max(1, ceil(size / KILOBYTE))


@dataclass(frozen=True)
class Index:
    """An index; `attributes` are those that it has, None for all."""

    name: str
    keys: tuple[str, ...]
    attributes: frozenset[str] | None

    def writes(self, old: Item, new: Item) -> Iterator[tuple[int, str]]:
        """Yield the write units of a change with their partition keys: none when nothing in the
        index changes, two writes when its keys change.
        """
        before, after = self._projected(old), self._projected(new)
        if before == after:
            return
        if [before.get(key) for key in self.keys] == [after.get(key) for key in self.keys]:
            yield _kilobytes(max(item_size(before), item_size(after))), self._partition(after)
        else:
            for item in filter(None, (before, after)):
                yield _kilobytes(item_size(item)), self._partition(item)

    def _partition(self, item: Item) -> str:
        return str(item[self.keys[0]]["S"])

    def _projected(self, item: Item) -> Item:
        if not set(self.keys) <= item.keys():
            return {}
        if self.attributes is None:
            return item
        return {name: value for name, value in item.items() if name in self.attributes}


@cache
def _keys() -> Mapping[str, list[str]]:
    return {
        name: [each["AttributeName"] for each in table["KeySchema"]]
        for name, table in _tables().items()
    }


@cache
def _indexes() -> Mapping[str, list[Index]]:
    return {
        name: [_index(table["KeySchema"], each) for each in table.get("GlobalSecondaryIndexes", ())]
        for name, table in _tables().items()
    }


def _index(own: list[dict[str, str]], index: Mapping[str, Any]) -> Index:
    keys = tuple(each["AttributeName"] for each in index["KeySchema"])
    projection = index["Projection"]
    if projection["ProjectionType"] == "ALL":
        return Index(index["IndexName"], keys, None)
    table_keys = (each["AttributeName"] for each in own)
    others = projection.get("NonKeyAttributes", ())
    return Index(index["IndexName"], keys, frozenset((*keys, *table_keys, *others)))


def _tables() -> Mapping[str, Any]:
    return {
        table["TableName"]["Fn::Sub"].replace("${Stage}", STAGE): table
        for table in resources("AWS::DynamoDB::Table").values()
    }
