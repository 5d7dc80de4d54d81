"""Second factors: one-time passwords, recovery codes, and the second step of a sign-in."""

from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth import endpoints
from auth.authentication import INVALID_CREDENTIALS, Challenge
from auth.endpoints import complete_login, confirm_totp, enrol_totp, get_me, login, remove_totp
from auth.model import Purpose, User
from auth.second_factor import (
    CHALLENGE_LIFETIME,
    STEP_SECONDS,
    SecondFactor,
    challenge,
    code_at,
    is_challenge,
)
from conftest import FrozenClock
from payment.endpoints import refund_payment
from supermarket import http
from supermarket.caller import Caller, Role, SignInAgain, Standing
from supermarket.clock import new_id, utc_now
from supermarket.config import settings
from supermarket.contracts import AccountChanged
from supermarket.errors import Conflict, DomainError, Invalid, NotFound, TooMany, Unauthenticated
from supermarket.sessions import SESSION_LIFETIME
from support.api import Reply, a_caller, call
from support.auth import PASSWORD, SENDER, InMemoryAuth, a_registration, register_somebody

SECRET = b32encode(b"12345678901234567890").decode()  # of RFC 6238
STEP = timedelta(seconds=STEP_SECONDS)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(SECRET, seconds // STEP_SECONDS) == code
    factor, now = SecondFactor("u1", SECRET), datetime.fromtimestamp(seconds, UTC)
    assert factor.use(code, now)
    assert factor.use(f" {code[:3]} {code[3:]} ", now)


@given(offset=st.integers(-5, 5))
def test_a_code_works_once_and_shortly(offset: int) -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    step = int(now.timestamp()) // STEP_SECONDS + offset
    factor = SecondFactor("u1", SECRET, is_confirmed=True)
    used = factor.use(code_at(SECRET, step), now)
    assert (used is not None) == (abs(offset) <= 1)
    if used:
        for earlier in range(step - 2, step + 1):
            assert used.use(code_at(SECRET, earlier), now + STEP) is None


@dataclass
class Shop:
    """A person who signs in to a shop."""

    auth: InMemoryAuth
    clock: FrozenClock
    user: User
    secret: str = ""

    def sign_in(self) -> Any:
        return self.auth.service.log_in(self.user.email, None, PASSWORD, SENDER)

    def caller(self) -> Caller:
        opened = self.auth.sign_ins.open(self.user, "")
        return self.auth.caller(opened.session_id, self.user)

    def code(self) -> str:
        self.clock.advance(STEP)
        return code_at(self.secret, int(self.clock().timestamp()) // STEP_SECONDS)

    def set_up(self) -> list[str]:
        caller = self.caller()
        self.secret = self.auth.second_factors.enrol(caller)[0].secret
        return list(self.auth.second_factors.confirm(caller, self.code()))

    def token(self) -> str:
        found = self.sign_in()
        assert isinstance(found, Challenge)
        return found.token

    def complete(self, token: str, code: str) -> Any:
        return self.auth.second_factors.complete_sign_in(token, code, SENDER, "")


@pytest.fixture
def shop(clock: FrozenClock) -> Shop:
    auth = InMemoryAuth(clock)
    return Shop(auth, clock, auth.registration_service.register(a_registration()))


def changes(shop: Shop) -> list[bool]:
    found = [each.model_dump()["change"] for each in shop.auth.outbox.of(AccountChanged)]
    return [each == "second-factor-added" for each in found if each.startswith("second")]


def refuses(error: type[DomainError], call: Any, *arguments: Any) -> None:
    with pytest.raises(error):
        call(*arguments)


def test_a_sign_in_needs_a_code_once_the_factor_is_confirmed(shop: Shop) -> None:
    shop.auth.second_factors.enrol(shop.caller())
    assert isinstance(shop.sign_in(), tuple), "not confirmed yet"
    codes = shop.set_up()
    assert len(set(codes)) == 10
    user, tokens, device = shop.complete(shop.token(), shop.code())
    assert user.mfa == ("totp",)
    assert shop.auth.sessions.is_open(tokens.session_id, shop.user.id)
    assert device
    assert changes(shop) == [True]


def test_each_code_works_once(shop: Shop) -> None:
    recovery, *_ = shop.set_up()
    code = shop.code()
    for right in (code, recovery.lower().replace("-", " ")):
        shop.complete(shop.token(), right)
        refuses(Unauthenticated, shop.complete, shop.token(), right)


def test_of_two_that_send_the_same_code_one_succeeds(shop: Shop) -> None:
    for right in (shop.set_up()[0], shop.code()):
        outcomes: list[bool] = []

        def other(right: str = right, outcomes: list[bool] = outcomes) -> None:
            shop.auth.factors.meanwhile = lambda: None
            outcomes.append(bool(shop.complete(shop.token(), right)))

        token = shop.token()
        shop.auth.factors.meanwhile = other
        refuses(Unauthenticated, shop.complete, token, right)
        assert outcomes == [True]


def test_codes_cannot_be_guessed(shop: Shop) -> None:
    """A right password, sent in between, does not reset the count, nor does another client."""
    shop.set_up()
    refused = 0
    for number in range(200):
        shop.clock.advance(timedelta(seconds=1))
        sender = replace(SENDER, client=f"client {number}")
        try:
            token = shop.token()
            shop.auth.second_factors.complete_sign_in(token, "guess", sender, "")
        except TooMany:
            refused += 1
        except Unauthenticated:
            pass
    assert refused >= 200 - 10 - 8
    refuses(TooMany, shop.complete, shop.token(), shop.code())
    shop.clock.advance(timedelta(hours=1))
    assert shop.complete(shop.token(), shop.code())


def test_a_challenge_ends_and_cannot_be_forged(shop: Shop) -> None:
    shop.set_up()
    token = shop.token()
    user_id, expires, signature = token.split(".")
    forged = [
        "",
        "x",
        f"{user_id}.{int(expires) + 1}.{signature}",
        f"{user_id}.²9.{signature}",
        f"{new_id()}.{expires}.{signature}",
        f"{user_id}.{expires}.",
        f"{token}.x",
    ]
    for each in forged:
        refuses(Unauthenticated, shop.complete, each, shop.code())
    token = shop.token()
    shop.clock.advance(CHALLENGE_LIFETIME)
    refuses(Unauthenticated, shop.complete, token, shop.code())


def test_a_new_password_ends_challenges(shop: Shop) -> None:
    shop.set_up()
    account = shop.auth.accounts.find(shop.user.id)
    assert account
    token = challenge(account, shop.clock())
    assert is_challenge(token, account, shop.clock())
    assert not is_challenge(token, replace(account, password_hash="another"), shop.clock())


def test_a_wrong_password_is_not_asked_for_a_code(shop: Shop) -> None:
    shop.set_up()
    with pytest.raises(Unauthenticated, match=INVALID_CREDENTIALS):
        shop.auth.service.log_in(shop.user.email, None, "wrong", SENDER)


def test_removing_takes_password_and_code(shop: Shop) -> None:
    service = shop.auth.second_factors
    caller = shop.caller()
    refuses(NotFound, service.remove, caller, PASSWORD, "123456", SENDER)
    codes = shop.set_up()
    refuses(Conflict, service.enrol, caller)
    refuses(Conflict, service.confirm, caller, shop.code())
    refuses(Invalid, service.remove, caller, "wrong", shop.code(), SENDER)
    refuses(Invalid, service.remove, caller, PASSWORD, "123456", SENDER)
    service.remove(caller, PASSWORD, codes[3], SENDER)
    assert isinstance(shop.sign_in(), tuple)
    assert changes(shop) == [True, False]
    refuses(NotFound, service.confirm, caller, shop.code())


def test_a_factor_is_set_up_shortly_after_a_sign_in(shop: Shop) -> None:
    caller = shop.caller()
    shop.auth.second_factors.enrol(caller)
    shop.clock.advance(SESSION_LIFETIME / 2)
    refuses(SignInAgain, shop.auth.second_factors.enrol, caller)
    refuses(SignInAgain, shop.auth.second_factors.confirm, caller, "123456")


def test_recovery_codes_are_stored_as_digests(shop: Shop) -> None:
    codes = shop.set_up()
    stored = str(shop.auth.factors.factors[shop.user.id])
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)
    assert shop.secret not in stored, "not even in a log of the object"


def test_the_session_knows_whether_there_is_a_factor(shop: Shop) -> None:
    caller = shop.caller()
    for change, expected in ((shop.set_up, True), (None, False)):
        if change:
            change()
        else:
            shop.auth.second_factors.remove(caller, PASSWORD, shop.code(), SENDER)
        standing = shop.auth.sessions.standing(caller.session_id, shop.user.id)
        assert standing
        assert standing.has_second_factor == expected
        seller = Standing(Role.SELLER)
        shop.auth.standing_service.change(shop.user.id, seller, "operator")
        kept = shop.auth.sessions.standing(caller.session_id, shop.user.id)
        assert kept
        assert (kept.role, kept.has_second_factor) == (Role.SELLER, expected)


# --- over HTTP --------------------------------------------------------------------------------


def sign_in(user: dict[str, Any]) -> Reply:
    return call(login, body={"email": user["email"], "password": PASSWORD})


def present_code(secret: str, later: int = 0) -> str:
    return code_at(secret, int(utc_now().timestamp()) // STEP_SECONDS + later)


def a_first_proof(shop: Shop) -> None:
    token = shop.auth.token_links.create(Purpose.EMAIL_VERIFICATION, shop.user.id)
    shop.auth.recovery.verify_email(str(token), None)


def an_undo_of_a_change(shop: Shop) -> None:
    links, changes = shop.auth.token_links, shop.auth.email_changes
    a_first_proof(shop)
    changes.confirm(
        str(links.create(Purpose.EMAIL_CHANGE, shop.user.id, "thief@example.com")), None
    )
    shop.user = shop.auth.account_service.user(shop.user.id)
    shop.set_up()
    former = shop.user.email_undo
    assert former
    changes.undo(str(links.create(Purpose.EMAIL_UNDO, shop.user.id, former.email)))


@pytest.mark.parametrize("proof", [a_first_proof, an_undo_of_a_change])
def test_a_factor_of_a_stranger_does_not_lock_the_owner_out(
    shop: Shop, proof: Callable[[Shop], None]
) -> None:
    shop.set_up()
    proof(shop)
    shop.user = shop.auth.account_service.user(shop.user.id)
    assert shop.user.mfa == ()
    token = shop.auth.token_links.create(Purpose.PASSWORD_RESET, shop.user.id)
    shop.auth.recovery.reset_password(str(token), PASSWORD)
    assert not isinstance(shop.sign_in(), Challenge)
    shop.set_up()
    assert isinstance(shop.sign_in(), Challenge)


@pytest.mark.usefixtures("aws")
def test_a_person_sets_up_uses_and_removes_a_factor() -> None:
    user = register_somebody()
    headers = {"authorization": f"Bearer {sign_in(user).body['accessToken']}"}
    enrolled = call(enrol_totp, headers=headers).body
    assert enrolled["uri"].startswith("otpauth://totp/Super-Market%3A")
    assert f"secret={enrolled['secret']}" in enrolled["uri"]
    assert enrolled["qr"].startswith("data:image/svg+xml")
    codes = call(confirm_totp, headers=headers, body={"code": "000"})
    assert codes.status == 400
    code = present_code(enrolled["secret"], -1)
    confirmed = call(confirm_totp, headers=headers, body={"code": code}).body
    assert len(confirmed["recoveryCodes"]) == 10
    assert call(get_me, headers=headers).body["user"]["mfa"] == ["totp"]

    first = sign_in(user)
    assert first.body.keys() == {"mfaRequired", "mfaToken", "methods"}
    assert first.body["methods"] == ["totp"]
    assert first.cookies == []
    token = first.body["mfaToken"]
    used = call(complete_login, body={"mfaToken": token, "code": code})
    assert used.status == 401, "used already"
    right = present_code(enrolled["secret"])
    second = call(complete_login, body={"mfaToken": token, "code": right})
    assert second.status == 200
    assert {"accessToken", "refreshToken", "user"} <= second.body.keys()
    assert len(second.cookies) == 3
    headers = {"authorization": f"Bearer {second.body['accessToken']}"}

    recovery = {"password": PASSWORD, "code": confirmed["recoveryCodes"][0]}
    assert call(remove_totp, headers=headers, body=recovery).status == 200
    assert "accessToken" in sign_in(user).body


@pytest.mark.usefixtures("aws")
def test_an_administrator_must_have_a_factor_where_the_parameter_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict = settings().model_copy(update={"admins_need_second_factor": True})
    monkeypatch.setattr(http, "settings", lambda: strict)
    path = {"paymentId": new_id()}
    for role in (Role.ADMIN, Role.USER):
        reply = call(endpoints.list_sessions, caller=a_caller(role))
        assert reply.status == 200, "it can be set up"
    bare = a_caller(Role.ADMIN)
    headers = {"idempotency-key": new_id()}
    refused = call(refund_payment, caller=bare, path=path, body={}, headers=headers)
    assert (refused.status, refused.body["code"]) == (403, "SECOND_FACTOR_REQUIRED")
    proven = replace(a_caller(Role.ADMIN), has_second_factor=True)
    assert call(refund_payment, caller=proven, path=path, body={}, headers=headers).status == 404


@pytest.mark.usefixtures("aws")
def test_a_refund_needs_a_recent_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    late = utc_now() + timedelta(minutes=16)
    monkeypatch.setattr("payment.endpoints.utc_now", lambda: late)
    headers = {"idempotency-key": new_id()}
    admin = a_caller(Role.ADMIN)
    path = {"paymentId": new_id()}
    refused = call(refund_payment, caller=admin, path=path, body={}, headers=headers)
    assert (refused.status, refused.body["code"]) == (403, "SIGN_IN_AGAIN")
