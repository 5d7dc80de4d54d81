"""The scheduled Lambda that sends what the stream of the outbox did not."""

from collections.abc import Callable

from outbox.jobs import resend_unsent_events
from supermarket.dynamo.outbox import OutboxRow
from support.jobs import AContext
from support.outbox import InMemoryBus

Emit = Callable[[int], list[OutboxRow]]
Metrics = Callable[[], dict[str, list[float]]]


def make_old(rows: list[OutboxRow]) -> None:
    for row in rows:
        row.update([OutboxRow.occurred_at.set("2026-01-02T12:00:00.000Z")])


def test_the_sweep_sends_old_events_and_measures_the_backlog(
    bus: InMemoryBus, emit: Emit, metrics: Metrics
) -> None:
    rows = emit(2)
    make_old(rows)
    counts = resend_unsent_events({}, AContext())
    assert counts == {"sent": 2, "failed": 0, "unsendable": 0, "unfinished": 0}
    assert sorted(bus.accepted) == sorted(row.event_id for row in rows)
    assert list(OutboxRow.scan()) == []
    measured = metrics()
    assert measured["OutboxBacklog"] == [2]
    assert measured["OutboxOldest"][0] > 24 * 3600


def test_the_sweep_counts_events_that_can_never_be_sent(
    bus: InMemoryBus, emit: Emit, metrics: Metrics
) -> None:
    rows = emit(2)
    make_old(rows)
    bus.malformed = {rows[0].event_id}
    counts = resend_unsent_events({}, AContext())
    assert counts == {"sent": 1, "failed": 1, "unsendable": 1, "unfinished": 0}
    assert metrics()["OutboxUnsendable"] == [1]


def test_the_sweep_leaves_a_new_event_to_the_stream(bus: InMemoryBus, emit: Emit) -> None:
    rows = emit(1)
    resend_unsent_events({}, AContext())
    assert bus.calls == []
    assert [row.event_id for row in OutboxRow.scan()] == [rows[0].event_id]


def test_a_sweep_without_time_is_unfinished(bus: InMemoryBus, emit: Emit) -> None:
    make_old(emit(2))
    counts = resend_unsent_events({}, AContext(seconds=0))
    assert counts == {"sent": 0, "failed": 0, "unsendable": 0, "unfinished": 1}
    assert bus.calls == []


def test_the_sweep_for_a_date_leaves_later_events(bus: InMemoryBus, emit: Emit) -> None:
    make_old(emit(1))
    counts = resend_unsent_events({"date": "2026-01-01"}, AContext())
    assert counts == {"sent": 0, "failed": 0, "unsendable": 0, "unfinished": 0}
    assert resend_unsent_events({"date": "2026-01-02"}, AContext())["sent"] == 1
