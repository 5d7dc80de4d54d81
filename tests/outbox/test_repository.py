"""The outbox in memory and the one in DynamoDB behave the same."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from conftest import NOON
from outbox.model import UnsentEvent
from outbox.ports import Outbox
from outbox.repository import DynamoOutbox
from supermarket.clock import iso
from supermarket.dynamo.outbox import OutboxRow
from support.outbox import InMemoryOutbox, an_event


def save(event: UnsentEvent) -> None:
    OutboxRow(
        event.id,
        source=event.source,
        detail_type=event.detail_type,
        detail=event.detail,
        occurred_at=iso(event.occurred_at),
    ).save()


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
        save(event)
    yield DynamoOutbox()


def test_only_older_events_are_listed(outbox: Outbox) -> None:
    listed = outbox.list_older_than(NOON - timedelta(minutes=2))
    assert sorted(listed, key=lambda event: int(event.id)) == EVENTS[3:]


def test_deleted_events_are_gone_and_the_others_stay(outbox: Outbox) -> None:
    outbox.delete(str(number) for number in range(90))
    outbox.delete(["0", "never-there"])
    left = outbox.list_older_than(NOON + timedelta(minutes=1))
    assert {event.id for event in left} == {str(number) for number in range(90, 120)}


def test_deleting_nothing_changes_nothing(outbox: Outbox) -> None:
    outbox.delete([])
    assert len(outbox.list_older_than(NOON + timedelta(minutes=1))) == len(EVENTS)
