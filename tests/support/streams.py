"""What the streams of the tables deliver, for tests with AWS in memory."""

from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from support.cloud import REGION, STAGE


def records_of(table: str, prefix: str = "") -> list[dict[str, Any]]:
    """Return all records of a table's stream so far, in their order; with `prefix`, those whose
    sort key `part` begins with it.
    """
    stored = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[f"supermarket-{STAGE}-{table}"]
    assert stored.stream_shard is not None
    records: list[dict[str, Any]] = [each.to_json() for each in stored.stream_shard.items]
    return [
        record
        for record in records
        if record["dynamodb"]["Keys"].get("part", {"S": ""})["S"].startswith(prefix)
    ]
