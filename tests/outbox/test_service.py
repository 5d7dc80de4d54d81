"""The relay never loses an event; readiness waits for every dependency at the same time."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON
from outbox.model import MAX_BYTES, SendFailure, UnsentEvent, age_in_seconds
from outbox.service import (
    REMEMBERED_FOR_SECONDS,
    RETRY_PAUSES_SECONDS,
    SWEEP_AFTER,
    OutboxMonitor,
    OutboxRelay,
    Readiness,
)
from support.killing import Killed, Process
from support.outbox import InMemoryBus, InMemoryOutbox, a_relay, all_older_than, an_event

IDS = [str(number) for number in range(25)]


def always() -> bool:
    return True


def an_outbox(*ids: str) -> InMemoryOutbox:
    return InMemoryOutbox(an_event(event_id) for event_id in ids or IDS)


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS)))
def test_failed_events_stay_in_the_outbox_and_sent_events_leave_it(
    throttled: set[str], malformed: set[str]
) -> None:
    outbox, bus = an_outbox(), InMemoryBus(throttled, malformed)
    failures = a_relay(bus, outbox).send(list(outbox.events.values()))
    assert failures.keys() == outbox.events.keys() == throttled | malformed
    assert {i for i, failure in failures.items() if failure.is_final} == malformed
    assert sorted(bus.accepted) == sorted(set(IDS) - throttled - malformed)


def test_an_event_that_makes_a_call_fail_is_found_by_bisection() -> None:
    outbox, bus = an_outbox(*"abcdefgh"), InMemoryBus(malformed={"f"})
    a_relay(bus, outbox).send(list(outbox.events.values()))
    assert ["".join(call) for call in bus.calls] == [
        "abcdefgh",
        "abcd",
        "efgh",
        "ef",
        "e",
        "f",
        "gh",
    ]
    assert bus.accepted == list("abcdegh")


def test_an_event_that_is_too_large_does_not_block_others() -> None:
    giant = an_event("giant", "x" * (MAX_BYTES + 1))
    events = [an_event("a"), giant, an_event("b")]
    outbox, bus = InMemoryOutbox(events), InMemoryBus(malformed={"giant"})
    failures = a_relay(bus, outbox).send(events)
    assert bus.calls == [["a"], ["giant"], ["b"]]
    assert failures["giant"].is_final
    assert outbox.events == {"giant": giant}


class Throttling(InMemoryBus):
    """Throttles events for a number of calls."""

    def __init__(self, calls: int, throttled: set[str]) -> None:
        super().__init__(throttled)
        self.left = calls

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, SendFailure]:
        self.left -= 1
        if self.left < 0:
            self.throttled = set()
        return super().put(events)


def test_a_throttled_event_is_retried_after_a_pause() -> None:
    outbox, bus = an_outbox("a", "b"), Throttling(calls=1, throttled={"b"})
    pauses: list[float] = []
    relay = OutboxRelay(bus, outbox, pauses.append)
    assert relay.send(list(outbox.events.values())) == {}
    assert (bus.calls, len(pauses)) == ([["a", "b"], ["b"]], 1)
    assert outbox.events == {}


def test_a_bus_that_is_down_is_not_called_for_every_batch() -> None:
    outbox, bus = an_outbox(), InMemoryBus()
    bus.is_down = True
    failures = a_relay(bus, outbox).send(list(outbox.events.values()))
    assert failures.keys() == outbox.events.keys() == set(IDS)
    assert not any(failure.is_final for failure in failures.values())
    assert len(bus.calls) == 1 + len(RETRY_PAUSES_SECONDS)


class MortalBus(InMemoryBus):
    """Fails every second entry, and kills the process in the calls that `deaths` names."""

    def __init__(self, deaths: Iterator[str]) -> None:
        super().__init__()
        self.deaths = deaths
        self.entries = count()

    def put(self, events: Sequence[UnsentEvent]) -> dict[str, SendFailure]:
        death = next(self.deaths, "")
        if death == "before":
            raise Killed
        self.throttled = {event.id for event in events if next(self.entries) % 2}
        failures = super().put(events)
        if death == "after":
            raise Killed
        return failures


@given(
    st.integers(1, 60),
    st.integers(1, 25),
    st.lists(st.sampled_from(["before", "after", "no"]), max_size=12),
)
def test_a_relay_that_is_killed_at_any_call_of_a_failing_bus_loses_nothing(
    events: int, batch: int, deaths: list[str]
) -> None:
    ids = [str(number) for number in range(events)]
    outbox = an_outbox(*ids)
    bus = MortalBus(iter(deaths))
    relay = a_relay(bus, outbox)
    stream = [outbox.events[event_id] for event_id in ids]
    for start in range(0, events, batch):
        with suppress(Killed):  # the worst case: the stream does not retry
            relay.send(stream[start : start + batch])
    for _ in range(len(deaths) + 20):
        settled = {i: bus.accepted.count(i) for i in ids if i not in outbox.events}
        with suppress(Killed):
            relay.sweep(NOON + timedelta(days=1), always)
        assert all(bus.accepted.count(i) == times for i, times in settled.items())
    assert set(bus.accepted) == set(ids)
    assert outbox.events == {}


@pytest.mark.parametrize("work", ["send", "sweep"])
def test_work_that_is_killed_at_any_call_is_resumed_without_loss(work: str) -> None:
    """An event is sent again only if the process was killed before it had left the outbox."""

    def prepare(process: Process) -> tuple[InMemoryOutbox, InMemoryBus, Callable[[], object]]:
        outbox, bus = an_outbox(), InMemoryBus(throttled={"3"}, malformed={"7"})
        process.observe(bus, "put")
        process.observe(outbox, "list_older_than", "delete", "set_aside")
        relay = a_relay(bus, outbox)
        if work == "sweep":
            return outbox, bus, lambda: relay.sweep(NOON, always)
        return outbox, bus, lambda: relay.send(list(outbox.events.values()))

    unkilled = Process()
    prepare(unkilled)[2]()
    for at in range(unkilled.calls):
        process = Process(at)
        outbox, bus, run = prepare(process)
        with pytest.raises(Killed):
            run()
        gone = set(IDS) - outbox.events.keys()
        process.revive()
        bus.throttled = set()
        run()
        assert set(bus.accepted) == set(IDS) - {"7"}
        assert all(bus.accepted.count(event_id) == 1 for event_id in gone)
        assert all(bus.accepted.count(event_id) <= 2 for event_id in IDS)
        assert set(outbox.events) == outbox.unsendable == {"7"}


def test_a_relay_that_dies_before_the_deletion_leaves_the_event_in_the_outbox() -> None:
    class Dying(InMemoryOutbox):
        def delete(self, event_ids: object) -> None:
            raise ConnectionError("the process is killed")

    outbox = Dying([an_event("a")])
    with pytest.raises(ConnectionError):
        a_relay(InMemoryBus(), outbox).send([an_event("a")])
    assert all_older_than(outbox, NOON) == [an_event("a")]


def at(moment: datetime) -> InMemoryOutbox:
    return InMemoryOutbox([an_event("a", occurred_at=moment)])


def test_a_sweep_sends_old_events() -> None:
    outbox, bus = at(NOON - SWEEP_AFTER - timedelta(seconds=1)), InMemoryBus()
    backlog = a_relay(bus, outbox).sweep(NOON, always)
    assert (backlog.found, backlog.failed) == (1, 0)
    assert bus.calls == [["a"]]
    assert outbox.events == {}


def test_a_sweep_leaves_new_events_to_the_stream() -> None:
    outbox, bus = at(NOON - SWEEP_AFTER + timedelta(seconds=1)), InMemoryBus()
    backlog = a_relay(bus, outbox).sweep(NOON, always)
    assert (backlog.found, age_in_seconds(backlog.oldest, NOON), bus.calls) == (0, 0, [])
    assert outbox.events.keys() == {"a"}


def test_a_sweep_returns_the_age_of_the_oldest_event_and_the_failures() -> None:
    moments = {"a": NOON - timedelta(hours=2), "b": NOON - timedelta(hours=5)}
    outbox = InMemoryOutbox(an_event(i, occurred_at=moment) for i, moment in moments.items())
    backlog = a_relay(InMemoryBus(malformed={"b"}), outbox).sweep(NOON, always)
    assert (backlog.found, backlog.failed, backlog.unsendable) == (2, 1, 1)
    assert age_in_seconds(backlog.oldest, NOON) == 5 * 3600
    assert outbox.events.keys() == {"b"}


def old_events(count: int) -> list[UnsentEvent]:
    """The last one is the oldest."""
    return [
        an_event(str(n), occurred_at=NOON - timedelta(hours=5, seconds=n)) for n in range(count)
    ]


def test_a_sweep_takes_the_oldest_first_and_ends_when_its_time_is_up() -> None:
    events = old_events(300)
    outbox, bus = InMemoryOutbox(events), InMemoryBus()
    checks = count()
    backlog = a_relay(bus, outbox).sweep(NOON, lambda: next(checks) < 8)
    assert not backlog.is_finished
    assert (backlog.found, backlog.failed) == (80, 0)
    for shard in outbox.shards:
        oldest_first = [event.id for event in all_of(events, shard)]
        sent = [event_id for event_id in bus.accepted if event_id in oldest_first]
        assert sent == oldest_first[: len(sent)]
    assert a_relay(bus, outbox).sweep(NOON, always).is_finished
    assert sorted(bus.accepted) == sorted(event.id for event in events)


def all_of(events: list[UnsentEvent], shard: str) -> list[UnsentEvent]:
    return [e for page in InMemoryOutbox(events).list_older_than(NOON, shard) for e in page]


def test_a_sweep_works_on_its_shards_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    class Meeting(InMemoryBus):
        def put(self, events: Sequence[UnsentEvent]) -> dict[str, SendFailure]:
            meeting.wait()
            return super().put(events)

    outbox = InMemoryOutbox([an_event("0"), an_event("4")])
    assert all(all_of(list(outbox.events.values()), shard) for shard in outbox.shards)
    assert a_relay(Meeting(), outbox).sweep(NOON, always).found == 2
    assert outbox.events == {}


def test_a_sweep_does_not_try_every_event_while_the_bus_is_down() -> None:
    outbox, bus = InMemoryOutbox(old_events(300)), InMemoryBus()
    bus.is_down = True
    backlog = a_relay(bus, outbox).sweep(NOON, always)
    assert len(bus.calls) == 2 * (1 + len(RETRY_PAUSES_SECONDS))
    assert (backlog.failed, backlog.is_finished) == (backlog.found, False)
    assert len(outbox.events) == 300


def test_events_that_can_never_be_sent_do_not_hold_up_later_ones() -> None:
    events = old_events(300)
    malformed = {event.id for event in events[-60:]}  # the oldest
    outbox, bus = InMemoryOutbox(events), InMemoryBus(malformed=malformed)
    for _ in range(2):
        backlog = a_relay(bus, outbox).sweep(NOON, always)
        assert (backlog.unsendable, backlog.is_finished) == (60, True)
        assert outbox.events.keys() == outbox.unsendable == malformed
    assert sorted(bus.accepted) == sorted(e.id for e in events if e.id not in malformed)


def test_an_event_that_a_batch_of_the_stream_has_twice_is_sent_and_deleted_once() -> None:
    class Strict(InMemoryOutbox):
        """Rejects a key that is given twice, as DynamoDB does."""

        def delete(self, event_ids: Iterable[str]) -> None:
            ids = list(event_ids)
            assert len(ids) == len(set(ids))
            super().delete(ids)

    events = [an_event(event_id) for event_id in "abacb"]
    outbox, bus = Strict(events), InMemoryBus()
    assert a_relay(bus, outbox).send(events) == {}
    assert (bus.accepted, outbox.events) == (["a", "b", "c"], {})


def test_the_oldest_age_is_that_of_the_oldest_event_that_may_be_sent() -> None:
    outbox = InMemoryOutbox(old_events(2))
    monitor = OutboxMonitor(outbox, lambda: NOON)
    assert monitor.oldest_age() == timedelta(hours=5, seconds=1)
    outbox.set_aside("1")
    assert monitor.oldest_age() == timedelta(hours=5)
    outbox.delete(["0"])
    assert monitor.oldest_age() == timedelta()
    outbox.events["2"] = an_event("2", occurred_at=NOON + timedelta(milliseconds=1))
    assert monitor.oldest_age() == timedelta()  # clocks differ a little


def fails() -> None:
    raise ConnectionError("connection refused")


def test_readiness_lists_each_dependency_and_whether_it_works() -> None:
    with ThreadPoolExecutor(2) as executor:
        found = Readiness({"good": lambda: None, "bad": fails}, executor).check()
    assert [(one.name, one.ok) for one in found] == [("good", True), ("bad", False)]
    assert "connection refused" in str(found[1].fault)


def test_dependencies_are_probed_at_the_same_time() -> None:
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
        readiness = Readiness({"hangs": hang, "good": lambda: None}, executor, timeout=0.2)
        found = readiness.check()
        waited = time.monotonic() - began
        release.set()
    assert [one.ok for one in found] == [False, True]
    assert waited < 5


def test_readiness_is_remembered_for_some_seconds_whether_good_or_bad() -> None:
    probed: list[str] = []
    now = [1000.0]

    def probe() -> None:
        probed.append("database")
        if len(probed) > 1:
            fails()

    with ThreadPoolExecutor(1) as executor:
        readiness = Readiness({"database": probe}, executor, now=lambda: now[0])
        for expected in (True, False):
            for _ in range(100):
                assert [one.ok for one in readiness.check()] == [expected]
                now[0] += REMEMBERED_FOR_SECONDS / 100
            now[0] += 0.001
    assert len(probed) == 2
