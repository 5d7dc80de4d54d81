"""The stream Lambda of the outbox, from a batch of changes to deleted rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from outbox.streams import relay_outbox
from supermarket.clock import iso, utc_now
from supermarket.dynamo.outbox import OutboxRow
from supermarket.streams import BatchFailed
from support.outbox import InMemoryBus

Emit = Callable[[int], list[OutboxRow]]
Metrics = Callable[[], dict[str, list[float]]]


def stream_batch(rows: list[OutboxRow]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventName": "INSERT",
                "dynamodb": {"SequenceNumber": f"{number:03}", "NewImage": row.to_dynamodb_dict()},
            }
            for number, row in enumerate(rows)
        ]
    }


def test_events_are_sent_and_then_deleted_from_the_outbox(bus: InMemoryBus, emit: Emit) -> None:
    rows = emit(13)
    assert relay_outbox(stream_batch(rows), None) == {"batchItemFailures": []}
    assert [len(call) for call in bus.calls] == [10, 3]
    assert list(OutboxRow.scan()) == []


def test_a_throttled_event_is_reported_by_its_sequence_number_and_kept(
    bus: InMemoryBus, emit: Emit
) -> None:
    rows = emit(3)
    bus.throttled = {rows[1].event_id}
    response = relay_outbox(stream_batch(rows), None)
    assert response == {"batchItemFailures": [{"itemIdentifier": "001"}]}
    assert [row.event_id for row in OutboxRow.scan()] == [rows[1].event_id]


def test_a_batch_without_any_accepted_event_fails_and_is_kept(bus: InMemoryBus, emit: Emit) -> None:
    rows = emit(2)
    bus.throttled = {row.event_id for row in rows}
    with pytest.raises(BatchFailed):
        relay_outbox(stream_batch(rows), None)
    assert {row.event_id for row in OutboxRow.scan()} == bus.throttled


def test_an_event_that_can_never_be_sent_does_not_block_the_stream_and_is_kept(
    bus: InMemoryBus, emit: Emit
) -> None:
    rows = emit(3)
    bus.malformed = {rows[1].event_id}
    assert relay_outbox(stream_batch(rows), None) == {"batchItemFailures": []}
    assert [row.event_id for row in OutboxRow.scan()] == [rows[1].event_id]


def test_the_relay_measures_the_age_of_the_oldest_event(
    bus: InMemoryBus, emit: Emit, metrics: Metrics
) -> None:
    [row] = emit(1)
    row.occurred_at = iso(utc_now() - timedelta(minutes=3))
    relay_outbox(stream_batch([row]), None)
    assert 179 < metrics()["RelayLag"][0] < 200


def test_deletions_in_the_stream_are_ignored(bus: InMemoryBus) -> None:
    removed = {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "9"}}
    assert relay_outbox({"Records": [removed]}, None) == {"batchItemFailures": []}
    assert bus.calls == []
