"""The outbox in memory and the one in DynamoDB behave the same."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest

from conftest import NOON
from outbox.model import UNSENDABLE, UnsentEvent
from outbox.ports import Outbox
from outbox.repository import DynamoOutbox
from support.outbox import InMemoryOutbox, all_older_than, an_event, an_outbox_row

EVENTS = [
    an_event(str(number), f'{{"n": {number}}}', NOON - timedelta(minutes=number))
    for number in range(120)
]


@pytest.fixture(params=["memory", "dynamodb"])
def outbox(request: pytest.FixtureRequest) -> Iterator[Outbox]:
    if request.param == "memory":
        yield InMemoryOutbox(EVENTS)
        return
    request.getfixturevalue("aws")
    for event in EVENTS:
        an_outbox_row(event).save()
    yield DynamoOutbox()


def ids(events: Iterable[UnsentEvent]) -> set[str]:
    return {event.id for event in events}


def test_only_older_events_are_listed(outbox: Outbox) -> None:
    listed = all_older_than(outbox, NOON - timedelta(minutes=2))
    assert sorted(listed, key=lambda event: int(event.id)) == EVENTS[3:]


def test_each_shard_lists_its_oldest_events_first(outbox: Outbox) -> None:
    sizes = []
    for shard in outbox.shards:
        pages = list(outbox.list_older_than(NOON + timedelta(minutes=1), shard))
        listed = [event.occurred_at for page in pages for event in page]
        assert listed == sorted(listed)
        sizes.append(len(listed))
    assert all(sizes)
    assert sum(sizes) == len(EVENTS)


def test_deleted_events_are_gone_and_the_others_stay(outbox: Outbox) -> None:
    outbox.delete(str(number) for number in range(90))
    outbox.delete(["0", "never-there"])
    left = all_older_than(outbox, NOON + timedelta(minutes=1))
    assert ids(left) == {str(number) for number in range(90, 120)}


def test_deleting_nothing_changes_nothing(outbox: Outbox) -> None:
    outbox.delete([])
    assert len(all_older_than(outbox, NOON + timedelta(minutes=1))) == len(EVENTS)


def test_the_oldest_event_is_found_among_all_shards(outbox: Outbox) -> None:
    assert outbox.oldest() == EVENTS[-1].occurred_at
    outbox.delete(event.id for event in EVENTS)
    assert outbox.oldest() is None


def test_an_event_that_is_set_aside_is_listed_apart_and_is_not_the_oldest(outbox: Outbox) -> None:
    outbox.set_aside("119")
    outbox.set_aside("119")
    outbox.set_aside("never-there")
    [page] = outbox.list_older_than(NOON, UNSENDABLE)
    assert ids(page) == {"119"}
    assert len(all_older_than(outbox, NOON + timedelta(minutes=1))) == len(EVENTS)
    assert outbox.oldest() == EVENTS[-2].occurred_at
