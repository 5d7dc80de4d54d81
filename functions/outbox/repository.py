"""The outbox in DynamoDB."""

from collections.abc import Iterable
from datetime import datetime

from outbox.model import UnsentEvent
from supermarket.clock import from_iso, iso
from supermarket.dynamo.outbox import OutboxRow

ROWS_PER_PAGE = 100
ROWS_PER_SWEEP = 2000


class DynamoOutbox:
    """`Outbox` in DynamoDB. The table contains unsent events only, so a scan of it is cheap."""

    def delete(self, event_ids: Iterable[str]) -> None:
        with OutboxRow.batch_write() as batch:
            for event_id in event_ids:
                batch.delete(OutboxRow(event_id))

    def list_older_than(self, moment: datetime) -> list[UnsentEvent]:
        rows = OutboxRow.scan(
            OutboxRow.occurred_at < iso(moment), page_size=ROWS_PER_PAGE, limit=ROWS_PER_SWEEP
        )
        return [_event(row) for row in rows]


def _event(row: OutboxRow) -> UnsentEvent:
    return UnsentEvent(
        row.event_id, row.source, row.detail_type, row.detail, from_iso(row.occurred_at)
    )
