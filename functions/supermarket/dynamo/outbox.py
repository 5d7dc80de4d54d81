"""The outbox: an event is a row in the transaction of its change, until the relay has sent it."""

from typing import Self

from pynamodb.attributes import UnicodeAttribute

from supermarket import telemetry
from supermarket.clock import iso, new_id, utc_now
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.dynamo.rows import Row, table


class OutboxRow(Row):
    """One event to send; the relay deletes the row once EventBridge has accepted the event.
    Versions of one event share its id and are separate rows.
    """

    Meta = table("outbox")

    event_id = UnicodeAttribute(hash_key=True, attr_name="eventId")
    source = UnicodeAttribute()
    detail_type = UnicodeAttribute(attr_name="detailType")
    detail = UnicodeAttribute()
    occurred_at = UnicodeAttribute(attr_name="occurredAt")

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
        return cls(
            event_id=metadata.event_id + (f".v{event.VERSION}" if event.VERSION > 1 else ""),
            source=event.SOURCE,
            detail_type=event.NAME,
            detail=envelope.model_dump_json(),
            occurred_at=iso(metadata.occurred_at),
        )
