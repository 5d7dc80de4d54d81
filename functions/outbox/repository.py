"""The outbox in DynamoDB."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched

from outbox.model import UNSENDABLE, UnsentEvent
from supermarket.clock import from_iso, iso
from supermarket.dynamo.batches import delete_many
from supermarket.dynamo.outbox import SHARDS, OutboxRow
from supermarket.dynamo.writes import update_if

EVENTS_PER_PAGE = 100


class DynamoOutbox:
    """`Outbox` in DynamoDB. Its index by age has the keys of the rows, in a few shards."""

    @property
    def shards(self) -> Sequence[str]:
        return SHARDS

    def delete(self, event_ids: Iterable[str]) -> None:
        delete_many(OutboxRow(event_id) for event_id in event_ids)

    def set_aside(self, event_id: str) -> None:
        update_if(
            OutboxRow(event_id), [OutboxRow.shard.set(UNSENDABLE)], OutboxRow.event_id.exists()
        )

    def list_older_than(self, moment: datetime, shard: str) -> Iterator[Sequence[UnsentEvent]]:
        older = OutboxRow.occurred_at < iso(moment)
        found = OutboxRow.by_age.query(shard, older, page_size=EVENTS_PER_PAGE)
        for page in batched(found, EVENTS_PER_PAGE, strict=False):
            # the index lags behind and has only the keys
            rows = OutboxRow.find_many((row.event_id,) for row in page)
            yield [_event(row) for row in sorted(rows, key=lambda row: row.occurred_at)]

    def oldest(self) -> datetime | None:
        first = (row for shard in SHARDS for row in OutboxRow.by_age.query(shard, limit=1))
        return min((from_iso(row.occurred_at) for row in first), default=None)


def _event(row: OutboxRow) -> UnsentEvent:
    return UnsentEvent(
        row.event_id, row.source, row.detail_type, row.detail, from_iso(row.occurred_at)
    )
