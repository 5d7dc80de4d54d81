"""Sessions, tested with the in-memory and the DynamoDB adapter."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from ulid import ULID

from conftest import FrozenClock
from supermarket.caller import Role, Standing, Status
from supermarket.clock import new_id
from supermarket.dynamo.sessions import DynamoSessions, SignInRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Unauthenticated
from supermarket.sessions import MAX_SESSIONS, SESSION_LIFETIME, Sessions
from supermarket.transaction import Transaction
from support.cloud import held_by_a_transaction
from support.in_memory import InMemoryOutbox, InMemorySessions

A_MILLISECOND = timedelta(milliseconds=1)
SELLER = Standing(Role.SELLER)


@dataclass(frozen=True)
class SignIns:
    """Sessions with a clock and transactions, and helpers for several sessions."""

    sessions: Sessions
    begin: Callable[[], Transaction]
    clock: FrozenClock

    def open(self, user_id: str, standing: Standing = SELLER) -> str:
        """Open a session and return its id. Advances the clock, because ids sort by time."""
        self.clock.advance(A_MILLISECOND)
        session_id = str(ULID.from_datetime(self.clock()))
        self.sessions.open(session_id, user_id, standing)
        return session_id

    def list_open(self, user_id: str, session_ids: list[str]) -> list[str]:
        return [each for each in session_ids if self.sessions.is_open(each, user_id)]

    def change(self, user_id: str, role: Role, status: Status = Status.ACTIVE) -> None:
        transaction = self.begin()
        self.sessions.change_standing(user_id, Standing(role, status), transaction)
        transaction.commit()

    def end_all(self, user_id: str) -> None:
        transaction = self.begin()
        self.sessions.end_all(user_id, transaction)
        transaction.commit()


@pytest.fixture(params=["in memory", "DynamoDB"])
def sign_ins(request: pytest.FixtureRequest, clock: FrozenClock) -> SignIns:
    if request.param == "in memory":
        return SignIns(InMemorySessions(clock), InMemoryOutbox().begin, clock)
    request.getfixturevalue("aws")
    return SignIns(DynamoSessions(clock), DynamoTransaction, clock)


def test_a_session_is_open_until_it_is_ended(sign_ins: SignIns) -> None:
    assert not sign_ins.sessions.is_open(str(ULID()), "u1")
    session = sign_ins.open("u1")
    assert sign_ins.sessions.is_open(session, "u1")
    sign_ins.sessions.end(session, "u1")
    assert not sign_ins.sessions.is_open(session, "u1")


def test_a_session_is_open_for_its_owner_only(sign_ins: SignIns) -> None:
    session = sign_ins.open("u1")
    assert not sign_ins.sessions.is_open(session, "u2")
    sign_ins.open("u2")
    assert not sign_ins.sessions.is_open(session, "u2")


def test_a_session_expires_while_a_later_session_stays_open(
    sign_ins: SignIns, clock: FrozenClock
) -> None:
    session = sign_ins.open("u1")
    clock.advance(SESSION_LIFETIME - A_MILLISECOND)
    assert sign_ins.sessions.is_open(session, "u1")
    later = sign_ins.open("u1")
    assert sign_ins.list_open("u1", [session, later]) == [later]


def test_ending_a_session_leaves_the_others_open(sign_ins: SignIns) -> None:
    first, second = sign_ins.open("u1"), sign_ins.open("u1")
    sign_ins.sessions.end(first, "u1")
    assert sign_ins.list_open("u1", [first, second]) == [second]


def test_ending_an_unknown_session_is_not_an_error(sign_ins: SignIns) -> None:
    session = sign_ins.open("u1")
    for user_id in ("u1", "u1", "u2"):
        sign_ins.sessions.end(session, user_id)
    assert not sign_ins.sessions.is_open(session, "u1")


def test_a_user_cannot_end_the_session_of_another_user(sign_ins: SignIns) -> None:
    session = sign_ins.open("u1")
    sign_ins.sessions.end(session, "u2")
    assert sign_ins.sessions.is_open(session, "u1")


def test_ending_all_sessions_of_a_user_leaves_other_users_signed_in(sign_ins: SignIns) -> None:
    mine, theirs = [sign_ins.open("u1") for _ in range(3)], sign_ins.open("u2")
    transaction = sign_ins.begin()
    sign_ins.sessions.end_all("u1", transaction)
    assert sign_ins.list_open("u1", mine) == mine
    transaction.commit()
    assert sign_ins.list_open("u1", mine) == []
    assert sign_ins.sessions.is_open(theirs, "u2")
    again = sign_ins.open("u1")
    assert sign_ins.list_open("u1", [*mine, again]) == [again]


def test_a_new_session_can_replace_all_sessions(sign_ins: SignIns) -> None:
    mine, theirs = [sign_ins.open("u1") for _ in range(3)], sign_ins.open("u2")
    new = str(ULID.from_datetime(sign_ins.clock()))
    transaction = sign_ins.begin()
    sign_ins.sessions.replace_all(mine[1], new, "u1", transaction)
    assert not sign_ins.sessions.is_open(new, "u1")
    transaction.commit()
    assert sign_ins.list_open("u1", [*mine, new]) == [new]
    assert sign_ins.sessions.standing(new, "u1") == SELLER
    assert sign_ins.sessions.is_open(theirs, "u2")


def test_an_ended_session_can_not_be_replaced(sign_ins: SignIns) -> None:
    first, second = sign_ins.open("u1"), sign_ins.open("u1")
    new = str(ULID.from_datetime(sign_ins.clock()))
    sign_ins.sessions.end(first, "u1")
    transaction = sign_ins.begin()
    sign_ins.sessions.replace_all(first, new, "u1", transaction)
    with pytest.raises(Unauthenticated):
        transaction.commit()
    assert sign_ins.list_open("u1", [first, second, new]) == [second]


def test_open_sessions_are_listed_newest_first(sign_ins: SignIns, clock: FrozenClock) -> None:
    assert sign_ins.sessions.list_open("u1") == []
    expired = sign_ins.open("u1")
    clock.advance(timedelta(days=1))
    ended, first, second = (sign_ins.open("u1") for _ in range(3))
    sign_ins.sessions.end(ended, "u1")
    assert sign_ins.sessions.list_open("u1") == [second, first, expired]
    clock.advance(SESSION_LIFETIME - timedelta(days=1))
    assert sign_ins.sessions.list_open("u1") == [second, first]
    sign_ins.end_all("u1")
    assert sign_ins.sessions.list_open("u1") == []


def test_the_oldest_session_ends_when_there_are_too_many(sign_ins: SignIns) -> None:
    mine = [sign_ins.open("u1") for _ in range(MAX_SESSIONS + 2)]
    assert sign_ins.list_open("u1", mine) == mine[2:]


@pytest.mark.usefixtures("aws")
def test_the_sessions_of_a_user_fit_in_one_read_unit(clock: FrozenClock) -> None:
    sign_ins = SignIns(DynamoSessions(clock), DynamoTransaction, clock)
    user_id = str(ULID())
    for _ in range(MAX_SESSIONS):
        sign_ins.open(user_id)
    assert len(str(SignInRow.get(user_id).serialize())) < 4096


@pytest.mark.usefixtures("aws")
def test_the_row_expires_with_the_users_last_session(clock: FrozenClock) -> None:
    sign_ins = SignIns(DynamoSessions(clock), DynamoTransaction, clock)
    sign_ins.open("u1")
    clock.advance(timedelta(days=10))
    sign_ins.open("u1")
    last = clock() + SESSION_LIFETIME
    assert SignInRow.get("u1").expires_at == int(last.timestamp())


@pytest.mark.usefixtures("aws")
def test_a_sign_in_waits_for_the_transaction_that_holds_the_sessions(clock: FrozenClock) -> None:
    store, now = DynamoSessions(clock), new_id()
    with held_by_a_transaction("UpdateItem", times=3):
        store.open(now, "u1", SELLER)
    assert store.is_open(now, "u1")


# --- the role and the status of the account ------------------------------------------------------


def test_a_change_of_the_role_reaches_every_open_session(sign_ins: SignIns) -> None:
    mine, other = [sign_ins.open("u1") for _ in range(2)], sign_ins.open("u2")
    assert {sign_ins.sessions.standing(each, "u1") for each in mine} == {SELLER}
    sign_ins.change("u1", Role.USER, Status.PENDING)
    demoted = Standing(Role.USER, Status.PENDING)
    assert {sign_ins.sessions.standing(each, "u1") for each in mine} == {demoted}
    assert sign_ins.sessions.standing(other, "u2") == SELLER


def test_a_change_of_the_role_opens_no_session(sign_ins: SignIns) -> None:
    session = sign_ins.open("u1")
    sign_ins.sessions.end(session, "u1")
    sign_ins.change("u1", Role.ADMIN)
    sign_ins.change("u2", Role.ADMIN)
    assert sign_ins.sessions.standing(session, "u1") is None
    assert sign_ins.sessions.standing(session, "u2") is None


def test_no_session_of_a_suspended_account_is_open_until_it_is_reinstated(
    sign_ins: SignIns,
) -> None:
    before = sign_ins.open("u1")
    sign_ins.change("u1", Role.SELLER, Status.SUSPENDED)
    after = sign_ins.open("u1")
    assert sign_ins.list_open("u1", [before, after]) == []
    sign_ins.change("u1", Role.SELLER)
    assert sign_ins.list_open("u1", [before, after]) == [before, after]


@pytest.mark.parametrize("ends", [True, False])
def test_a_sign_in_that_was_under_way_does_not_restore_an_earlier_role(
    sign_ins: SignIns, ends: bool
) -> None:
    sign_ins.change("u1", Role.USER)
    if ends:
        sign_ins.end_all("u1")
    session = sign_ins.open("u1", Standing(Role.ADMIN))  # as read before the change
    assert sign_ins.sessions.standing(session, "u1") == Standing(Role.USER)


@pytest.mark.usefixtures("aws")
def test_a_session_without_a_role_is_not_open(clock: FrozenClock) -> None:
    session = str(ULID.from_datetime(clock()))
    SignInRow("u1", sessions={session}, expires_at=1).save()
    assert not DynamoSessions(clock).is_open(session, "u1")


@pytest.mark.usefixtures("aws")
def test_every_row_expires(clock: FrozenClock) -> None:
    sign_ins = SignIns(DynamoSessions(clock), DynamoTransaction, clock)
    sign_ins.end_all("u1")
    sign_ins.change("u2", Role.USER)
    ends = int((clock() + SESSION_LIFETIME).timestamp())
    assert [SignInRow.get(each).expires_at for each in ("u1", "u2")] == [ends, ends]
