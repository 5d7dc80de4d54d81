"""Deleted projections come back the same, and no event is lost in the meantime."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import batched, cycle
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.exceptions import UpdateError

from conftest import FrozenClock
from ops import wiring
from ops.rebuild import repository
from ops.rebuild.checksum import Item, checksums
from ops.rebuild.repository import DynamoLease, DynamoProjections
from ops.rebuild.service import Lease, LeaseLost, ProjectionRebuild, RebuildResult
from ops.replays import ReplayProgress, Replays
from seller_dashboard.listeners import event_handlers
from seller_dashboard.reports.daily_totals import DailyTotalsCheck
from seller_dashboard.reports.repository import (
    DynamoBatchCheckpoints,
    DynamoRebuildLock,
    RebuildRow,
)
from supermarket.contracts import Event, Metadata
from supermarket.errors import Conflict, NotFound, Unavailable
from support.contracts import sample_event
from support.histories import BEGAN, events_of, random_histories
from support.ops import ops
from support.seller_dashboard import InMemoryRebuildLock, Projections, in_dynamodb


def an_item(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": "SELLER#s1"}, "sk": {"S": f"DAY#{number}#INR"}, **attributes}


ITEMS = st.lists(
    st.builds(
        an_item, st.integers(0, 10**6), units=st.builds(lambda n: {"N": str(n)}, st.integers(1, 9))
    ),
    unique_by=lambda item: item["sk"]["S"],
)


@given(ITEMS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_attributes_does_not_matter(
    items: list[dict[str, Any]], random: Random
) -> None:
    shuffled = [dict(sorted(item.items(), reverse=True)) for item in items]
    random.shuffle(shuffled)
    assert checksums(shuffled) == checksums(items)


@given(ITEMS, st.data())
def test_one_row_more_or_less_or_other_is_told(
    items: list[dict[str, Any]], data: st.DataObject
) -> None:
    items = [*items, an_item(-1, units={"N": "5"})]
    changed = data.draw(st.integers(0, len(items) - 1))
    other = [*items]
    other[changed] = items[changed] | {"units": {"N": "77"}}
    assert checksums(other) != checksums(items)
    assert checksums(items[:changed] + items[changed + 1 :]) != checksums(items)
    assert checksums([*items, items[changed]]) != checksums(items)


def test_how_the_facts_arrived_does_not_matter() -> None:
    told = an_item(units={"N": "5"})
    assert checksums([told | {"version": {"N": "9"}, "soldAs": {"S": "Tea"}}]) == checksums([told])
    assert checksums([told | {"minor#p1": {"N": "0"}}]) == checksums([told])
    assert checksums([an_item(2, units={"N": "0"})]) == {}
    assert checksums([an_item(2)])["SELLER/DAY"].rows == 1


def test_kinds_of_rows_are_told_apart() -> None:
    sale = {"pk": {"S": "SELLER#s1"}, "sk": {"S": "ORDER#1"}}
    order = {"pk": {"S": "ORDER#1"}, "sk": {"S": "ORDER"}}
    assert list(checksums([sale, order, an_item()])) == [
        "ORDER/ORDER",
        "SELLER/DAY",
        "SELLER/ORDER",
    ]


def a_poll(waiting: int = 0) -> ReplayProgress:
    return ReplayProgress("seller_dashboard-1", "COMPLETED", BEGAN, BEGAN, waiting=waiting)


class InMemoryStage:
    """A queue, its listener and the projections: each handled event is a row."""

    in_flight_limit = 50

    def __init__(self, archive: Iterable[str], live: Iterable[str] = ()) -> None:
        self.items: set[str] = set()
        self.queue: list[str] = []
        self.archive = list(archive)
        self.live = list(live)
        self.is_paused = False
        self.has_traffic = False
        self.has_no_archive = False
        self.lease = InMemoryRebuildLock()
        self.shown: list[str] = []
        self.receive(self.archive)

    def receive(self, events: Iterable[str]) -> None:
        self.queue.extend(events)
        if not self.is_paused:
            self.items.update(self.queue)
            self.queue.clear()

    def rows(self) -> Iterator[Item]:
        return iter([{"pk": {"S": name}, "sk": {"S": name}} for name in self.items])

    def truncate(self) -> Iterator[int]:
        assert self.is_paused, "the listener may be writing"
        self.archive.extend(self.live)
        self.receive(self.live)
        self.items.clear()
        yield 1

    def count_waiting(self) -> int:
        return len(self.queue)

    def count_in_flight(self) -> int:
        return 0

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        self.receive([])

    def ensure(self, _: str) -> None:
        if self.has_no_archive:
            raise NotFound("There is no archive")

    def run(self, _: str) -> Iterator[ReplayProgress]:
        self.receive(self.archive)
        yield a_poll(waiting=1 if self.has_traffic else 0)

    def rebuild(self, lag: float = 0, pause: Callable[[float], None] = lambda _: None) -> bool:
        return self.rebuilder(pause).run(lag, self.shown.append).is_identical

    def result(self) -> RebuildResult:
        return self.rebuilder().run(0, self.shown.append)

    def rebuilder(self, pause: Callable[[float], None] = lambda _: None) -> ProjectionRebuild:
        return ProjectionRebuild(self, self, cast("Replays", self), self.held(), pause)

    def held(self) -> Lease:
        return self.lease


def test_what_the_archive_holds_comes_back() -> None:
    stage = InMemoryStage(["a", "b"])
    assert stage.rebuild()
    assert stage.items == {"a", "b"}
    assert "COMPLETED: 100% replayed, 0 events in the queue" in stage.shown


def test_what_happens_meanwhile_is_in_the_books_afterwards_and_told() -> None:
    stage = InMemoryStage(["a"], live=["b"])
    assert not stage.rebuild()
    assert stage.items == {"a", "b"}


def test_what_the_archive_lacks_is_told() -> None:
    stage = InMemoryStage(["a", "b"])
    stage.archive.remove("b")
    assert not stage.rebuild()


def test_without_an_archive_nothing_is_dropped() -> None:
    stage = InMemoryStage(["a"])
    stage.has_no_archive = True
    with pytest.raises(NotFound):
        stage.rebuild()
    assert stage.items == {"a"}


def test_a_listener_that_a_killed_run_left_paused_listens_again() -> None:
    stage = InMemoryStage(["a"])
    stage.pause()
    stage.receive(["b"])
    stage.archive.append("b")
    assert stage.rebuild()
    assert stage.items == {"a", "b"}


def test_the_archive_is_waited_for_while_nobody_writes() -> None:
    stage = InMemoryStage(["a"])
    waits: list[tuple[float, bool]] = []
    assert stage.rebuild(600, lambda seconds: waits.append((seconds, stage.is_paused)))
    assert sum(seconds for seconds, _ in waits) == 600
    assert all(is_paused for _, is_paused in waits)


def test_a_queue_that_does_not_empty_stops_it_before_anything_is_dropped() -> None:
    class Poisoned(InMemoryStage):
        def count_waiting(self) -> int:
            return 1

    stage = Poisoned(["a"])
    with pytest.raises(Unavailable):
        stage.rebuild()
    assert (stage.items, stage.is_paused) == ({"a"}, False)


def test_a_drop_that_fails_leaves_the_listener_at_work() -> None:
    class Broken(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            raise Unavailable("DynamoDB is down")

    stage = Broken(["a"])
    with pytest.raises(Unavailable):
        stage.rebuild()
    assert not stage.is_paused
    assert stage.lease.is_held(), "what is left of the projections is nothing to report"


def test_a_rebuild_that_was_broken_off_is_made_good_by_the_next_one() -> None:
    stage = InMemoryStage(["a", "b"])
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(stage, "run", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stage.rebuild()
    assert (stage.items, stage.lease.is_held()) == (set(), True)
    stage.rebuild()
    assert (stage.items, stage.lease.is_held()) == ({"a", "b"}, False)


def test_whoever_stops_it_while_the_listener_is_being_paused_leaves_it_at_work() -> None:
    class Stopped(InMemoryStage):
        def pause(self) -> None:
            self.is_paused = True  # Lambda was told, and takes its time
            raise KeyboardInterrupt

    stage = Stopped(["a"])
    with pytest.raises(KeyboardInterrupt):
        stage.rebuild()
    assert not stage.is_paused
    assert not stage.lease.is_held(), "nothing was dropped yet"


def test_a_second_rebuild_does_not_begin_while_the_first_is_at_work() -> None:
    class Twice(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            with pytest.raises(Conflict, match="Another rebuild"):
                self.rebuild()
            assert self.is_paused, "the second one woke the listener"
            yield from super().truncate()

    stage = Twice(["a"])
    assert stage.rebuild()


def test_a_rebuild_that_was_taken_for_dead_leaves_the_listener_to_the_one_that_began() -> None:
    class Asleep(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            self.lease.is_running = False  # it ran out, and another one has paused the listener
            yield 1
            pytest.fail("it goes on dropping")

    stage = Asleep(["a"])
    with pytest.raises(LeaseLost):
        stage.rebuild()
    assert stage.is_paused


def test_a_rebuild_that_was_taken_for_dead_does_not_pause_the_listener_of_the_one_that_began() -> (
    None
):
    class Asleep(InMemoryStage):
        def count_waiting(self) -> int:
            self.lease.is_running = False
            return 0

    stage = Asleep(["a"])
    with pytest.raises(LeaseLost):
        stage.rebuild()
    assert (stage.items, stage.is_paused) == ({"a"}, False)


@pytest.mark.parametrize("failure", [None, Unavailable("DynamoDB is down")])
def test_a_rebuild_that_was_taken_for_dead_wakes_no_listener_that_another_one_has_paused(
    failure: Unavailable | None,
) -> None:
    class Asleep(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            yield 1
            self.lease.is_running = False
            if failure:
                raise failure

    stage = Asleep(["a"])
    with pytest.raises(LeaseLost):
        stage.rebuild()
    assert stage.is_paused


def test_who_cannot_ask_whether_it_is_still_at_work_leaves_no_listener_paused() -> None:
    class Down(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            yield 1
            monkeypatch.setattr(self.lease, "renew", down)

    def down() -> None:
        raise Unavailable("DynamoDB is down")

    stage = Down(["a"])
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(Unavailable):
        stage.rebuild()
    assert not stage.is_paused


@pytest.mark.usefixtures("aws")
def test_rows_are_deleted_only_after_whoever_asks_for_it_was_told_how_many_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repository, "DELETE_BATCH_SIZE", 1)
    projections = DynamoProjections()
    handle([sample_event("OrderConfirmed")])
    before = len([*projections.rows()])
    for dropped in projections.truncate():
        assert len([*projections.rows()]) == before - dropped
    assert dropped == before > 1


@pytest.mark.usefixtures("aws")
def test_a_lease_that_could_not_be_renewed_is_renewed_at_the_next_word(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = DynamoLease(clock, "1")
    lease.acquire()
    clock.advance(timedelta(minutes=4))

    def down(*_: object, **__: object) -> None:
        raise UpdateError("no answer")

    with monkeypatch.context() as outage:
        outage.setattr(RebuildRow, "update", down)
        with pytest.raises(Unavailable):
            lease.renew()
    lease.renew()
    clock.advance(timedelta(minutes=2))
    assert DynamoRebuildLock(clock).is_held()


def test_on_a_stage_that_is_never_quiet_it_goes_on_and_says_so() -> None:
    class Busy(InMemoryStage):
        def count_waiting(self) -> int:
            return next(counts)

    counts = cycle([3, 1, 2])
    stage = Busy(["a"])
    stage.has_traffic = True
    result = stage.result()
    assert (result.is_identical, result.was_quiet) == (True, False)
    assert "1 events in the queue: traffic continues" in stage.shown


@pytest.mark.usefixtures("aws")
def test_a_lease_is_one_rebuild_s_until_it_is_given_back_or_runs_out(clock: FrozenClock) -> None:
    rebuilds = DynamoRebuildLock(clock)
    first, second = DynamoLease(clock, "1"), DynamoLease(clock, "2")
    assert not rebuilds.is_held()
    first.acquire()
    with pytest.raises(Conflict, match="5 minutes"):
        second.acquire()
    clock.advance(timedelta(minutes=4))
    first.renew()
    clock.advance(timedelta(minutes=4))
    assert rebuilds.is_held()
    clock.advance(timedelta(minutes=2))
    assert not rebuilds.is_held(), "it dropped nothing"
    second.acquire()
    with pytest.raises(LeaseLost):
        first.renew()
    with pytest.raises(LeaseLost):
        first.mark_incomplete()
    first.release()
    assert rebuilds.is_held(), "that of the second one is still held"
    second.release()
    assert not rebuilds.is_held()


@pytest.mark.usefixtures("aws")
def test_half_made_books_stay_so_until_a_rebuild_ends_and_every_job_raises_an_alarm(
    clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    rebuilds = DynamoRebuildLock(clock)
    first, second = DynamoLease(clock, "1"), DynamoLease(clock, "2")
    first.acquire()
    first.mark_incomplete()
    assert rebuilds.is_held()
    assert caplog.records == []
    clock.advance(timedelta(days=400))
    assert rebuilds.is_held()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    second.acquire()
    second.mark_complete()
    second.release()
    assert not rebuilds.is_held()


class StageWithJobs(InMemoryStage):
    """Rows in DynamoDB, and a job that runs whenever it can."""

    def __init__(
        self, events: Sequence[Event], projections: Projections, roll_up: Callable[[], None]
    ) -> None:
        super().__init__([])
        self.events = events
        self.projections = projections
        self.roll_up = roll_up

    def held(self) -> Lease:
        return self.projections.lease

    def rows(self) -> Iterator[Item]:
        # partition by partition, as DynamoDB has them, those with the sums first
        yield from sorted(DynamoProjections().rows(), key=lambda row: row["pk"]["S"] < "SELLER")

    def truncate(self) -> Iterator[int]:
        projections = DynamoProjections()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(projections, "rows", self.rows)
            for dropped in projections.truncate():
                self.roll_up()
                yield dropped

    def run(self, _: str) -> Iterator[ReplayProgress]:
        for batch in batched(self.events, 7, strict=False):
            handle(batch)
            self.roll_up()
        yield a_poll()


@pytest.mark.usefixtures("aws")
def test_a_roll_up_in_the_middle_of_a_rebuild_mends_nothing_and_doubles_nothing(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DELETE_BATCH_SIZE", 1)
    histories = random_histories(Random(7), 8, ["meera", "ravi"])
    told = [event for history in histories for event in events_of(history)]
    handle(told)
    projections = in_dynamodb(clock)
    check = DailyTotalsCheck(
        projections.sales,
        DynamoBatchCheckpoints(clock),
        projections.rebuild_lock,
        projections.begin,
    )
    days = sorted({history.placed_at.date() for history in histories})

    def roll_up() -> None:
        for day in days:
            assert +check.run(day, lambda: True) == {"unfinished": 1}

    assert StageWithJobs(told, projections, roll_up).rebuild()
    for day in days:
        done = check.run(day, lambda: True)
        assert (done["repaired"], done["unfinished"]) == (0, 0)
        assert done["sales"] > 0


def handle(events: Iterable[Event]) -> None:
    for event in events:
        about, *_ = vars(event).values()  # whatever comes again is the same event
        metadata = Metadata(
            event_id=f"e-{about}",
            version=1,
            occurred_at=BEGAN,
            correlation_id="rebuild",
        )
        event_handlers.handlers[type(event).__name__][1](event, metadata)


@pytest.mark.usefixtures("aws")
def test_dropped_rows_in_dynamodb_come_back_the_same_in_another_order() -> None:
    projections = DynamoProjections()
    histories = random_histories(Random(7), 8, ["meera", "ravi"])
    told = [event for history in histories for event in events_of(history)]
    told += [sample_event(name) for name in ("ProductCreated", "StockRanLow", "ProductDeleted")]
    told += [sample_event("UserRegistered", role="seller")]
    handle(told)
    before = checksums(projections.rows())
    assert list(before) == [
        "DAY/SELLER",
        "ORDER/ORDER",
        "SELLER/CUSTOMER",
        "SELLER/DAY",
        "SELLER/ORDER",
        "SELLER/PAYMENT",
        "SELLER/PRODUCT",
        "SELLER/PROFILE",
    ]
    *_, dropped = projections.truncate()
    assert dropped >= sum(one.rows for one in before.values())
    assert list(projections.rows()) == []
    Random(8).shuffle(told)
    handle([*told, *told[:30]])
    assert checksums(projections.rows()) == before


def test_the_command_needs_a_confirmation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = InMemoryStage(["a"])
    monkeypatch.setattr(wiring, "projection_rebuild", lambda *_: stage.rebuilder())
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert ops("rebuild") == 2
    assert "--yes" in capsys.readouterr().err
    assert stage.shown == []


def test_the_command_compares_the_rows_before_and_after(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    same, different = InMemoryStage(["a"]), InMemoryStage(["a"], live=["b"])
    monkeypatch.setattr(wiring, "projection_rebuild", lambda *_: same.rebuilder())
    assert ops("rebuild", "--yes") == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1].split()[:4] == ["a/a", "1", "1", "same"]
    assert "identical" in printed
    monkeypatch.setattr(wiring, "projection_rebuild", lambda *_: different.rebuilder())
    assert ops("rebuild", "--yes") == 1
    assert ["b/b", "0", "1", "DIFFERENT"] in [
        line.split()[:4] for line in capsys.readouterr().out.splitlines()
    ]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stopped_command_releases_its_lease_and_says_what_to_do(
    ending: signal.Signals, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            os.kill(os.getpid(), ending)
            yield 1

    stage = Ended(["a"])
    # a shell starts background jobs with SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(wiring, "projection_rebuild", lambda *_: stage.rebuilder())
    try:
        assert ops("rebuild", "--yes") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "run the command again" in capsys.readouterr().err
    assert not stage.is_paused
    assert not stage.lease.is_running
    assert stage.lease.is_incomplete
