"""Sessions, in memory and in DynamoDB alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from ulid import ULID

from conftest import FrozenClock
from supermarket.dynamo.sessions import DynamoSessions, SignInRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Unauthenticated
from supermarket.sessions import MAX_SESSIONS, SESSION_LIFETIME, Sessions
from supermarket.transaction import Transaction
from support.in_memory import InMemoryOutbox, InMemorySessions

A_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Doors:
    """Sessions, and what it takes to open and to end several of them."""

    sessions: Sessions
    begin: Callable[[], Transaction]
    clock: FrozenClock

    def opened(self, user_id: str) -> str:
        """The id of a new session; ids sort by time, so it passes."""
        self.clock.advance(A_MILLISECOND)
        session_id = str(ULID.from_datetime(self.clock()))
        self.sessions.open(session_id, user_id)
        return session_id

    def open_ones(self, user_id: str, session_ids: list[str]) -> list[str]:
        return [each for each in session_ids if self.sessions.is_open(each, user_id)]


@pytest.fixture(params=["in memory", "DynamoDB"])
def doors(request: pytest.FixtureRequest, clock: FrozenClock) -> Doors:
    if request.param == "in memory":
        return Doors(InMemorySessions(clock), InMemoryOutbox().begin, clock)
    request.getfixturevalue("aws")
    return Doors(DynamoSessions(clock), DynamoTransaction, clock)


def test_a_session_is_open_until_it_is_ended(doors: Doors) -> None:
    assert not doors.sessions.is_open(str(ULID()), "u1")
    session = doors.opened("u1")
    assert doors.sessions.is_open(session, "u1")
    doors.sessions.end(session, "u1")
    assert not doors.sessions.is_open(session, "u1")


def test_a_session_is_open_for_its_owner_only(doors: Doors) -> None:
    session = doors.opened("u1")
    assert not doors.sessions.is_open(session, "u2")
    doors.opened("u2")
    assert not doors.sessions.is_open(session, "u2")


def test_a_session_expires_while_a_later_session_stays_open(
    doors: Doors, clock: FrozenClock
) -> None:
    session = doors.opened("u1")
    clock.advance(SESSION_LIFETIME - A_MILLISECOND)
    assert doors.sessions.is_open(session, "u1")
    later = doors.opened("u1")
    assert doors.open_ones("u1", [session, later]) == [later]


def test_ending_a_session_leaves_the_others_open(doors: Doors) -> None:
    first, second = doors.opened("u1"), doors.opened("u1")
    doors.sessions.end(first, "u1")
    assert doors.open_ones("u1", [first, second]) == [second]


def test_ending_an_unknown_session_is_not_an_error(doors: Doors) -> None:
    session = doors.opened("u1")
    for user_id in ("u1", "u1", "u2"):
        doors.sessions.end(session, user_id)
    assert not doors.sessions.is_open(session, "u1")


def test_a_user_cannot_end_the_session_of_another_user(doors: Doors) -> None:
    session = doors.opened("u1")
    doors.sessions.end(session, "u2")
    assert doors.sessions.is_open(session, "u1")


def test_ending_all_sessions_of_a_user_leaves_other_users_signed_in(doors: Doors) -> None:
    mine, theirs = [doors.opened("u1") for _ in range(3)], doors.opened("u2")
    transaction = doors.begin()
    doors.sessions.end_all("u1", transaction)
    assert doors.open_ones("u1", mine) == mine
    transaction.commit()
    assert doors.open_ones("u1", mine) == []
    assert doors.sessions.is_open(theirs, "u2")
    again = doors.opened("u1")
    assert doors.open_ones("u1", [*mine, again]) == [again]


def test_all_sessions_except_one_can_be_ended(doors: Doors) -> None:
    mine = [doors.opened("u1") for _ in range(3)]
    transaction = doors.begin()
    doors.sessions.end_others(mine[1], "u1", transaction)
    transaction.commit()
    assert doors.open_ones("u1", mine) == [mine[1]]


def test_an_ended_session_stays_ended_when_the_other_sessions_end(doors: Doors) -> None:
    first, second = doors.opened("u1"), doors.opened("u1")
    doors.sessions.end(first, "u1")
    transaction = doors.begin()
    doors.sessions.end_others(first, "u1", transaction)
    with pytest.raises(Unauthenticated):
        transaction.commit()
    assert doors.open_ones("u1", [first, second]) == [second]


def test_the_oldest_session_ends_when_there_are_too_many(doors: Doors) -> None:
    mine = [doors.opened("u1") for _ in range(MAX_SESSIONS + 2)]
    assert doors.open_ones("u1", mine) == mine[2:]


@pytest.mark.usefixtures("aws")
def test_the_sessions_of_a_user_fit_in_one_read_unit(clock: FrozenClock) -> None:
    doors = Doors(DynamoSessions(clock), DynamoTransaction, clock)
    user_id = str(ULID())
    for _ in range(MAX_SESSIONS):
        doors.opened(user_id)
    assert len(str(SignInRow.get(user_id).serialize())) < 4096


@pytest.mark.usefixtures("aws")
def test_the_row_expires_with_the_users_last_session(clock: FrozenClock) -> None:
    doors = Doors(DynamoSessions(clock), DynamoTransaction, clock)
    doors.opened("u1")
    clock.advance(timedelta(days=10))
    doors.opened("u1")
    last = clock() + SESSION_LIFETIME
    assert SignInRow.get("u1").expires_at == int(last.timestamp())
