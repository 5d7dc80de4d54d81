"""The Lambdas that move events from the outbox to the bus: one reads the outbox's stream, the other
sweeps up on a schedule what the stream missed.
"""

from collections.abc import Collection, Sequence

from aws_lambda_powertools.metrics import MetricUnit

from outbox import wiring
from outbox.model import Refusals, UnsentEvent, age_in_seconds
from supermarket import telemetry
from supermarket.clock import from_iso, new_id, utc_now
from supermarket.init_phase import prepare
from supermarket.streams import Change, Image, stream


@stream
def relay_outbox(changes: Sequence[Change]) -> Collection[Change]:
    """Send new outbox rows to the bus; returns those to retry.

    An event that can never be sent is not retried here, where it would block those behind it: it
    stays in the outbox, where the sweep counts it and an alarm reports it.
    """
    # the template's filter passes inserts only; a deletion has no image to send
    events = {
        change.sequence_number: _event(change.after)
        for change in changes
        if change.kind == "INSERT" and change.after
    }
    refused = wiring.outbox_relay().send(events.values())
    _log(refused)
    oldest = min((event.occurred_at for event in events.values()), default=None)
    telemetry.measure("RelayLag", age_in_seconds(oldest, utc_now()), MetricUnit.Seconds)
    telemetry.count("EventsRelayed", len(events) - len(refused))
    retried = {number for number, event in events.items() if _may_be_sent_later(event, refused)}
    return [change for change in changes if change.sequence_number in retried]


def resend_unsent_events(_schedule: object, _context: object) -> None:
    """Runs every few minutes; alarms on these metrics tell when the stream is in trouble."""
    telemetry.begin(new_id(), job="outbox.resend_unsent_events")
    backlog = wiring.outbox_relay().resend()
    telemetry.measure("OutboxBacklog", backlog.found, MetricUnit.Count)
    telemetry.measure("OutboxOldest", backlog.age_in_seconds(utc_now()), MetricUnit.Seconds)
    telemetry.measure("OutboxUnsendable", backlog.unsendable, MetricUnit.Count)
    telemetry.logger.info("swept", extra={"found": backlog.found, "failed": backlog.failed})


def _log(refused: Refusals) -> None:
    for event_id, refusal in refused.items():
        details = {"event_id": event_id, "reason": refusal.reason, "is_final": refusal.is_final}
        telemetry.logger.error("event not sent", extra=details)


def _may_be_sent_later(event: UnsentEvent, refused: Refusals) -> bool:
    return event.id in refused and not refused[event.id].is_final


def _event(image: Image) -> UnsentEvent:
    return UnsentEvent(
        id=image["eventId"]["S"],
        source=image["source"]["S"],
        detail_type=image["detailType"]["S"],
        detail=image["detail"]["S"],
        occurred_at=from_iso(image["occurredAt"]["S"]),
    )


prepare(__name__)
