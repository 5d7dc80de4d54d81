"""The Lambdas between the outbox and the bus, from a stream batch to rows that are gone."""

import json
from datetime import timedelta
from typing import Any

import pytest

from outbox import wiring
from outbox.jobs import relay_outbox, resend_unsent_events
from outbox.repository import DynamoOutbox
from outbox.service import OutboxRelay
from supermarket.clock import iso, utc_now
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.streams import BatchFailed
from support.contracts import sample_event
from support.outbox import InMemoryBus

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> InMemoryBus:
    taken = InMemoryBus()
    relay = OutboxRelay(taken, DynamoOutbox(), utc_now, lambda _: None)
    monkeypatch.setattr(wiring, "outbox_relay", lambda: relay)
    return taken


def emit(count: int) -> list[OutboxRow]:
    """Events that were written as every use case writes them."""
    for _ in range(count):
        transaction = DynamoTransaction()
        transaction.emit(sample_event("ProductCreated"))
        transaction.commit()
    return list(OutboxRow.scan())


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


def test_what_is_written_to_the_outbox_is_sent_and_then_gone(bus: InMemoryBus) -> None:
    rows = emit(13)
    assert relay_outbox(stream_batch(rows), None) == {"batchItemFailures": []}
    assert [len(call) for call in bus.calls] == [10, 3]
    assert list(OutboxRow.scan()) == []


def test_a_refused_event_is_reported_by_its_sequence_number_and_kept(bus: InMemoryBus) -> None:
    rows = emit(3)
    bus.refusing = {rows[1].event_id}
    answer = relay_outbox(stream_batch(rows), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "001"}]}
    assert [row.event_id for row in OutboxRow.scan()] == [rows[1].event_id]


def test_a_batch_that_was_refused_altogether_fails_and_is_kept(bus: InMemoryBus) -> None:
    rows = emit(2)
    bus.refusing = {row.event_id for row in rows}
    with pytest.raises(BatchFailed):
        relay_outbox(stream_batch(rows), None)
    assert {row.event_id for row in OutboxRow.scan()} == bus.refusing


def test_an_event_that_can_never_be_sent_holds_up_no_stream_and_is_kept(
    bus: InMemoryBus, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = emit(3)
    bus.malformed = {rows[1].event_id}
    assert relay_outbox(stream_batch(rows), None) == {"batchItemFailures": []}
    assert [row.event_id for row in OutboxRow.scan()] == [rows[1].event_id]
    resend_later(rows[1])
    assert metrics(capsys)["OutboxUnsendable"] == [1]


def resend_later(row: OutboxRow) -> None:
    row.update([OutboxRow.occurred_at.set("2026-01-01T00:00:00.000Z")])
    resend_unsent_events({}, None)


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """What was measured last under each name."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {
        metric["Name"]: line[metric["Name"]]
        for line in lines
        if "_aws" in line
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }


def test_the_relay_measures_how_long_the_oldest_waited(
    bus: InMemoryBus, capsys: pytest.CaptureFixture[str]
) -> None:
    [row] = emit(1)
    row.occurred_at = iso(utc_now() - timedelta(minutes=3))
    relay_outbox(stream_batch([row]), None)
    assert 179 < metrics(capsys)["RelayLag"][0] < 200


def test_deletions_in_the_stream_are_passed_over(bus: InMemoryBus) -> None:
    removed = {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "9"}}
    assert relay_outbox({"Records": [removed]}, None) == {"batchItemFailures": []}
    assert bus.calls == []


def test_an_event_that_was_not_sent_is_sent_by_the_sweep_and_the_backlog_is_measured(
    bus: InMemoryBus, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = emit(2)
    for row in rows:
        row.update([OutboxRow.occurred_at.set("2026-01-01T00:00:00.000Z")])
    resend_unsent_events({}, None)
    assert sorted(event for call in bus.calls for event in call) == sorted(r.event_id for r in rows)
    assert list(OutboxRow.scan()) == []
    measured = metrics(capsys)
    assert measured["OutboxBacklog"] == [2]
    assert measured["OutboxOldest"][0] > 24 * 3600


def test_the_sweep_leaves_a_fresh_event_to_the_stream(bus: InMemoryBus) -> None:
    rows = emit(1)
    resend_unsent_events({}, None)
    assert bus.calls == []
    assert [row.event_id for row in OutboxRow.scan()] == [rows[0].event_id]
