"""Refresh tokens: rotation, parallel tabs and thieves, in memory and in DynamoDB alike."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from auth.model import REFRESH_TOLERANCE, RefreshToken, User
from auth.repository import DynamoAccounts, DynamoDevices
from auth.sign_ins import SignIns
from conftest import FrozenClock
from supermarket.clock import new_id
from supermarket.dynamo.rows import database
from supermarket.dynamo.sessions import DynamoSessions
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Unauthenticated
from supermarket.sessions import SESSION_LIFETIME
from support.auth import InMemoryAuth, a_registration, sign_ins_of
from support.cloud import aws_in_memory

SECOND = timedelta(seconds=1)
TABS = ("tab A", "tab B")
ACTORS = (*TABS, "thief")
PAUSES = st.sampled_from([0, 1, 9.999, 10, 900])

# refreshes by an actor, thefts of an actor's token, and pauses in seconds
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("refresh"), st.sampled_from(ACTORS)),
        st.tuples(st.just("steal"), st.sampled_from(TABS)),
        st.tuples(st.just("share"), st.permutations(TABS)),
        st.tuples(st.just("wait"), PAUSES),
    ),
    max_size=30,
)


class Shop:
    """Sign-ins of one user, with a clock."""

    def __init__(self, sign_ins: SignIns, user: User, clock: FrozenClock) -> None:
        self.sign_ins, self.user, self.clock = sign_ins, user, clock
        self.first = sign_ins.open(user, "Firefox").refresh

    def refresh(self, token: str) -> str | None:
        """Return the next token; None when it is refused."""
        try:
            user, tokens = self.sign_ins.refresh(token)
        except Unauthenticated:
            return None
        assert user == self.user
        return tokens.refresh

    @property
    def is_open(self) -> bool:
        token = RefreshToken.parse(self.first)
        assert token
        return self.sign_ins.sessions.is_open(token.session_id, token.user_id)


def shop_in_memory() -> Shop:
    clock = FrozenClock()
    auth = InMemoryAuth(clock)
    return Shop(auth.sign_ins, auth.registration_service.register(a_registration()), clock)


def shop_in_dynamo() -> Shop:
    clock = FrozenClock()
    source = InMemoryAuth(clock)
    user = source.registration_service.register(a_registration())
    account = source.accounts.find(user.id)
    assert account
    transaction = DynamoTransaction()
    DynamoAccounts().add(account, transaction)
    transaction.commit()
    sign_ins = sign_ins_of(DynamoAccounts(), DynamoDevices(), DynamoSessions(clock), clock)
    return Shop(sign_ins, user, clock)


@pytest.fixture(params=["in memory", "DynamoDB"])
def shop(request: pytest.FixtureRequest) -> Shop:
    if request.param == "in memory":
        return shop_in_memory()
    request.getfixturevalue("aws")
    return shop_in_dynamo()


# --- single steps -----------------------------------------------------------------------------


def test_each_refresh_yields_another_token_until_the_session_expires(shop: Shop) -> None:
    tokens = [shop.first]
    for _ in range(3):
        shop.clock.advance(SESSION_LIFETIME / 4)
        _, answer = shop.sign_ins.refresh(tokens[-1])
        tokens.append(answer.refresh)
        assert answer.access.startswith(f"{shop.user.id} {answer.session_id} user")
    assert len(set(tokens)) == 4
    assert answer.refresh_expires_in == (SESSION_LIFETIME / 4).total_seconds()
    shop.clock.advance(SESSION_LIFETIME / 4)
    assert shop.refresh(tokens[-1]) is None


def test_the_old_token_yields_the_same_successor_for_ten_seconds(shop: Shop) -> None:
    second = shop.refresh(shop.first)
    shop.clock.advance(REFRESH_TOLERANCE - SECOND / 1000)
    assert shop.refresh(shop.first) == second
    assert shop.is_open


def test_a_reuse_after_ten_seconds_ends_the_session_for_everyone(shop: Shop) -> None:
    second = shop.refresh(shop.first)
    shop.clock.advance(REFRESH_TOLERANCE)
    assert shop.refresh(shop.first) is None
    assert not shop.is_open
    assert second
    assert shop.refresh(second) is None


def test_a_token_before_the_old_one_ends_the_session_at_once(shop: Shop) -> None:
    second = shop.refresh(shop.first)
    assert second
    assert shop.refresh(second)
    assert shop.refresh(shop.first) is None
    assert not shop.is_open


def test_a_reuse_ends_no_other_session(shop: Shop) -> None:
    other = shop.sign_ins.open(shop.user, "Chrome").refresh
    shop.refresh(shop.first)
    shop.clock.advance(REFRESH_TOLERANCE)
    assert shop.refresh(shop.first) is None
    assert shop.refresh(other)


def test_a_token_is_valid_for_its_user_and_session_only(shop: Shop) -> None:
    other = RefreshToken.parse(shop.sign_ins.open(shop.user, "Chrome").refresh)
    token = RefreshToken.parse(shop.first)
    assert token
    assert other
    unknown = (new_id(), token.session_id), (token.user_id, new_id()), (new_id(), new_id())
    for user_id, session_id in unknown:
        assert shop.refresh(str(RefreshToken(user_id, session_id, token.secret))) is None
    assert shop.is_open
    assert shop.refresh(shop.first)
    # a wrong secret of a known session is a reuse: only its owner knows its id
    assert shop.refresh(str(RefreshToken(token.user_id, other.session_id, token.secret))) is None
    assert shop.refresh(str(other)) is None


def test_the_successor_cannot_be_computed_from_the_token_alone(shop: Shop) -> None:
    token = RefreshToken.parse(shop.first)
    assert token
    successors = {str(token.successor(salt)) for salt in ("", token.secret, shop.user.id)}
    assert shop.refresh(shop.first) not in successors
    assert token.successor("a") == token.successor("a") != token.successor("b")


# --- any interleaving ---------------------------------------------------------------------------


class Expected:
    """What a shop has to answer: the tokens in order, and when the last one was made."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.chain = [shop.first]
        self.rotated_at = shop.clock()
        self.is_open = True
        self.held = dict.fromkeys(ACTORS, shop.first)

    def refresh(self, actor: str) -> None:
        token = self.held[actor]
        age = len(self.chain) - 1 - self.chain.index(token)
        is_recent = self.shop.clock() < self.rotated_at + REFRESH_TOLERANCE
        answer = self.shop.refresh(token)
        if self.is_open and age == 0:
            assert answer
            assert answer not in self.chain
            self.chain.append(answer)
            self.rotated_at = self.shop.clock()
        elif self.is_open and age == 1 and is_recent:
            assert answer == self.chain[-1]
        else:
            assert answer is None
            self.is_open = False
        self.held[actor] = answer or token
        assert self.shop.is_open == self.is_open


def check_any_order(shop: Shop, steps: list[tuple[str, Any]]) -> None:
    expected = Expected(shop)
    for kind, what in steps:
        if kind == "refresh":
            expected.refresh(what)
        elif kind == "steal":
            expected.held["thief"] = expected.held[what]
        elif kind == "share":
            expected.held[what[0]] = expected.held[what[1]]
        else:
            shop.clock.advance(timedelta(seconds=what))


@given(STEPS)
def test_two_tabs_and_a_thief_in_any_order(steps: list[tuple[str, Any]]) -> None:
    check_any_order(shop_in_memory(), steps)


@hypothesis_settings(max_examples=15)
@given(STEPS)
def test_two_tabs_and_a_thief_in_any_order_on_dynamodb(steps: list[tuple[str, Any]]) -> None:
    with aws_in_memory():
        check_any_order(shop_in_dynamo(), steps)


ROUNDS = st.lists(
    st.tuples(st.permutations(TABS), st.floats(0, 9.9), st.sampled_from([11, 900, 86_400])),
    min_size=1,
    max_size=8,
)


@given(ROUNDS)
def test_tabs_that_refresh_at_the_same_time_stay_signed_in(
    rounds: list[tuple[list[str], float, int]],
) -> None:
    shop = shop_in_memory()
    token = shop.first
    for tabs, apart, pause in rounds:
        answers = []
        for _ in tabs:  # both send the token that they share
            answers.append(shop.refresh(token))
            shop.clock.advance(timedelta(seconds=apart / len(tabs)))
        (successor,) = set(answers)
        assert successor
        token = successor
        shop.clock.advance(timedelta(seconds=pause))
    assert shop.is_open


@given(st.sampled_from(["owner", "thief"]), st.integers(0, 3), st.sampled_from([10, 900, 86_400]))
def test_a_token_that_owner_and_thief_both_use_ends_the_session(
    first: str, rotations: int, pause: int
) -> None:
    shop = shop_in_memory()
    held = {"owner": shop.first, "thief": shop.first}
    second = ({*held} - {first}).pop()
    for _ in range(rotations + 1):
        held[first] = shop.refresh(held[first]) or "refused"
        shop.clock.advance(timedelta(seconds=pause))
    assert shop.is_open
    assert shop.refresh(held[second]) is None
    assert shop.refresh(held[first]) is None
    assert not shop.is_open


# --- races -------------------------------------------------------------------------------------


def test_a_refresh_that_loses_against_another_one_answers_its_successor() -> None:
    clock = FrozenClock()
    auth = InMemoryAuth(clock)
    user = auth.registration_service.register(a_registration())
    shop = Shop(auth.sign_ins, user, clock)
    answers: list[str | None] = []

    def another_tab_is_faster() -> None:
        auth.devices.meanwhile = lambda: None
        answers.append(shop.refresh(shop.first))

    auth.devices.meanwhile = another_tab_is_faster
    assert shop.refresh(shop.first) == answers[0] is not None
    assert shop.is_open


@contextmanager
def calls_one_by_one() -> Iterator[None]:
    """Makes each call to moto atomic, as DynamoDB's are."""
    client, lock = database().client, threading.Lock()
    real: Callable[..., Any] = client._make_api_call

    def call(*arguments: Any) -> Any:
        with lock:
            return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_make_api_call", call)
        yield


@pytest.mark.usefixtures("aws")
def test_of_many_refreshes_at_the_same_time_one_replaces_the_token() -> None:
    shop = shop_in_dynamo()
    token, tabs = shop.first, 6
    with calls_one_by_one(), ThreadPoolExecutor(tabs) as pool:
        for _ in range(3):
            begin = threading.Barrier(tabs)

            def refresh(token: str = token, begin: threading.Barrier = begin) -> str | None:
                begin.wait()
                return shop.refresh(token)

            (successor,) = {each.result() for each in [pool.submit(refresh) for _ in range(tabs)]}
            assert successor not in {None, token}
            token = successor or ""
    assert shop.is_open
