"""The Lambda that reads the stream of the outbox and sends its events to the bus."""

from collections.abc import Collection, Sequence

from aws_lambda_powertools.metrics import MetricUnit

from outbox import wiring
from outbox.model import UnsentEvent, age_in_seconds
from supermarket import telemetry
from supermarket.clock import from_iso, utc_now
from supermarket.init_phase import prepare
from supermarket.streams import Change, Image, StreamHandler


@StreamHandler
def relay_outbox(changes: Sequence[Change]) -> Collection[Change]:
    """Send new outbox rows to the bus; returns those to retry.

    An event that can never be sent is not retried here, where it would block those behind it: it
    stays in the outbox, apart from the others, where the sweep counts it and an alarm reports it.
    """
    # the template's filter passes inserts only; a deletion has no image to send
    events = [
        (change, _event(change.after))
        for change in changes
        if change.kind == "INSERT" and change.after
    ]
    failures = wiring.outbox_relay().send(event for _, event in events)
    for event_id, failure in failures.items():
        details = {"event_id": event_id, "reason": failure.reason, "is_final": failure.is_final}
        telemetry.logger.error("event not sent", extra=details)
    oldest = min((event.occurred_at for _, event in events), default=None)
    telemetry.measure("RelayLag", age_in_seconds(oldest, utc_now()), MetricUnit.Seconds)
    telemetry.count("EventsRelayed", len({event.id for _, event in events}) - len(failures))
    retried = {event_id for event_id, failure in failures.items() if not failure.is_final}
    return [change for change, event in events if event.id in retried]


def _event(image: Image) -> UnsentEvent:
    return UnsentEvent(
        id=image["eventId"]["S"],
        source=image["source"]["S"],
        detail_type=image["detailType"]["S"],
        detail=image["detail"]["S"],
        occurred_at=from_iso(image["occurredAt"]["S"]),
    )


prepare(__name__)
