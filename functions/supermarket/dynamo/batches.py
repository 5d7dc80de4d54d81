"""Writes of many rows without conditions, 25 in one call. What DynamoDB leaves out because it is
throttled is sent again after a pause that grows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.constants import BATCH_WRITE_ITEM, REQUEST_ITEMS

from supermarket.aws import THROTTLED, error_code
from supermarket.dynamo.rows import Row, database
from supermarket.dynamo.writes import ATTEMPTS, wait
from supermarket.errors import Unavailable

MAX_WRITES = 25  # of one BatchWriteItem

type Write = dict[str, Any]
"""`{"PutRequest": {"Item": …}}` or `{"DeleteRequest": {"Key": …}}`."""


def put_many(rows: Iterable[Row]) -> None:
    """Write rows of one table. Raises Unavailable when DynamoDB keeps leaving some out."""
    _write((row, {"PutRequest": {"Item": row.serialize()}}) for row in rows)


def delete_many(rows: Iterable[Row]) -> None:
    """Delete rows of one table by their keys. Raises Unavailable as `put_many` does."""
    _write((row, {"DeleteRequest": {"Key": _key(row)}}) for row in rows)


def _write(writes: Iterable[tuple[Row, Write]]) -> None:
    # DynamoDB rejects a call that has a row twice
    by_key = {(row.Meta.table_name, json.dumps(_key(row))): write for row, write in writes}
    for batch in batched(by_key.items(), MAX_WRITES, strict=False):
        [table] = {table for (table, _), _ in batch}
        _send(table, [write for _, write in batch])


def _send(table: str, writes: Sequence[Write]) -> None:
    for attempt in range(ATTEMPTS):
        writes = _unprocessed(table, writes)
        if not writes:
            return
        wait(attempt)
    raise Unavailable("The database is overloaded. Try again.")


def _unprocessed(table: str, writes: Sequence[Write]) -> Sequence[Write]:
    try:
        response: Mapping[str, Any] = database().dispatch(
            BATCH_WRITE_ITEM, {REQUEST_ITEMS: {table: writes}}
        )
    except ClientError as failure:
        if error_code(failure) not in THROTTLED:
            raise
        return writes
    left: Sequence[Write] = response.get("UnprocessedItems", {}).get(table, ())
    return left


def _key(row: Row) -> dict[str, Any]:
    key: dict[str, Any] = row.get_delete_kwargs_from_instance(add_version_condition=False)["Key"]
    return key
