"""A rebuild restores the deleted projections, and no event is lost in the meantime."""

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
from seller_dashboard.reports.repository import DynamoJobs, RebuildRow
from supermarket.contracts import Event, Metadata
from supermarket.days import day_of
from supermarket.errors import Conflict, NotFound, Unavailable
from support.contracts import sample_event
from support.histories import BEGAN, events_of, random_histories
from support.ops import ops
from support.seller_dashboard import InMemoryJobs, Projections, in_dynamodb


def an_item(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": "SELLER#s1"}, "sk": {"S": f"DAY#{number}#INR"}, **attributes}


ITEMS = st.lists(
    st.builds(
        an_item, st.integers(0, 10**6), units=st.builds(lambda n: {"N": str(n)}, st.integers(1, 9))
    ),
    unique_by=lambda item: item["sk"]["S"],
)


@given(ITEMS, st.randoms(use_true_random=False))
def test_checksums_do_not_depend_on_the_order_of_rows_and_attributes(
    items: list[dict[str, Any]], random: Random
) -> None:
    shuffled = [dict(sorted(item.items(), reverse=True)) for item in items]
    random.shuffle(shuffled)
    assert checksums(shuffled) == checksums(items)


@given(ITEMS, st.data())
def test_checksums_change_when_a_row_is_added_deleted_or_changed(
    items: list[dict[str, Any]], data: st.DataObject
) -> None:
    items = [*items, an_item(-1, units={"N": "5"})]
    changed = data.draw(st.integers(0, len(items) - 1))
    other = [*items]
    other[changed] = items[changed] | {"units": {"N": "77"}}
    assert checksums(other) != checksums(items)
    assert checksums(items[:changed] + items[changed + 1 :]) != checksums(items)
    assert checksums([*items, items[changed]]) != checksums(items)


def test_checksums_ignore_versions_titles_and_zero_sums() -> None:
    item = an_item(units={"N": "5"})
    assert checksums([item | {"version": {"N": "9"}, "soldAs": {"S": "Tea"}}]) == checksums([item])
    assert checksums([item | {"minor#p1": {"N": "0"}}]) == checksums([item])
    assert checksums([an_item(2, units={"N": "0"})]) == {}
    assert checksums([an_item(2)])["SELLER/DAY"].rows == 1


def test_each_kind_of_row_has_its_own_checksum() -> None:
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

    def __init__(self, archive: Iterable[str], live: Iterable[str] = ()) -> None:
        self.items: set[str] = set()
        self.queue: list[str] = []
        self.archive = list(archive)
        self.live = list(live)
        self.is_paused = False
        self.has_traffic = False
        self.has_no_archive = False
        self.lease = InMemoryJobs()
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


def test_a_rebuild_restores_the_events_of_the_archive() -> None:
    stage = InMemoryStage(["a", "b"])
    assert stage.rebuild()
    assert stage.items == {"a", "b"}
    assert "COMPLETED: 100% replayed, 0 events in the queue" in stage.shown


def test_events_during_a_rebuild_are_handled_and_reported_as_a_difference() -> None:
    stage = InMemoryStage(["a"], live=["b"])
    assert not stage.rebuild()
    assert stage.items == {"a", "b"}


def test_events_that_the_archive_lacks_are_reported_as_a_difference() -> None:
    stage = InMemoryStage(["a", "b"])
    stage.archive.remove("b")
    assert not stage.rebuild()


def test_without_an_archive_no_projection_is_deleted() -> None:
    stage = InMemoryStage(["a"])
    stage.has_no_archive = True
    with pytest.raises(NotFound):
        stage.rebuild()
    assert stage.items == {"a"}


def test_a_rebuild_resumes_a_listener_that_a_killed_rebuild_left_paused() -> None:
    stage = InMemoryStage(["a"])
    stage.pause()
    stage.receive(["b"])
    stage.archive.append("b")
    assert stage.rebuild()
    assert stage.items == {"a", "b"}


def test_a_rebuild_waits_for_the_archive_while_the_listener_is_paused() -> None:
    stage = InMemoryStage(["a"])
    waits: list[tuple[float, bool]] = []
    assert stage.rebuild(600, lambda seconds: waits.append((seconds, stage.is_paused)))
    assert sum(seconds for seconds, _ in waits) == 600
    assert all(is_paused for _, is_paused in waits)


def test_a_queue_that_does_not_empty_stops_the_rebuild_before_the_deletion() -> None:
    class Poisoned(InMemoryStage):
        def count_waiting(self) -> int:
            return 1

    stage = Poisoned(["a"])
    with pytest.raises(Unavailable):
        stage.rebuild()
    assert (stage.items, stage.is_paused) == ({"a"}, False)


def test_a_failed_deletion_resumes_the_listener() -> None:
    class Broken(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            raise Unavailable("DynamoDB is down")

    stage = Broken(["a"])
    with pytest.raises(Unavailable):
        stage.rebuild()
    assert not stage.is_paused
    assert stage.lease.is_rebuilding(), "the projections are incomplete"


def test_the_next_rebuild_completes_one_that_failed() -> None:
    stage = InMemoryStage(["a", "b"])
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(stage, "run", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stage.rebuild()
    assert (stage.items, stage.lease.is_rebuilding()) == (set(), True)
    stage.rebuild()
    assert (stage.items, stage.lease.is_rebuilding()) == ({"a", "b"}, False)


def test_an_interruption_while_the_listener_is_being_paused_resumes_it() -> None:
    class Stopped(InMemoryStage):
        def pause(self) -> None:
            self.is_paused = True  # Lambda has the request, and needs time
            raise KeyboardInterrupt

    stage = Stopped(["a"])
    with pytest.raises(KeyboardInterrupt):
        stage.rebuild()
    assert not stage.is_paused
    assert not stage.lease.is_rebuilding(), "nothing was deleted yet"


def test_a_second_rebuild_is_refused_while_the_first_is_running() -> None:
    class Twice(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            with pytest.raises(Conflict, match="Another rebuild"):
                self.rebuild()
            assert self.is_paused, "the second rebuild resumed the listener"
            yield from super().truncate()

    stage = Twice(["a"])
    assert stage.rebuild()


def test_a_rebuild_that_lost_its_lease_stops_and_leaves_the_listener_paused() -> None:
    class Asleep(InMemoryStage):
        def truncate(self) -> Iterator[int]:
            self.lease.is_running = False  # it expired, and another rebuild has paused the listener
            yield 1
            pytest.fail("it continues to delete")

    stage = Asleep(["a"])
    with pytest.raises(LeaseLost):
        stage.rebuild()
    assert stage.is_paused


def test_a_rebuild_that_lost_its_lease_before_the_pause_changes_nothing() -> None:
    class Asleep(InMemoryStage):
        def count_waiting(self) -> int:
            self.lease.is_running = False
            return 0

    stage = Asleep(["a"])
    with pytest.raises(LeaseLost):
        stage.rebuild()
    assert (stage.items, stage.is_paused) == ({"a"}, False)


@pytest.mark.parametrize("failure", [None, Unavailable("DynamoDB is down")])
def test_a_rebuild_that_lost_its_lease_does_not_resume_the_listener(
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


def test_a_rebuild_that_cannot_renew_its_lease_resumes_the_listener() -> None:
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
def test_deleted_rows_are_counted_before_the_next_batch_is_deleted(
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
def test_a_lease_can_be_renewed_after_a_failed_renewal(
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
    assert DynamoJobs(clock).is_rebuilding()


def test_a_rebuild_on_a_stage_with_constant_traffic_completes_and_reports_the_traffic() -> None:
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
def test_a_lease_belongs_to_one_rebuild_until_it_is_released_or_expires(clock: FrozenClock) -> None:
    jobs = DynamoJobs(clock)
    first, second = DynamoLease(clock, "1"), DynamoLease(clock, "2")
    assert not jobs.is_rebuilding()
    first.acquire()
    with pytest.raises(Conflict, match="5 minutes"):
        second.acquire()
    clock.advance(timedelta(minutes=4))
    first.renew()
    clock.advance(timedelta(minutes=4))
    assert jobs.is_rebuilding()
    clock.advance(timedelta(minutes=2))
    assert not jobs.is_rebuilding(), "the first rebuild deleted nothing"
    second.acquire()
    with pytest.raises(LeaseLost):
        first.renew()
    with pytest.raises(LeaseLost):
        first.mark_incomplete()
    first.release()
    assert jobs.is_rebuilding(), "the second rebuild still holds its lease"
    second.release()
    assert not jobs.is_rebuilding()


@pytest.mark.usefixtures("aws")
def test_incomplete_projections_stay_locked_and_logged_as_an_error_until_a_rebuild_ends(
    clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = DynamoJobs(clock)
    first, second = DynamoLease(clock, "1"), DynamoLease(clock, "2")
    first.acquire()
    first.mark_incomplete()
    assert jobs.is_rebuilding()
    assert caplog.records == []
    clock.advance(timedelta(days=400))
    assert jobs.is_rebuilding()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    second.acquire()
    second.mark_complete()
    second.release()
    assert not jobs.is_rebuilding()


class StageWithJobs(InMemoryStage):
    """Rows in DynamoDB, and a job that runs after each batch."""

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
        # partition by partition, as DynamoDB returns them, those with the sums first
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


@pytest.mark.long
@pytest.mark.usefixtures("aws")
def test_a_roll_up_during_a_rebuild_changes_no_totals(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DELETE_BATCH_SIZE", 1)
    histories = random_histories(Random(7), 8, ["meera", "ravi"])
    archived = [event for history in histories for event in events_of(history)]
    handle(archived)
    projections = in_dynamodb(clock)
    check = DailyTotalsCheck(
        projections.sales, projections.projector, projections.jobs, projections.begin
    )
    days = sorted({day_of(history.placed_at) for history in histories})

    def roll_up() -> None:
        for day in days:
            assert +check.run(day, lambda: True) == {"unfinished": 1}

    assert StageWithJobs(archived, projections, roll_up).rebuild()
    for day in days:
        done = check.run(day, lambda: True)
        assert (done["repaired"], done["unfinished"]) == (0, 0)
        assert done["sales"] > 0


def handle(events: Iterable[Event]) -> None:
    for event in events:
        about, *_ = vars(event).values()  # a repeated event has the same id
        metadata = Metadata(
            event_id=f"e-{about}",
            version=1,
            occurred_at=BEGAN,
            correlation_id="rebuild",
        )
        event_handlers.handlers[type(event).__name__][1](event, metadata)


@pytest.mark.usefixtures("aws")
def test_deleted_rows_are_restored_by_the_same_events_in_another_order() -> None:
    projections = DynamoProjections()
    histories = random_histories(Random(7), 8, ["meera", "ravi"])
    archived = [event for history in histories for event in events_of(history)]
    archived += [sample_event(name) for name in ("ProductCreated", "StockRanLow", "ProductDeleted")]
    archived += [sample_event("UserRegistered", role="seller")]
    handle(archived)
    before = checksums(projections.rows())
    assert list(before) == [
        "DAY/SELLER",
        "ORDER/COUNTED",
        "ORDER/ORDER",
        "PAID/PAYMENT",
        "SELLER/CUSTOMER",
        "SELLER/ORDER",
        "SELLER/PRODUCT",
        "SELLER/PROFILE",
        "TOTALS/DAY",
    ]
    *_, dropped = projections.truncate()
    assert dropped >= sum(one.rows for one in before.values())
    assert list(projections.rows()) == []
    Random(8).shuffle(archived)
    handle([*archived, *archived[:30]])
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
