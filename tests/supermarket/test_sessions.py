"""Sessions, in memory and in DynamoDB alike."""

from datetime import timedelta

import pytest

from conftest import FrozenClock
from supermarket.dynamo.sessions import DynamoSessions, SessionRow
from supermarket.sessions import SESSION_LIFETIME, Sessions
from support.in_memory import InMemorySessions


@pytest.fixture(params=["in memory", "DynamoDB"])
def sessions(request: pytest.FixtureRequest, clock: FrozenClock) -> Sessions:
    if request.param == "in memory":
        return InMemorySessions(clock)
    request.getfixturevalue("aws")
    return DynamoSessions(clock)


def test_a_session_is_open_from_its_beginning_to_its_end(sessions: Sessions) -> None:
    assert not sessions.is_open("s1", "u1")
    sessions.open("s1", "u1")
    assert sessions.is_open("s1", "u1")
    sessions.end("s1")
    assert not sessions.is_open("s1", "u1")


def test_a_session_is_open_for_its_owner_only(sessions: Sessions) -> None:
    sessions.open("s1", "u1")
    assert not sessions.is_open("s1", "u2")


def test_a_session_ends_by_itself(sessions: Sessions, clock: FrozenClock) -> None:
    sessions.open("s1", "u1")
    clock.advance(SESSION_LIFETIME - timedelta(seconds=1))
    assert sessions.is_open("s1", "u1")
    clock.advance(timedelta(seconds=1))
    assert not sessions.is_open("s1", "u1")


def test_ending_a_session_leaves_the_others_open(sessions: Sessions) -> None:
    sessions.open("s1", "u1")
    sessions.open("s2", "u1")
    sessions.end("s1")
    assert sessions.is_open("s2", "u1")


def test_ending_a_session_that_is_not_there_is_no_error(sessions: Sessions) -> None:
    sessions.end("s1")
    sessions.end("s1")


@pytest.mark.usefixtures("aws")
def test_dynamodb_is_told_when_to_forget_a_session(clock: FrozenClock) -> None:
    DynamoSessions(clock).open("s1", "u1")
    assert SessionRow.get("s1").expires_at == (clock() + SESSION_LIFETIME).timestamp()
