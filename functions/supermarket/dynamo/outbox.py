"""The outbox: an event is a row in the transaction of its change, until the relay has sent it."""

from typing import Self
from zlib import crc32

from pynamodb.attributes import UnicodeAttribute

from supermarket import telemetry
from supermarket.clock import iso, new_id, utc_now
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.dynamo.rows import Row, index, table

# every event is written to the index and deleted from it; one partition takes 1,000 writes a second
SHARDS = tuple(str(number) for number in range(8))


class OutboxRow(Row):
    """One event to send; the relay deletes the row once EventBridge has accepted the event.
    Versions of one event share its id and are separate rows. `shard` is one of `SHARDS`, or names
    the events that the bus never accepts.
    """

    Meta = table("outbox")

    event_id = UnicodeAttribute(hash_key=True, attr_name="eventId")
    source = UnicodeAttribute()
    detail_type = UnicodeAttribute(attr_name="detailType")
    detail = UnicodeAttribute()
    occurred_at = UnicodeAttribute(attr_name="occurredAt")
    shard = UnicodeAttribute()

    by_age = index("byAge", "shard", "occurredAt", keys_only=True)

    @classmethod
    def of(cls, event: Event, event_id: str | None = None) -> Self:
        """Return the row of `event`, with a new id unless one is given and the ids of the current
        unit of work.
        """
        metadata = Metadata(
            event_id=event_id or new_id(),
            version=event.VERSION,
            occurred_at=utc_now(),
            correlation_id=telemetry.correlation_id(),
            causation_id=telemetry.causation_id(),
        )
        envelope = Envelope(metadata=metadata, data=event.model_dump(mode="json"))
        row_id = metadata.event_id + (f".v{event.VERSION}" if event.VERSION > 1 else "")
        return cls(
            event_id=row_id,
            source=event.SOURCE,
            detail_type=event.NAME,
            detail=envelope.model_dump_json(),
            occurred_at=iso(metadata.occurred_at),
            shard=shard_of(row_id),
        )


def shard_of(event_id: str) -> str:
    """Return the part of the index by age that an event is in."""
    return SHARDS[crc32(event_id.encode()) % len(SHARDS)]
