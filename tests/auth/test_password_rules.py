"""New passwords that are easy to guess, and usernames that are the shop's own."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.endpoints import change_password, login, register, reset_password
from auth.gateways import BcryptPasswords, _common_passwords
from auth.model import FullName, Purpose, User, is_reserved
from auth.password_rules import ADDITIONS, check_new_password
from auth.wiring import token_links
from supermarket.caller import Role
from supermarket.clock import utc_now
from supermarket.errors import Invalid
from support.api import Reply, call
from support.auth import PASSWORD, register_body, register_somebody

PASSWORDS = BcryptPasswords(rounds=4)
ASHA = User(
    "u1", "Rao.Asha", "cardamom@example.com", FullName("Meenakshi", "Rao"), Role.USER, utc_now()
)
GUESSABLE = [
    *("password", "12345678", "11111111", "        ", "iloveyou1", "PassWord", "abababab"),
    *("password2026!", "!!letmein!!", "\uff50assword", "monkey 123456"),
    *("rao.asha", "Rao.Asha77", "xx-cardamom-xx", "cardamom@example.com", "meenakshi forever"),
    *("SuperMarket 2026", "my super-market"),
]


def is_refused(password: str, user: User = ASHA) -> bool:
    try:
        check_new_password(password, user, PASSWORDS)
    except Invalid:
        return True
    return False


def codes(reply: Reply) -> list[tuple[str, str]]:
    assert reply.status == 400, reply.body
    return [(error["field"], error["code"]) for error in reply.body["errors"]]


@pytest.mark.parametrize("password", GUESSABLE)
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_new_password(password, ASHA, PASSWORDS, "newPassword")
    (error,) = refused.value.errors
    assert (error.field, error.code) == ("newPassword", "PASSWORD_TOO_COMMON")


@pytest.mark.parametrize("password", ["kX7-qq2_Zp9w", PASSWORD, "a brand new one", "häßlich?!"])
def test_another_password_is_taken(password: str) -> None:
    assert not is_refused(password)


def test_the_list_has_the_commonest_passwords() -> None:
    lines = _common_passwords().split()
    assert len(lines) > 40_000
    assert all(line == line.lower() for line in lines)


@settings(max_examples=100)
@given(
    st.integers(min_value=0),
    st.text(ADDITIONS, max_size=6),
    st.text(ADDITIONS, max_size=6),
    st.booleans(),
)
def test_additions_and_case_do_not_make_a_common_password_a_good_one(
    number: int, before: str, after: str, upper: bool
) -> None:
    lines = _common_passwords().split()
    common = lines[number % len(lines)].strip(ADDITIONS) or "password"
    if PASSWORDS.is_common(common):
        assert is_refused(before + (common.upper() if upper else common) + after)


def test_names_of_two_letters_are_in_many_passwords() -> None:
    short = replace(ASHA, email="a@example.com", full_name=FullName("Bo", "Li"))
    assert not is_refused("a boat on blue water", short)


def test_an_admin_needs_fifteen_characters() -> None:
    admin = replace(ASHA, role=Role.ADMIN)
    assert is_refused("kX7-qq2_Zp9w-4", admin)
    assert not is_refused("kX7-qq2_Zp9w-45", admin)


@pytest.mark.usefixtures("aws")
def test_every_endpoint_that_sets_a_password_refuses_common_ones() -> None:
    too_common = "PASSWORD_TOO_COMMON"
    refused = call(register, body=register_body(password="password1"))
    assert codes(refused) == [("password", too_common)]
    user = register_somebody()
    token = token_links().create(Purpose.PASSWORD_RESET, user["id"]) or "none"
    refused = call(reset_password, body={"token": token, "password": user["username"]})
    assert codes(refused) == [("password", too_common)]
    signed_in = call(login, body={"email": user["email"], "password": PASSWORD})
    headers = {"authorization": f"Bearer {signed_in.body['accessToken']}"}
    body = {"currentPassword": PASSWORD, "newPassword": "password1"}
    assert codes(call(change_password, body=body, headers=headers)) == [("newPassword", too_common)]
    # a refused password leaves the link usable
    body = {"token": token, "password": "a brand new password"}
    assert call(reset_password, body=body).status == 200


@pytest.mark.usefixtures("aws")
def test_a_login_does_not_load_the_list() -> None:
    user = register_somebody()
    _common_passwords.cache_clear()
    assert call(login, body={"email": user["email"], "password": PASSWORD}).status == 200
    assert _common_passwords.cache_info().currsize == 0


@pytest.mark.parametrize(
    "username", ["admin", "Support", "ROOT", "super-market", "Razor.pay", "admin_1", "...", "-_."]
)
@pytest.mark.usefixtures("aws")
def test_a_reserved_username_is_refused(username: str) -> None:
    reply = call(register, body=register_body(username=username))
    assert codes(reply) == [("username", "USERNAME_RESERVED")]


@pytest.mark.parametrize("username", ["asha", "badminton", "root-vegetables", "123", "me-and-you"])
def test_a_username_that_only_contains_a_reserved_one_is_free(username: str) -> None:
    assert not is_reserved(username)
