"""The lease of a rebuild, and the rows that it drops, in DynamoDB."""

from collections.abc import Iterator, Sequence
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

LEASE_LASTS = timedelta(minutes=5)  # longer than a listener takes to stop or to start
SALES = "sales"
DELETED_AT_ONCE = 25  # DynamoDB takes no more in a batch


class DynamoLease:
    """`Lease` in DynamoDB."""

    def __init__(self, clock: Clock, holder: str) -> None:
        self._clock = clock
        self._holder = holder
        self._said_at = clock()

    def take(self) -> None:
        mine = RebuildRow.holder.set(self._holder)
        if not self._say([mine], no_rebuild_runs(self._clock())):
            raise Conflict(
                "Another rebuild is at work. If it was killed, this one can begin "
                f"{LEASE_LASTS.total_seconds() / 60:.0f} minutes after that"
            )

    def renew(self) -> None:
        if self._clock() - self._said_at >= LEASE_LASTS / 10:
            self._own_change()

    def mark_incomplete(self) -> None:
        self._own_change(RebuildRow.incomplete.set(True))

    def mark_complete(self) -> None:
        self._own_change(RebuildRow.incomplete.remove())

    def release(self) -> None:
        self._change([RebuildRow.ends_at.set(0)], RebuildRow.holder == self._holder)

    def _own_change(self, *actions: Action) -> None:
        if not self._say(actions, RebuildRow.holder == self._holder):
            raise LeaseLost("This rebuild did not go on for so long that another one has begun")

    def _say(self, actions: Sequence[Action], condition: Condition) -> bool:
        now = self._clock()
        goes_on = RebuildRow.ends_at.set(int((now + LEASE_LASTS).timestamp()))
        if was_heard := self._change([*actions, goes_on], condition):
            self._said_at = now
        return was_heard

    def _change(self, actions: Sequence[Action], condition: Condition) -> bool:
        try:
            return update_if(RebuildRow(), actions, condition)
        except UpdateError as failure:
            raise Unavailable(f"The database does not answer: {failure}") from failure


class DynamoProjections:
    """`Projections`: every row of the table, whatever it is."""

    def rows(self) -> Iterator[Item]:
        pages = database().client.get_paginator("scan")
        for page in pages.paginate(TableName=table_name(SALES), ConsistentRead=True):
            yield from page["Items"]

    def drop(self) -> Iterator[int]:
        client: Any = database().client
        dropped = 0
        keys = ({"pk": row["pk"], "sk": row["sk"]} for row in self.rows())
        for some in batched(keys, DELETED_AT_ONCE, strict=False):
            left = {table_name(SALES): [{"DeleteRequest": {"Key": key}} for key in some]}
            while left:
                yield dropped
                answer = client.batch_write_item(RequestItems=left)
                left = answer.get("UnprocessedItems")
            dropped += len(some)
        yield dropped
