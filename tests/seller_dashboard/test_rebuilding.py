"""Projections that are dropped come back the same, and nothing is lost meanwhile."""

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seller_dashboard.checksum import Item, checksums
from seller_dashboard.listeners import reactions
from seller_dashboard.rebuild import main
from seller_dashboard.rebuilding import Rebuilding, Tell
from seller_dashboard.repository import DynamoProjections
from supermarket.contracts import Event, Metadata
from supermarket.errors import NotFound, Unavailable
from support.contracts import sample_event
from support.histories import BEGAN, facts, random_lives


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


class InMemoryStage:
    """A queue, its listener and the rows it keeps: what is heard of is a row."""

    def __init__(self, archive: Iterable[str], live: Iterable[str] = ()) -> None:
        self.items: set[str] = set()
        self.queue: list[str] = []
        self.archive = list(archive)
        self.live = list(live)
        self.is_paused = False
        self.has_no_archive = False
        self.told: list[str] = []
        self.hear(self.archive)

    def hear(self, events: Iterable[str]) -> None:
        self.queue.extend(events)
        if not self.is_paused:
            self.items.update(self.queue)
            self.queue.clear()

    def rows(self) -> Iterator[Item]:
        return iter([{"pk": {"S": name}, "sk": {"S": name}} for name in self.items])

    def drop(self) -> Iterator[int]:
        assert self.is_paused, "somebody may be writing"
        self.archive.extend(self.live)
        self.hear(self.live)
        self.items.clear()
        yield 1

    def waiting(self) -> int:
        return len(self.queue)

    def in_hand(self) -> int:
        return 0

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        self.hear([])

    def ensure(self) -> None:
        if self.has_no_archive:
            raise NotFound("There is no archive")

    def replay(self, tell: Tell) -> None:
        tell("all of it")
        self.hear(self.archive)

    def rebuild(self, lag: float = 0, pause: Callable[[float], None] = lambda _: None) -> bool:
        return Rebuilding(self, self, self, pause).run(lag, self.told.append).is_identical


def test_what_the_archive_holds_comes_back() -> None:
    stage = InMemoryStage(["a", "b"])
    assert stage.rebuild()
    assert stage.items == {"a", "b"}
    assert "all of it" in stage.told


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
    stage.hear(["b"])
    stage.archive.append("b")
    assert stage.rebuild()
    assert stage.items == {"a", "b"}


def test_the_archive_is_waited_for_while_nobody_writes() -> None:
    stage = InMemoryStage(["a"])
    waits: list[tuple[float, bool]] = []
    assert stage.rebuild(600, lambda seconds: waits.append((seconds, stage.is_paused)))
    assert waits == [(600, True)]


def test_a_queue_that_does_not_empty_stops_it_before_anything_is_dropped() -> None:
    class Poisoned(InMemoryStage):
        def waiting(self) -> int:
            return 1

    stage = Poisoned(["a"])
    with pytest.raises(Unavailable):
        stage.rebuild()
    assert (stage.items, stage.is_paused) == ({"a"}, False)


def test_a_drop_that_fails_leaves_the_listener_at_work() -> None:
    class Broken(InMemoryStage):
        def drop(self) -> Iterator[int]:
            raise Unavailable("DynamoDB is down")

    stage = Broken(["a"])
    with pytest.raises(Unavailable):
        stage.rebuild()
    assert not stage.is_paused


def hear(events: Iterable[Event]) -> None:
    for event in events:
        about, *_ = vars(event).values()  # whatever comes again is the same event
        metadata = Metadata(
            event_id=f"e-{about}",
            version=1,
            occurred_at=BEGAN,
            correlation_id="rebuild",
        )
        reactions.reactions[type(event).__name__][1](event, metadata)


@pytest.mark.usefixtures("aws")
def test_dropped_rows_in_dynamodb_come_back_the_same_in_another_order() -> None:
    projections = DynamoProjections()
    lives = random_lives(Random(7), 8, ["meera", "ravi"])
    told = [event for life in lives for event in facts(life)]
    told += [sample_event(name) for name in ("ProductCreated", "StockRanLow", "ProductDeleted")]
    told += [sample_event("UserRegistered", role="seller")]
    hear(told)
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
    *_, dropped = projections.drop()
    assert dropped >= sum(one.rows for one in before.values())
    assert list(projections.rows()) == []
    Random(8).shuffle(told)
    hear([*told, *told[:30]])
    assert checksums(projections.rows()) == before


def test_the_command_does_nothing_unless_it_is_meant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([]) == 1
    assert "--yes" in capsys.readouterr().err
    monkeypatch.delenv("STAGE")
    assert main(["--yes"]) == 1
    assert "STAGE" in capsys.readouterr().err
