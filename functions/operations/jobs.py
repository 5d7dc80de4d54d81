"""Lambdas that move events from the outbox to the bus: by its stream and, for what that missed,
by the clock.
"""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from operations import wiring
from operations.model import Refusals, UnsentEvent, age_in_seconds
from supermarket import telemetry
from supermarket.clock import from_iso, new_id, utc_now


class NothingSent(RuntimeError):
    """EventBridge took not one event of a batch: it is down, or closed to us."""


def relay_outbox(batch: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """New outbox rows in; the ones to be tried again out.

    An event that can never be sent is not tried again here, where it would hold up those behind
    it: it stays in the outbox, where the sweep finds it and an alarm tells of it. A batch of which
    nothing was taken is an error of its own, so that alarms on errors hear of it.
    """
    telemetry.begin(new_id(), job="operations.relay_outbox")
    # the template lets inserts through only; a deletion has no image to send
    inserted = [record["dynamodb"] for record in batch["Records"] if _is_insert(record)]
    events = {change["SequenceNumber"]: _event(change["NewImage"]) for change in inserted}
    refused = wiring.outbox_relay().send(events.values())
    _tell(refused)
    oldest = min((event.occurred_at for event in events.values()), default=None)
    telemetry.measure("RelayLag", age_in_seconds(oldest, utc_now()), MetricUnit.Seconds)
    telemetry.count("EventsRelayed", len(events) - len(refused))
    failures = [
        number
        for number, event in events.items()
        if event.id in refused and not refused[event.id].is_final
    ]
    if failures and len(failures) == len(events):
        raise NothingSent(f"{len(failures)} events wait for another try")
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failures]}


def resend_unsent_events(_schedule: object, _context: object) -> None:
    """Runs every few minutes; alarms on these metrics tell when the stream is in trouble."""
    telemetry.begin(new_id(), job="operations.resend_unsent_events")
    backlog = wiring.outbox_relay().resend()
    telemetry.measure("OutboxBacklog", backlog.found, MetricUnit.Count)
    telemetry.measure("OutboxOldest", backlog.age_in_seconds(utc_now()), MetricUnit.Seconds)
    telemetry.measure("OutboxUnsendable", backlog.unsendable, MetricUnit.Count)
    telemetry.logger.info("swept", extra={"found": backlog.found, "failed": backlog.failed})


def _tell(refused: Refusals) -> None:
    for event_id, refusal in refused.items():
        told = {"event_id": event_id, "reason": refusal.reason, "is_final": refusal.is_final}
        telemetry.logger.error("event not sent", extra=told)


def _is_insert(record: Mapping[str, Any]) -> bool:
    return bool(record["eventName"] == "INSERT")


def _event(image: Mapping[str, Mapping[str, str]]) -> UnsentEvent:
    return UnsentEvent(
        id=image["eventId"]["S"],
        source=image["source"]["S"],
        detail_type=image["detailType"]["S"],
        detail=image["detail"]["S"],
        occurred_at=from_iso(image["occurredAt"]["S"]),
    )
