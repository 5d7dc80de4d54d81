"""The relay never loses an event; readiness waits for nobody for long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from operations.service import SWEEP_AFTER, OutboxRelay, Readiness
from support.operations import InMemoryBus, InMemoryOutbox, an_event

IDS = [str(number) for number in range(25)]


@given(st.sets(st.sampled_from(IDS)))
def test_what_was_refused_stays_and_what_was_sent_goes(refused: set[str]) -> None:
    outbox = InMemoryOutbox(an_event(event_id) for event_id in IDS)
    relay = OutboxRelay(InMemoryBus(refused), outbox, FrozenClock())
    assert relay.send(list(outbox.events.values())).keys() == refused
    assert outbox.events.keys() == refused


def test_a_relay_that_dies_before_discarding_leaves_the_event_for_another_try() -> None:
    class Dying(InMemoryOutbox):
        def discard(self, event_ids: object) -> None:
            raise ConnectionError("the machine is gone")

    outbox = Dying([an_event("a")])
    with pytest.raises(ConnectionError):
        OutboxRelay(InMemoryBus(), outbox, FrozenClock()).send([an_event("a")])
    assert outbox.waiting_since(NOON) == [an_event("a")]


def at(moment: datetime, event_id: str = "a") -> InMemoryOutbox:
    return InMemoryOutbox([an_event(event_id, occurred_at=moment)])


def test_a_sweep_sends_what_the_stream_left_behind() -> None:
    outbox, bus = at(NOON - SWEEP_AFTER - timedelta(seconds=1)), InMemoryBus()
    backlog = OutboxRelay(bus, outbox, FrozenClock()).resend()
    assert (backlog.found, backlog.failed) == (1, 0)
    assert bus.calls == [["a"]]
    assert outbox.events == {}


def test_a_sweep_leaves_the_newest_to_the_stream() -> None:
    outbox, bus = at(NOON - SWEEP_AFTER + timedelta(seconds=1)), InMemoryBus()
    backlog = OutboxRelay(bus, outbox, FrozenClock()).resend()
    assert (backlog.found, backlog.age_in_seconds(NOON), bus.calls) == (0, 0, [])
    assert outbox.events.keys() == {"a"}


def test_a_sweep_tells_how_old_the_oldest_is_and_what_failed() -> None:
    moments = {"a": NOON - timedelta(hours=2), "b": NOON - timedelta(hours=5)}
    outbox = InMemoryOutbox(an_event(i, occurred_at=moment) for i, moment in moments.items())
    backlog = OutboxRelay(InMemoryBus({"b"}), outbox, FrozenClock()).resend()
    assert (backlog.found, backlog.failed) == (2, 1)
    assert backlog.age_in_seconds(NOON) == 5 * 3600
    assert outbox.events.keys() == {"b"}


def fails() -> None:
    raise ConnectionError("nobody there")


def test_readiness_names_each_dependency_and_whether_it_answers() -> None:
    with ThreadPoolExecutor(2) as executor:
        found = Readiness({"good": lambda: None, "bad": fails}, executor).check()
    assert [(one.name, one.ok) for one in found] == [("good", True), ("bad", False)]
    assert "nobody there" in str(found[1].fault)


def test_dependencies_are_asked_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet() -> None:
        meeting.wait()

    probes = dict.fromkeys("abc", meet)
    with ThreadPoolExecutor(3) as executor:
        found = Readiness(probes, executor).check()
    assert all(one.ok for one in found)


def test_a_dependency_that_hangs_is_down() -> None:
    release = threading.Event()

    def hang() -> None:
        release.wait()

    with ThreadPoolExecutor(2) as executor:
        began = time.monotonic()
        readiness = Readiness({"hangs": hang, "good": lambda: None}, executor, patience=0.2)
        found = readiness.check()
        waited = time.monotonic() - began
        release.set()
    assert [one.ok for one in found] == [False, True]
    assert waited < 5
