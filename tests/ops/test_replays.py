"""A replay reaches one projection, is followed to its end, and is refused to all who act."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle, repeat

import pytest

from conftest import NOON, FrozenClock
from ops import bus_topology, wiring
from ops.bus_topology import EventConsumers
from ops.command import beginning, ending
from ops.model import Consumer
from ops.replay.archive import EventArchive
from ops.replay.command import main
from ops.replay.model import Replay, ReplayProgress, ReplayState
from ops.replay.service import Replays
from supermarket.clock import iso
from supermarket.errors import Invalid, NotFound, RuleViolated, Unavailable
from support.cloud import client, make_bus, queue_url
from support.ops import InMemoryArchive, InMemoryConsumers

STARTING, RUNNING, COMPLETED = (
    ReplayState.STARTING,
    ReplayState.RUNNING,
    ReplayState.COMPLETED,
)
READER = Consumer("reader", "rule", "queue", "dead-letters", "undelivered", takes_replays=True)
ACTOR = Consumer("actor", "rule", "queue", "dead-letters", "undelivered", takes_replays=False)
YESTERDAY = NOON - timedelta(days=1)


def replays(archive: InMemoryArchive, waiting: Iterable[int] = (), calm: float = 1) -> Replays:
    consumers = InMemoryConsumers(READER, ACTOR, waiting=waiting)
    return Replays(archive, consumers, FrozenClock(), lambda: "1", calm, lambda _: None)


def test_a_replay_is_followed_until_its_consumer_has_taken_everything() -> None:
    archive = InMemoryArchive(STARTING, RUNNING, COMPLETED)
    told: list[ReplayProgress] = []
    done = replays(archive, waiting=(0, 5, 9, 4)).run("reader", YESTERDAY, tell=told.append)
    assert archive.started == [("reader-1", "rule", YESTERDAY, NOON)]
    assert [(one.replay.state, one.waiting) for one in told] == [
        (STARTING, 0),
        (RUNNING, 5),
        (COMPLETED, 9),
        (COMPLETED, 4),
        (COMPLETED, 0),
    ]
    assert done.is_quiet


def test_a_queue_that_was_empty_for_a_moment_only_is_not_done() -> None:
    told: list[ReplayProgress] = []
    waiting = (0, 0, 7, 0, 0, 0)
    replays(InMemoryArchive(COMPLETED), waiting, calm=3).run("reader", tell=told.append)
    assert len(told) == len(waiting)


def test_a_queue_that_goes_on_being_used_is_done_when_it_held_a_handful_for_long_enough() -> None:
    told: list[ReplayProgress] = []
    busy = cycle([3, 50, 1])
    backlog = (900, 400, 60)
    done = replays(InMemoryArchive(RUNNING, COMPLETED), chain(backlog, busy), calm=2).run(
        "reader", tell=told.append
    )
    assert (done.replay.is_completed, done.is_quiet) == (True, False)
    assert len(told) == len(backlog) + 20 * 2


def test_a_replay_whose_events_do_not_get_fewer_ends_with_what_may_be_the_matter() -> None:
    endless = chain(range(9000, 5000, -1), repeat(5001))
    with pytest.raises(Unavailable, match="5001 events wait, and they do not get fewer"):
        replays(InMemoryArchive(COMPLETED), endless, calm=60).run("reader")


def test_a_queue_that_gets_shorter_is_waited_for_however_short_it_once_was() -> None:
    rush = chain([51], range(5000, 0, -1))
    assert replays(InMemoryArchive(COMPLETED), rush, calm=60).run("reader").is_quiet


@pytest.mark.parametrize("swings", [(5000, 5040, 4990), (5000, 5001)])
@pytest.mark.parametrize("growth", [0, 1])
def test_a_queue_that_goes_up_and_down_but_gets_no_shorter_is_given_up(
    swings: tuple[int, ...], growth: int
) -> None:
    told: list[ReplayProgress] = []
    endless = (count + growth * look for look, count in enumerate(cycle(swings)))
    with pytest.raises(Unavailable, match="they do not get fewer"):
        replays(InMemoryArchive(COMPLETED), endless, calm=60).run("reader", tell=told.append)
    assert 1800 <= len(told) < 2000


def test_a_replay_does_not_end_while_much_of_it_waits_however_impatient_one_is() -> None:
    told: list[ReplayProgress] = []
    left = (5000, 900, 51, 50)
    replays(InMemoryArchive(COMPLETED), left, calm=0).run("reader", tell=told.append)
    assert len(told) == len(left)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_the_command_wants_some_seconds_of_calm(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["reader", f"--calm={seconds}"])
    assert f"'{seconds}'" in capsys.readouterr().err


def test_a_long_replay_is_not_given_up_while_it_goes_on() -> None:
    states = chain([RUNNING] * 9000, [COMPLETED])
    assert replays(InMemoryArchive(*states), chain([777] * 9000)).run("reader").is_quiet


def test_a_replay_of_all_times_has_no_beginning() -> None:
    archive = InMemoryArchive(COMPLETED)
    replays(archive).run("reader")
    assert archive.started == [("reader-1", "rule", None, NOON)]


@pytest.mark.parametrize("state", [ReplayState.FAILED, ReplayState.CANCELLED])
def test_a_replay_that_fails_is_an_error_that_tells_why(state: ReplayState) -> None:
    with pytest.raises(Unavailable, match="as told"):
        replays(InMemoryArchive(RUNNING, state)).run("reader")


def test_who_acts_on_events_gets_no_replay() -> None:
    archive = InMemoryArchive()
    with pytest.raises(RuleViolated, match="twice"):
        replays(archive).run("actor")
    assert archive.started == []


def test_whether_there_can_be_a_replay_is_told_before_anything_is_done_for_one() -> None:
    archive = InMemoryArchive()
    with pytest.raises(RuleViolated, match="twice"):
        replays(archive).ensure("actor")
    replays(archive).ensure("reader")
    assert archive.started == []


def test_a_day_is_replayed_to_its_last_moment_but_not_into_the_future() -> None:
    assert ending("2026-11-21") == beginning("2026-11-22")
    assert ending("2026-11-21T10:00:00Z") == datetime(2026, 11, 21, 10, tzinfo=UTC)
    archive = InMemoryArchive(COMPLETED)
    replays(archive).run("reader", YESTERDAY, ending("2026-11-22"))
    assert archive.started == [("reader-1", "rule", YESTERDAY, NOON)]


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    archive = InMemoryArchive()
    with pytest.raises(Invalid):
        replays(archive).run("reader", NOON, YESTERDAY)
    assert archive.started == []


@pytest.mark.parametrize(
    ("state", "hours", "share"),
    [(STARTING, None, 0), (RUNNING, 6, 0.25), (RUNNING, 30, 1), (COMPLETED, None, 1)],
)
def test_progress_is_told_in_time_gone_through(
    state: ReplayState, hours: int | None, share: float
) -> None:
    reached = YESTERDAY + timedelta(hours=hours) if hours else None
    assert Replay("a", state, YESTERDAY, NOON, reached).share == share


@pytest.fixture
def bus(aws: None) -> Iterator[str]:
    bus_topology.client.cache_clear()
    yield make_bus()
    bus_topology.client.cache_clear()


def test_consumers_are_found_by_their_rules(bus: str) -> None:
    found = {consumer.name: consumer for consumer in EventConsumers(bus).all()}
    assert {"order", "payment", "notification", "seller_dashboard"} <= found.keys()
    dashboard = found["seller_dashboard"]
    assert dashboard.queue == queue_url("SellerDashboardQueue")
    assert dashboard.dead_letters == queue_url("SellerDashboardDeadLetters")
    assert {name for name, one in found.items() if one.takes_replays} == {"seller_dashboard"}


def test_a_consumer_that_is_not_there_is_told_with_those_that_are(bus: str) -> None:
    with pytest.raises(NotFound, match=r"no consumer 'mailer', only .*notification"):
        EventConsumers(bus).named("mailer")


def test_what_waits_in_a_queue_is_counted_also_when_somebody_holds_it(bus: str) -> None:
    consumers = EventConsumers(bus)
    order = consumers.named("order")
    for number in range(3):
        client("sqs").send_message(QueueUrl=order.queue, MessageBody=str(number))
    client("sqs").receive_message(QueueUrl=order.queue)
    assert consumers.waiting(order) == 3


def test_a_replay_goes_to_the_rule_that_was_asked_for(bus: str) -> None:
    archive = EventArchive(bus)
    rule = EventConsumers(bus).named("seller_dashboard").rule
    created = client("events").describe_archive(ArchiveName=bus)["CreationTime"]
    until = created.replace(microsecond=0) + timedelta(hours=1)
    archive.start("first", rule, None, until)
    started = client("events").describe_replay(ReplayName="first")
    assert started["Destination"]["FilterArns"] == [rule]
    assert started["EventEndTime"] == until
    assert started["EventStartTime"] < created
    assert archive.look("first").until == until


def test_a_replay_of_times_before_the_archive_is_refused_with_its_beginning(bus: str) -> None:
    created = client("events").describe_archive(ArchiveName=bus)["CreationTime"]
    beginning = iso(created - timedelta(days=1))
    with pytest.raises(Invalid, match=f"no event before {beginning}"):
        EventArchive(bus).start("first", "rule", None, created - timedelta(days=365))
    assert client("events").list_replays()["Replays"] == []


def test_a_stage_without_an_archive_is_told(bus: str) -> None:
    with pytest.raises(NotFound, match="no archive"):
        EventArchive("elsewhere").start("first", "rule", None, NOON)
    with pytest.raises(NotFound, match="no archive"):
        EventArchive("elsewhere").ensure()
    EventArchive(bus).ensure()


def test_all_of_it_together_ends_when_the_queue_is_empty(bus: str) -> None:
    done = wiring.replays(calm_seconds=1).run("seller_dashboard", YESTERDAY)
    assert done.is_quiet
    assert iso(done.replay.since) == iso(YESTERDAY)
