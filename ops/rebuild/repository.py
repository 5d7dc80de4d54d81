"""The lease of a rebuild, and the rows that it deletes, in DynamoDB."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import batched
from typing import Any

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from ops.rebuild.checksum import Item
from ops.rebuild.service import LeaseLost
from seller_dashboard.reports.repository import RebuildRow, no_rebuild_runs
from supermarket.clock import Clock
from supermarket.config import table_name
from supermarket.dynamo.rows import database
from supermarket.dynamo.writes import update_if
from supermarket.errors import Conflict, Unavailable

LEASE_DURATION = timedelta(minutes=5)  # longer than Lambda takes to enable or disable a mapping
SALES = "sales"
DELETE_BATCH_SIZE = 25  # DynamoDB's limit


class DynamoLease:
    """`Lease` in DynamoDB; `holder` is the id of this rebuild."""

    def __init__(self, clock: Clock, holder: str) -> None:
        self._clock = clock
        self._holder = holder
        self._renewed_at = clock()

    def acquire(self) -> None:
        if not self._update(no_rebuild_runs(self._clock()), RebuildRow.holder.set(self._holder)):
            minutes = LEASE_DURATION.total_seconds() / 60
            wait = f"If it was killed, start again in {minutes:.0f} minutes"
            raise Conflict(f"Another rebuild is running. {wait}")

    def renew(self) -> None:
        if self._clock() - self._renewed_at >= LEASE_DURATION / 10:
            self._update_own()

    def mark_incomplete(self) -> None:
        self._update_own(RebuildRow.incomplete.set(True))

    def mark_complete(self) -> None:
        self._update_own(RebuildRow.incomplete.remove())

    def release(self) -> None:
        self._update(RebuildRow.holder == self._holder, duration=timedelta())

    def _update_own(self, *actions: Action) -> None:
        if not self._update(RebuildRow.holder == self._holder, *actions):
            raise LeaseLost("The lease expired, and another rebuild has begun")

    def _update(
        self, condition: Condition, *actions: Action, duration: timedelta = LEASE_DURATION
    ) -> bool:
        now = self._clock()
        end = RebuildRow.ends_at.set(int((now + duration).timestamp()))
        try:
            is_held = update_if(RebuildRow(), [*actions, end], condition)
        except UpdateError as failure:
            raise Unavailable(f"The database does not respond: {failure}") from failure
        if is_held:
            self._renewed_at = now
        return is_held


class DynamoProjections:
    """`Projections`: every row of the table."""

    def rows(self) -> Iterator[Item]:
        pages = database().client.get_paginator("scan")
        for page in pages.paginate(TableName=table_name(SALES), ConsistentRead=True):
            yield from page["Items"]

    def truncate(self) -> Iterator[int]:
        client: Any = database().client
        deleted = 0
        keys = ({"pk": row["pk"], "sk": row["sk"]} for row in self.rows())
        for batch in batched(keys, DELETE_BATCH_SIZE, strict=False):
            left = {table_name(SALES): [{"DeleteRequest": {"Key": key}} for key in batch]}
            while left:
                yield deleted
                left = client.batch_write_item(RequestItems=left).get("UnprocessedItems")
            deleted += len(batch)
        yield deleted
