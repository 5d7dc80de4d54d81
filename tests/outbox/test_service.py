"""The relay never loses an event; readiness waits for nobody for long."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON, FrozenClock
from outbox.model import MAX_BYTES, Refusal, UnsentEvent
from outbox.service import PAUSES_BEFORE_ANOTHER_TRY, SWEEP_AFTER, OutboxRelay, Readiness
from support.outbox import InMemoryBus, InMemoryOutbox, a_relay, an_event

IDS = [str(number) for number in range(25)]


def an_outbox(*ids: str) -> InMemoryOutbox:
    return InMemoryOutbox(an_event(event_id) for event_id in ids or IDS)


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)))
def test_what_was_refused_stays_and_what_was_sent_goes(
    throttled: set[str], malformed: set[str]
) -> None:
    outbox, bus = an_outbox(), InMemoryBus(throttled, malformed)
    refused = a_relay(bus, outbox, FrozenClock()).send(list(outbox.events.values()))
    assert refused.keys() == outbox.events.keys() == throttled | malformed
    assert {i for i, refusal in refused.items() if refusal.is_final} == malformed
    assert sorted(bus.taken) == sorted(set(IDS) - throttled - malformed)


def test_one_event_that_spoils_a_call_is_found_by_halves() -> None:
    outbox, bus = an_outbox(*"abcdefgh"), InMemoryBus(malformed={"f"})
    a_relay(bus, outbox, FrozenClock()).send(list(outbox.events.values()))
    assert ["".join(call) for call in bus.calls] == [
        "abcdefgh",
        "abcd",
        "efgh",
        "ef",
        "e",
        "f",
        "gh",
    ]
    assert bus.taken == list("abcdegh")


def test_an_event_larger_than_the_bus_takes_holds_up_nobody() -> None:
    giant = an_event("giant", "x" * (MAX_BYTES + 1))
    events = [an_event("a"), giant, an_event("b")]
    outbox, bus = InMemoryOutbox(events), InMemoryBus(malformed={"giant"})
    refused = a_relay(bus, outbox, FrozenClock()).send(events)
    assert bus.calls == [["a"], ["giant"], ["b"]]
    assert refused["giant"].is_final
    assert outbox.events == {"giant": giant}


class Throttling(InMemoryBus):
    """Has room again after some calls."""

    def __init__(self, calls: int, refusing: set[str]) -> None:
        super().__init__(refusing)
        self.left = calls

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, Refusal]:
        self.left -= 1
        if self.left < 0:
            self.refusing = set()
        return super().put(events)


def test_a_throttled_event_is_welcome_a_moment_later() -> None:
    outbox, bus = an_outbox("a", "b"), Throttling(calls=1, refusing={"b"})
    paused: list[float] = []
    relay = OutboxRelay(bus, outbox, FrozenClock(), paused.append)
    assert relay.send(list(outbox.events.values())) == {}
    assert (bus.calls, len(paused)) == ([["a", "b"], ["b"]], 1)
    assert outbox.events == {}


def test_a_bus_that_is_down_is_not_asked_for_every_chunk() -> None:
    outbox, bus = an_outbox(), InMemoryBus()
    bus.is_down = True
    refused = a_relay(bus, outbox, FrozenClock()).send(list(outbox.events.values()))
    assert refused.keys() == outbox.events.keys() == set(IDS)
    assert not any(refusal.is_final for refusal in refused.values())
    assert len(bus.calls) == 1 + len(PAUSES_BEFORE_ANOTHER_TRY)


class Killed(BaseException):
    """The process is gone: nothing after this line happens."""


class MortalBus(InMemoryBus):
    """Fails every second entry as long as it is in trouble, and the process dies in some calls."""

    def __init__(self, deaths: Iterator[str]) -> None:
        super().__init__()
        self.deaths = deaths
        self.entries = count()

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, Refusal]:
        death = next(self.deaths, "")
        if death == "before":
            raise Killed
        self.refusing = {event.id for event in events if next(self.entries) % 2}
        refused = super().put(events)
        if death == "after":
            raise Killed
        return refused


@given(
    st.integers(1, 60),
    st.integers(1, 25),
    st.lists(st.sampled_from(["before", "after", "no"]), max_size=12),
)
def test_a_relay_that_is_killed_anywhere_over_a_failing_bus_loses_nothing(
    events: int, batch: int, deaths: list[str]
) -> None:
    ids = [str(number) for number in range(events)]
    outbox, clock = an_outbox(*ids), FrozenClock()
    bus = MortalBus(iter(deaths))
    relay = a_relay(bus, outbox, clock)
    stream = [outbox.events[event_id] for event_id in ids]
    for start in range(0, events, batch):
        with suppress(Killed):  # the stream gives up at once: the worst it can do
            relay.send(stream[start : start + batch])
    clock.advance(SWEEP_AFTER + timedelta(days=1))
    for _ in range(len(deaths) + 20):
        settled = {i: bus.taken.count(i) for i in ids if i not in outbox.events}
        with suppress(Killed):
            relay.resend()
        assert all(bus.taken.count(i) == times for i, times in settled.items())
    assert set(bus.taken) == set(ids)
    assert outbox.events == {}


def test_a_relay_that_dies_before_discarding_leaves_the_event_for_another_try() -> None:
    class Dying(InMemoryOutbox):
        def discard(self, event_ids: object) -> None:
            raise ConnectionError("the machine is gone")

    outbox = Dying([an_event("a")])
    with pytest.raises(ConnectionError):
        a_relay(InMemoryBus(), outbox, FrozenClock()).send([an_event("a")])
    assert outbox.waiting_since(NOON) == [an_event("a")]


def at(moment: datetime, event_id: str = "a") -> InMemoryOutbox:
    return InMemoryOutbox([an_event(event_id, occurred_at=moment)])


def test_a_sweep_sends_what_the_stream_left_behind() -> None:
    outbox, bus = at(NOON - SWEEP_AFTER - timedelta(seconds=1)), InMemoryBus()
    backlog = a_relay(bus, outbox, FrozenClock()).resend()
    assert (backlog.found, backlog.failed) == (1, 0)
    assert bus.calls == [["a"]]
    assert outbox.events == {}


def test_a_sweep_leaves_the_newest_to_the_stream() -> None:
    outbox, bus = at(NOON - SWEEP_AFTER + timedelta(seconds=1)), InMemoryBus()
    backlog = a_relay(bus, outbox, FrozenClock()).resend()
    assert (backlog.found, backlog.age_in_seconds(NOON), bus.calls) == (0, 0, [])
    assert outbox.events.keys() == {"a"}


def test_a_sweep_tells_how_old_the_oldest_is_and_what_failed() -> None:
    moments = {"a": NOON - timedelta(hours=2), "b": NOON - timedelta(hours=5)}
    outbox = InMemoryOutbox(an_event(i, occurred_at=moment) for i, moment in moments.items())
    backlog = a_relay(InMemoryBus(malformed={"b"}), outbox, FrozenClock()).resend()
    assert (backlog.found, backlog.failed, backlog.unsendable) == (2, 1, 1)
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
