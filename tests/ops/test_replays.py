"""A replay reaches one projection, is followed to its end, and is refused to other consumers."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import chain, cycle, repeat

import pytest

from conftest import NOON, FrozenClock
from ops import wiring
from ops.bus_topology import BusTopology, Consumer
from ops.replays import EventArchive, ReplayProgress, Replays
from supermarket.clock import iso
from supermarket.errors import Invalid, NotFound, RuleViolated, Unavailable
from support.cloud import client, make_bus, queue_url
from support.ops import InMemoryArchive, InMemoryTopology, ops

STARTING, RUNNING, COMPLETED = "STARTING", "RUNNING", "COMPLETED"
QUEUES = ("queue", "dead-letters", "rule", "undelivered")
READER = Consumer("reader", *QUEUES, accepts_replays=True)
ACTOR = Consumer("actor", *QUEUES, accepts_replays=False)
YESTERDAY = NOON - timedelta(days=1)


def replays(
    archive: InMemoryArchive, waiting: Iterable[int] = (), quiet_period: float = 1
) -> Replays:
    topology = InMemoryTopology(READER, ACTOR, waiting=waiting)
    return Replays(archive, topology, FrozenClock(), lambda: "1", quiet_period, lambda _: None)


def test_a_replay_is_followed_until_its_consumer_has_handled_everything() -> None:
    archive = InMemoryArchive(STARTING, RUNNING, COMPLETED)
    polls = list(replays(archive, waiting=(0, 5, 9, 4)).run("reader", YESTERDAY))
    assert archive.started == [("reader-1", "rule", YESTERDAY, NOON)]
    assert [(one.state, one.waiting) for one in polls] == [
        (STARTING, 0),
        (RUNNING, 5),
        (COMPLETED, 9),
        (COMPLETED, 4),
        (COMPLETED, 0),
    ]
    assert polls[-1].is_empty


def test_a_queue_that_was_empty_for_a_moment_is_not_drained() -> None:
    waiting = (0, 0, 7, 0, 0, 0)
    polls = list(replays(InMemoryArchive(COMPLETED), waiting, quiet_period=3).run("reader"))
    assert len(polls) == len(waiting)


def test_a_queue_with_traffic_is_drained_when_it_was_nearly_empty_for_long_enough() -> None:
    backlog = (900, 400, 60)
    waiting = chain(backlog, cycle([3, 50, 1]))
    polls = list(
        replays(InMemoryArchive(RUNNING, COMPLETED), waiting, quiet_period=2).run("reader")
    )
    assert (polls[-1].is_completed, polls[-1].is_empty) == (True, False)
    assert len(polls) == len(backlog) + 20 * 2


def test_a_replay_with_a_queue_that_does_not_shrink_fails() -> None:
    endless = chain(range(9000, 5000, -1), repeat(5001))
    with pytest.raises(Unavailable, match="the 5001 events in the queue are not getting fewer"):
        list(replays(InMemoryArchive(COMPLETED), endless, quiet_period=60).run("reader"))


def test_a_queue_that_grew_and_shrinks_again_is_not_stalled() -> None:
    rush = chain([51], range(5000, 0, -1))
    *_, last = replays(InMemoryArchive(COMPLETED), rush, quiet_period=60).run("reader")
    assert last.is_empty


@pytest.mark.parametrize("swings", [(5000, 5040, 4990), (5000, 5001)])
@pytest.mark.parametrize("growth", [0, 1])
def test_a_queue_that_goes_up_and_down_without_becoming_shorter_is_stalled(
    swings: tuple[int, ...], growth: int
) -> None:
    polls: list[ReplayProgress] = []
    endless = (count + growth * poll for poll, count in enumerate(cycle(swings)))
    run = replays(InMemoryArchive(COMPLETED), endless, quiet_period=60).run("reader")
    with pytest.raises(Unavailable, match="are not getting fewer"):
        polls.extend(run)
    assert 1800 <= len(polls) < 2000


def test_a_replay_does_not_end_with_many_events_in_the_queue_even_without_a_quiet_period() -> None:
    left = (5000, 900, 51, 50)
    polls = list(replays(InMemoryArchive(COMPLETED), left, quiet_period=0).run("reader"))
    assert len(polls) == len(left)


def test_a_long_replay_is_followed_while_it_runs() -> None:
    states = chain([RUNNING] * 9000, [COMPLETED])
    *_, last = replays(InMemoryArchive(*states), chain([777] * 9000)).run("reader")
    assert last.is_empty


def test_a_replay_of_all_events_has_no_start() -> None:
    archive = InMemoryArchive(COMPLETED)
    list(replays(archive).run("reader"))
    assert archive.started == [("reader-1", "rule", None, NOON)]


def test_a_consumer_that_acts_on_events_gets_no_replay() -> None:
    archive = InMemoryArchive()
    with pytest.raises(RuleViolated, match="repeat its actions"):
        list(replays(archive).run("actor"))
    assert archive.started == []


def test_a_check_before_a_replay_starts_no_replay() -> None:
    archive = InMemoryArchive()
    with pytest.raises(RuleViolated, match="repeat its actions"):
        replays(archive).ensure("actor")
    replays(archive).ensure("reader")
    assert archive.started == []


def test_a_replay_ends_at_the_current_time() -> None:
    archive = InMemoryArchive(COMPLETED)
    list(replays(archive).run("reader", YESTERDAY, NOON + timedelta(hours=12)))
    assert archive.started == [("reader-1", "rule", YESTERDAY, NOON)]


def test_a_range_in_the_future_is_refused() -> None:
    archive = InMemoryArchive()
    with pytest.raises(Invalid):
        list(replays(archive).run("reader", NOON + timedelta(days=1)))
    assert archive.started == []


@pytest.mark.parametrize(
    ("state", "hours", "share"),
    [(STARTING, None, 0), (RUNNING, 6, 0.25), (RUNNING, 30, 1), (COMPLETED, None, 1)],
)
def test_progress_is_the_share_of_the_time_range(
    state: str, hours: int | None, share: float
) -> None:
    reached = YESTERDAY + timedelta(hours=hours) if hours else None
    assert ReplayProgress("a", state, YESTERDAY, NOON, reached).share == share


@pytest.fixture
def bus(aws: None) -> str:
    return make_bus()


def test_consumers_are_found_by_their_rules(bus: str) -> None:
    found = {consumer.name: consumer for consumer in BusTopology(bus).consumers()}
    assert {"order", "payment", "order_mails", "seller_dashboard"} <= found.keys()
    dashboard = found["seller_dashboard"]
    assert dashboard.url == queue_url("SellerDashboardQueue")
    assert dashboard.dead_letters == queue_url("SellerDashboardDeadLetters")
    assert {name for name, one in found.items() if one.accepts_replays} == {"seller_dashboard"}


def test_an_unknown_consumer_is_reported_with_the_known_ones(bus: str) -> None:
    with pytest.raises(NotFound, match=r"no consumer 'mailer', only .*order_mails"):
        BusTopology(bus).consumer("mailer")


def test_events_in_a_queue_are_counted_with_those_in_flight(bus: str) -> None:
    topology = BusTopology(bus)
    order = topology.consumer("order")
    for number in range(3):
        client("sqs").send_message(QueueUrl=order.url, MessageBody=str(number))
    client("sqs").receive_message(QueueUrl=order.url)
    assert topology.count_waiting(order) == 3


def test_a_replay_is_sent_to_the_rule_of_the_consumer(bus: str) -> None:
    archive = EventArchive(bus)
    rule = BusTopology(bus).consumer("seller_dashboard").rule
    created = client("events").describe_archive(ArchiveName=bus)["CreationTime"]
    until = created.replace(microsecond=0) + timedelta(hours=1)
    archive.start("first", rule, None, until)
    started = client("events").describe_replay(ReplayName="first")
    assert started["Destination"]["FilterArns"] == [rule]
    assert started["EventEndTime"] == until
    assert started["EventStartTime"] < created
    assert archive.progress("first").until == until


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_replay_that_fails_is_an_error_with_the_reason(
    state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Events:
        def describe_replay(self, **_: str) -> dict[str, str]:
            return {"State": state, "StateReason": "no permission"}

    monkeypatch.setattr("ops.replays.client", lambda _: Events())
    with pytest.raises(Unavailable, match=f"{state}: no permission"):
        EventArchive("bus").progress("first")


def test_a_range_before_the_archive_is_refused_with_its_start(bus: str) -> None:
    created = client("events").describe_archive(ArchiveName=bus)["CreationTime"]
    start = iso(created - timedelta(days=1))
    with pytest.raises(Invalid, match=f"no event before {start}"):
        EventArchive(bus).start("first", "rule", None, created - timedelta(days=365))
    assert client("events").list_replays()["Replays"] == []


@pytest.mark.usefixtures("bus")
def test_a_stage_without_an_archive_is_reported() -> None:
    with pytest.raises(NotFound, match="no archive"):
        EventArchive("elsewhere").start("first", "rule", None, NOON)
    with pytest.raises(NotFound, match="no archive"):
        EventArchive("elsewhere").describe()


@pytest.mark.usefixtures("bus")
def test_the_wired_replay_ends_when_the_queue_is_empty() -> None:
    *_, last = wiring.replays(quiet_period_seconds=1).run("seller_dashboard", YESTERDAY)
    assert last.is_empty
    assert iso(last.since) == iso(YESTERDAY)


@pytest.mark.usefixtures("bus")
def test_the_command_replays_whole_days_and_reports_the_range(
    capsys: pytest.CaptureFixture[str],
) -> None:
    today = iso(client("events").describe_archive(ArchiveName="supermarket-test")["CreationTime"])
    assert ops("replay", "seller_dashboard", "--from", today[:10], "--to", today[:10]) == 0
    captured = capsys.readouterr()
    assert (
        f"seller_dashboard has handled the events from {today[:10]}T00:00:00.000Z" in captured.out
    )
    assert "100% replayed" in captured.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--from=2026-11-02", "--to=2026-11-01"], "--to is before --from"),
        (["--from=2999-11-02"], "future"),
    ],
)
@pytest.mark.usefixtures("bus")
def test_an_invalid_range_is_a_usage_error(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops("replay", "seller_dashboard", *words) == 2
    assert reason in capsys.readouterr().err
