"""Passwords cannot be guessed without limit, and guessing does not lock the owner out."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random
from threading import Semaphore

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pynamodb.exceptions import GetError

from auth.endpoints import change_password, forgot_password, login, resend_verification
from auth.guesses import (
    DEVICE_LIFETIME,
    FIRST_DELAY,
    LONGEST_DELAY,
    FreeFailures,
    GuessRecord,
    Sender,
    device_cookie,
    known_device,
)
from auth.model import MAX_MAILS, MAX_MAILS_OF_STRANGERS, Account, Purpose, User
from auth.password_checks import PasswordChecks
from auth.repository import DynamoGuessRecords, GuessRow
from conftest import FrozenClock
from supermarket.clock import new_id
from supermarket.config import settings
from supermarket.contracts import PasswordResetRequested
from supermarket.errors import TooMany, Unauthenticated, Unavailable
from support.api import Reply, call
from support.auth import (
    PASSWORD,
    SENDER,
    InMemoryAuth,
    InMemoryGuessRecords,
    PlainPasswords,
    a_registration,
    register_somebody,
    signed_in,
)

PER_ACCOUNT_AND_CLIENT, PER_ACCOUNT, PER_CLIENT = 10, 50, 100
A_DAY = timedelta(days=1)

type Auth = InMemoryAuth


@pytest.fixture
def auth(clock: FrozenClock) -> Auth:
    return InMemoryAuth(clock)


@pytest.fixture
def user(auth: Auth) -> User:
    return auth.registration_service.register(a_registration())


def try_password(auth: Auth, user: User, password: str, sender: Sender) -> str | TooMany:
    """Return the cookie of the device, "wrong", or why the attempt was refused."""
    try:
        return signed_in(auth.service.log_in(user.email, None, password, sender))[2]
    except Unauthenticated:
        return "wrong"
    except TooMany as refusal:
        return refusal


def checked(auth: Auth) -> int:
    """How often a password was hashed for a check."""
    return len(auth.passwords.asked)


# --- 1,000 guesses ----------------------------------------------------------------------------


def test_one_client_guesses_an_account_as_often_as_configured(auth: Auth, user: User) -> None:
    answers = [try_password(auth, user, f"guess {n}", SENDER) for n in range(1000)]
    assert answers[:PER_ACCOUNT_AND_CLIENT] == ["wrong"] * PER_ACCOUNT_AND_CLIENT
    assert all(isinstance(answer, TooMany) for answer in answers[PER_ACCOUNT_AND_CLIENT:])
    assert checked(auth) == PER_ACCOUNT_AND_CLIENT


def test_many_clients_guess_an_account_as_often_as_configured(auth: Auth, user: User) -> None:
    for n in range(1000):
        try_password(auth, user, f"guess {n}", Sender(f"client {n}"))
    assert checked(auth) == PER_ACCOUNT


def test_one_client_tries_a_password_on_as_many_accounts_as_configured(auth: Auth) -> None:
    for n in range(1000):
        with pytest.raises((Unauthenticated, TooMany)):
            auth.service.log_in(f"p{n}@example.com", None, PASSWORD, SENDER)
    assert checked(auth) == PER_CLIENT


def test_many_clients_try_a_password_on_many_accounts_once_each(auth: Auth) -> None:
    for n in range(1000):
        with pytest.raises(Unauthenticated):
            auth.service.log_in(f"p{n}@example.com", None, PASSWORD, Sender(f"client {n}"))


def test_the_delay_doubles_up_to_a_quarter_of_an_hour(
    auth: Auth, user: User, clock: FrozenClock
) -> None:
    waits = []
    for _ in range(PER_ACCOUNT_AND_CLIENT + 12):
        answer = try_password(auth, user, "wrong", SENDER)
        while isinstance(answer, TooMany):
            waits.append(answer.retry_after)
            clock.advance(timedelta(seconds=answer.retry_after))
            answer = try_password(auth, user, "wrong", SENDER)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_failures_are_forgotten_after_a_quiet_day(
    auth: Auth, user: User, clock: FrozenClock
) -> None:
    for n in range(PER_ACCOUNT_AND_CLIENT + 1):
        try_password(auth, user, f"guess {n}", SENDER)
    clock.advance(A_DAY)
    answers = [try_password(auth, user, "wrong", SENDER) for _ in range(PER_ACCOUNT_AND_CLIENT)]
    assert answers == ["wrong"] * PER_ACCOUNT_AND_CLIENT


def test_an_account_is_the_same_by_email_and_username(auth: Auth, user: User) -> None:
    for n in range(100):
        email = user.email if n % 2 else None
        with pytest.raises((Unauthenticated, TooMany)):
            auth.service.log_in(email, user.username.upper(), "wrong", SENDER)
    assert checked(auth) == PER_ACCOUNT_AND_CLIENT


def test_unknown_names_are_throttled_like_accounts(auth: Auth, user: User) -> None:
    def answers(email: str) -> list[str]:
        seen = []
        for _ in range(PER_ACCOUNT_AND_CLIENT + 3):
            with pytest.raises((Unauthenticated, TooMany)) as refused:
                auth.service.log_in(email, None, "wrong", Sender(f"client of {email}"))
            seen.append(str(refused.value))
        return seen

    assert answers("unknown@example.com") == answers(user.email)


# --- the owner --------------------------------------------------------------------------------


def test_the_owners_device_gets_in_meanwhile(auth: Auth, user: User) -> None:
    known = try_password(auth, user, PASSWORD, Sender("home"))
    assert isinstance(known, str)
    for n in range(1000):
        try_password(auth, user, f"guess {n}", Sender(f"client {n % 200}"))
    assert isinstance(try_password(auth, user, PASSWORD, Sender("new phone")), TooMany)
    # also from the address of an attacker
    assert isinstance(try_password(auth, user, PASSWORD, Sender("client 1", known)), str)


def test_a_reset_makes_the_device_known(auth: Auth, user: User) -> None:
    for n in range(PER_ACCOUNT + 1):
        try_password(auth, user, f"guess {n}", Sender(f"client {n}"))
    token = auth.token_links.create(Purpose.PASSWORD_RESET, user.id)
    assert token
    known = auth.recovery.reset_password(token, "a brand new password")
    answer = try_password(auth, user, "a brand new password", Sender("client 1", known))
    assert isinstance(answer, str)


def test_a_known_device_has_limits_too(auth: Auth, user: User) -> None:
    known = try_password(auth, user, PASSWORD, SENDER)
    assert isinstance(known, str)
    before = checked(auth)
    for n in range(1000):
        try_password(auth, user, f"guess {n}", Sender(f"client {n}", known))
    assert checked(auth) - before <= PER_ACCOUNT_AND_CLIENT


def test_a_device_is_known_to_one_account_until_its_password_changes(
    auth: Auth, user: User, clock: FrozenClock
) -> None:
    account = auth.accounts.find(user.id)
    other = auth.accounts.find(auth.registration_service.register(a_registration()).id)
    assert account
    assert other
    device_id = new_id()
    cookie = device_cookie(account, device_id)
    now = clock()
    assert known_device(cookie, account, now) == device_id
    assert known_device(cookie, other, now) is None
    assert known_device(cookie, Account(user, "another hash"), now) is None
    assert known_device(cookie, None, now) is None
    for forged in ("", ".", device_id, f"{device_id}.", cookie[:-1], f"x{cookie}", "💥.💥"):
        assert known_device(forged, account, now) is None
    far = now + DEVICE_LIFETIME + timedelta(days=365 * 30)
    assert known_device(cookie, account, far) is None


# --- what is counted --------------------------------------------------------------------------


def test_right_passwords_are_not_counted(auth: Auth, user: User) -> None:
    for _ in range(3 * PER_CLIENT):
        assert isinstance(try_password(auth, user, PASSWORD, SENDER), str)


def test_a_right_password_forgives_the_client_at_this_account_only(auth: Auth, user: User) -> None:
    other = auth.registration_service.register(a_registration())
    for n in range(PER_CLIENT - 1):
        if n % (PER_ACCOUNT_AND_CLIENT - 2) == 0:
            assert isinstance(try_password(auth, user, PASSWORD, SENDER), str)
        assert try_password(auth, user, "wrong", SENDER) == "wrong"
    # the own account has not reset what the client did to others
    try_password(auth, other, "wrong", SENDER)
    assert isinstance(try_password(auth, other, "wrong", SENDER), TooMany)


def test_a_usual_login_writes_one_record(auth: Auth, user: User) -> None:
    known = try_password(auth, user, PASSWORD, SENDER)
    assert auth.guesses.writes == 1
    assert isinstance(known, str)
    try_password(auth, user, PASSWORD, Sender("elsewhere", known))
    assert auth.guesses.writes == 2


# --- every interleaving -----------------------------------------------------------------------

AT_ONCE = 8
FREE = FreeFailures(per_account_and_client=3, per_account=6, per_client=2 * AT_ONCE)


class Turns:
    """Runs attempts on threads, one step at a time: a step ends at the next call of the store or of
    bcrypt, and `choose` picks the thread of the next one.
    """

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._waiting: list[Semaphore] = []
        self._paused = Semaphore(0)

    def pause(self) -> None:
        mine = Semaphore(0)
        self._waiting.append(mine)
        self._paused.release()
        mine.acquire()

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        def work_through(work: Callable[[], None]) -> None:
            try:
                self.pause()
                work()
            finally:
                self._paused.release()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = []
            for work in works:
                done.append(pool.submit(work_through, work))
                self._paused.acquire()
            while self._waiting:
                self._waiting.pop(self._choose(len(self._waiting))).release()
                self._paused.acquire()
        for each in done:
            each.result()


class StepwiseRecords(InMemoryGuessRecords):
    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.pause = turns.pause

    def find(self, keys: Sequence[str]) -> Mapping[str, GuessRecord]:
        self.pause()
        return super().find(keys)

    def replace(self, record: GuessRecord) -> GuessRecord | None:
        self.pause()
        return super().replace(record)


class StepwisePasswords(PlainPasswords):
    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.meanwhile = turns.pause
        self.tried: list[str] = []

    def verify(self, password: str, password_hash: str | None) -> bool:
        self.tried.append(password)
        return super().verify(password, password_hash)


type Attempt = tuple[str, str]

attempts = st.tuples(st.sampled_from("aaabcdefgh"), st.sampled_from("xxyz"))
rounds = st.lists(
    st.tuples(st.lists(attempts, max_size=AT_ONCE), st.sampled_from([0, 0, 1, 5, 1000])),
    max_size=8,
)


@examples(max_examples=40, deadline=None)
@given(rounds, st.integers(0, 2**32))
def test_no_interleaving_hashes_more_passwords_than_configured(
    rounds: list[tuple[list[Attempt], int]], seed: int
) -> None:
    clock = FrozenClock()
    turns = Turns(Random(seed).randrange)
    passwords = StepwisePasswords(turns)
    checks = PasswordChecks(passwords, StepwiseRecords(turns), FREE, clock)

    def attempt(account: str, client: str) -> None:
        with suppress(TooMany):
            assert not checks.check(None, account, account + client, Sender(client))

    began = clock()
    for at_once, seconds in rounds:
        turns.run([partial(attempt, *each) for each in at_once])
        elapsed = clock() - began
        for pair in passwords.tried:
            assert passwords.tried.count(pair) <= most(FREE.per_account_and_client, elapsed)
        for account in "abcdefgh":
            of_account = [pair for pair in passwords.tried if pair[0] == account]
            assert len(of_account) <= most(FREE.per_account, elapsed)
        for client in "xyz":
            of_client = [pair for pair in passwords.tried if pair[1] == client]
            assert len(of_client) <= most(FREE.per_client, elapsed)
        clock.advance(timedelta(seconds=seconds))


def most(free: int, elapsed: timedelta) -> int:
    """Return how many failures the delays allow in a time."""
    number = free
    while elapsed >= (delay := min(FIRST_DELAY * 2 ** (number - free), LONGEST_DELAY)):
        elapsed -= delay
        number += 1
    return number


# --- mails with links -------------------------------------------------------------------------


def reset_mails(auth: Auth) -> int:
    return len(auth.outbox.of(PasswordResetRequested))


def test_a_stranger_cannot_use_up_the_mails_of_the_owner(auth: Auth, user: User) -> None:
    per_hour, strangers = min(MAX_MAILS.values()), min(MAX_MAILS_OF_STRANGERS.values())
    for _ in range(100):
        auth.recovery.request(Purpose.PASSWORD_RESET, user.email, Sender("stranger"))
    assert reset_mails(auth) == per_hour
    auth.recovery.request(Purpose.PASSWORD_RESET, user.email, Sender("owner"))
    assert reset_mails(auth) == per_hour + 1
    for n in range(100):
        auth.recovery.request(Purpose.PASSWORD_RESET, user.email, Sender(f"stranger {n}"))
    assert reset_mails(auth) == strangers


def test_a_known_device_has_mails_of_its_own(auth: Auth, user: User) -> None:
    known = try_password(auth, user, PASSWORD, Sender("home"))
    assert isinstance(known, str)
    for n in range(100):
        auth.recovery.request(Purpose.PASSWORD_RESET, user.email, Sender(f"stranger {n}"))
    before = reset_mails(auth)
    for _ in range(100):
        auth.recovery.request(Purpose.PASSWORD_RESET, user.email, Sender("home", known))
    assert reset_mails(auth) - before == min(MAX_MAILS.values())


@pytest.mark.usefixtures("aws")
def test_one_client_asks_for_a_limited_number_of_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_LINKS_PER_CLIENT", "3")
    settings.cache_clear()
    try:
        for endpoint in (forgot_password, resend_verification):
            replies = [call(endpoint, body={"email": f"p{n}@example.com"}) for n in range(5)]
            assert [reply.status for reply in replies] == [202] * 3 + [429] * 2
    finally:
        monkeypatch.undo()
        settings.cache_clear()


# --- on DynamoDB ------------------------------------------------------------------------------


@pytest.mark.usefixtures("aws")
def test_a_throttled_login_says_when_to_try_again() -> None:
    user = register_somebody()
    body = {"email": user["email"], "password": PASSWORD}
    known = device(call(login, body=body))
    for _ in range(PER_ACCOUNT_AND_CLIENT - 1):  # the login left its own attempt
        assert call(login, body={**body, "password": "wrong"}).status == 401
    refused = call(login, body=body)
    assert (refused.status, refused.body["code"]) == (429, "TOO_MANY")
    assert 1 <= int(refused.headers["retry-after"]) <= 900
    assert refused.cookies == []
    assert call(login, body=body, cookies=[known]).status == 200


@pytest.mark.usefixtures("aws")
def test_a_stolen_token_cannot_guess_the_password() -> None:
    user = register_somebody()
    reply = call(login, body={"email": user["email"], "password": PASSWORD})
    token = {"authorization": f"Bearer {reply.body['accessToken']}"}
    body = {"currentPassword": "wrong", "newPassword": "a brand new password"}
    replies = [
        call(change_password, body=body, headers=token) for _ in range(PER_ACCOUNT_AND_CLIENT + 3)
    ]
    assert {reply.status for reply in replies[:-4]} == {400}
    assert {reply.status for reply in replies[-2:]} == {429}
    body["currentPassword"] = PASSWORD
    changed = call(change_password, body=body, headers=token, cookies=[device(reply)])
    assert changed.status == 200
    assert device(changed) != device(reply)


def device(reply: Reply) -> str:
    (header,) = [each for each in reply.cookies if each.startswith("device=")]
    assert header.endswith("; Path=/api/auth; HttpOnly; SameSite=Lax; Secure")
    return header.partition(";")[0]


@pytest.mark.usefixtures("aws")
def test_a_record_that_changed_is_not_overwritten(clock: FrozenClock) -> None:
    records = DynamoGuessRecords(clock)
    empty = records.find(["a", "b"])["a"]
    assert empty == GuessRecord("a")
    stored = records.replace(empty.add("client", 1, clock()))
    assert stored
    assert records.replace(empty.add("client", 1, clock())) is None
    assert records.find(["a"])["a"] == stored
    assert records.replace(stored.add("client", 1, clock()))
    (row,) = GuessRow.scan()
    assert row.failures[0].number == 2
    assert row.expires_at == int((clock() + A_DAY).timestamp())


@pytest.mark.usefixtures("aws")
def test_a_store_that_does_not_answer_throttles_nobody(
    monkeypatch: pytest.MonkeyPatch, clock: FrozenClock, auth: Auth, user: User
) -> None:
    def silence(*_: object, **__: object) -> None:
        raise GetError(cause=ReadTimeoutError(endpoint_url="dynamodb"))

    records = DynamoGuessRecords(clock)
    monkeypatch.setattr(GuessRow, "find_many", silence)
    with pytest.raises(Unavailable):
        records.find(["a"])
    checks = PasswordChecks(auth.passwords, records, FREE, clock)
    account = auth.accounts.find(user.id)
    for _ in range(20):
        assert checks.check(account, user.email, PASSWORD, SENDER)
        assert not checks.check(account, user.email, "wrong", SENDER)
