"""Auth over HTTP, on DynamoDB."""

import json
from datetime import timedelta
from functools import partial
from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from auth import endpoints, wiring
from auth.endpoints import (
    add_address,
    change_address,
    change_password,
    change_profile,
    delete_address,
    end_session,
    forgot_password,
    get_me,
    list_addresses,
    list_sessions,
    login,
    logout,
    logout_all,
    refresh_session,
    register,
    resend_verification,
    reset_password,
    verify_email,
)
from auth.model import MAX_ADDRESSES, MAX_MAILS, AddressBook, Purpose, SavedAddress, digest
from auth.repository import DeviceRow, DynamoAddressBooks, DynamoKeyRings, UserRow
from auth.signing import Secret, TokenIssuer
from auth.wiring import token_issuing
from product.endpoints import list_own_products
from supermarket.caller import Caller, Role, Standing, Status
from supermarket.clock import Clock, utc_now
from supermarket.config import settings
from supermarket.contracts import Envelope, UserRegistered
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.rows import database
from supermarket.dynamo.sessions import SignInRow
from supermarket.http import Endpoint
from supermarket.people import Address
from supermarket.wiring import sessions, token_issuer
from support.api import Reply, a_caller, bearer, call
from support.auth import ADDRESS, PASSWORD, register_body, register_somebody
from support.cloud import SIGNING_KEY

pytestmark = pytest.mark.usefixtures("aws")


def the_cookie(reply: Reply, name: str = "__Host-token") -> Morsel[str]:
    (found,) = [jar[name] for jar in map(SimpleCookie, reply.cookies) if name in jar]
    return found


SIGNED_IN = {"message", "user", "accessToken", "refreshToken", "expiresIn", "refreshExpiresIn"}


def log_in(user: dict[str, Any]) -> str:
    """The access token of a fresh session of `user`."""
    reply = call(login, body={"email": user["email"], "password": PASSWORD})
    assert reply.status == 200
    return str(reply.body["accessToken"])


def by_cookie(token: str) -> list[str]:
    return [f"__Host-token={token}"]


def by_header(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# --- register ---------------------------------------------------------------------------------


def test_registering_returns_the_user_and_signs_in() -> None:
    body = register_body(username="Asha.Rao-1", email=" Asha@Example.COM ", role="seller")
    reply = call(register, body=body)
    user = reply.body["user"]
    assert reply.status == 201
    assert set(reply.body) == SIGNED_IN
    assert {key: user[key] for key in user if key not in {"id", "createdAt"}} == {
        "username": "Asha.Rao-1",
        "email": "asha@example.com",
        "emailVerified": False,
        "fullName": {"firstName": "Asha", "lastName": "Rao"},
        "phone": None,
        "role": "seller",
        "status": "active",
        "mfa": [],
    }
    signed_in = call(get_me, cookies=by_cookie(the_cookie(reply).value))
    assert (signed_in.status, signed_in.body) == (200, {"user": user})


@pytest.mark.parametrize("name", [{"firstName": "Asha"}, {"firstName": "Asha", "lastName": ""}])
def test_one_name_is_enough(name: dict[str, str]) -> None:
    reply = call(register, body=register_body(fullName=name))
    assert reply.status == 201
    assert reply.body["user"]["fullName"] == {"firstName": "Asha", "lastName": ""}


MONTH_SECONDS = 30 * 24 * 3600


@pytest.mark.parametrize("endpoint", [register, login])
def test_the_cookies_belong_to_this_host_and_are_http_only_and_same_site(
    endpoint: Endpoint,
) -> None:
    body = register_body()
    if endpoint is login:
        register_somebody(**body)
        body = {"email": body["email"], "password": PASSWORD}
    reply = call(endpoint, body=body)
    refresh_seconds = reply.body["refreshExpiresIn"]
    assert MONTH_SECONDS - 5 <= refresh_seconds <= MONTH_SECONDS
    assert len(reply.cookies) == 3
    for name, field, max_age in (
        ("__Host-token", "accessToken", 900),
        ("__Host-refresh", "refreshToken", refresh_seconds),
    ):
        cookie = the_cookie(reply, name)
        assert (cookie.value, cookie["max-age"]) == (reply.body[field], str(max_age))
        assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "Lax", "")
        assert cookie["httponly"]
        assert cookie["secure"]


def test_on_plain_http_the_cookies_have_neither_prefix_nor_secure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = settings().model_copy(update={"storefront_url": "http://127.0.0.1:3000"})
    for module in ("auth.endpoints", "supermarket.authentication"):
        monkeypatch.setattr(f"{module}.settings", lambda: plain)
    reply = call(register, body=register_body())
    cookies = [the_cookie(reply, name) for name in ("token", "refresh")]
    assert not any(cookie["secure"] for cookie in cookies)
    assert call(get_me, cookies=[f"token={cookies[0].value}"]).status == 200
    refreshed = call(refresh_session, cookies=[f"refresh={cookies[1].value}"])
    assert refreshed.status == 200


def test_the_old_cookie_is_read_unless_there_is_the_new_one() -> None:
    mine, planted = log_in(register_somebody()), log_in(register_somebody(username="mallory"))
    assert call(get_me, cookies=[f"token={planted}"]).body["user"]["username"] == "mallory"
    for cookies in ([f"token={planted}", *by_cookie(mine)], [*by_cookie(mine), f"token={planted}"]):
        assert call(get_me, cookies=cookies).body["user"]["username"] != "mallory"


def test_registering_emits_an_event_without_the_password() -> None:
    user = register_somebody()
    (row,) = OutboxRow.scan()
    event = UserRegistered.model_validate(Envelope.model_validate_json(row.detail).data)
    assert row.detail_type == "UserRegistered"
    assert (event.user_id, event.email, event.first_name) == (user["id"], user["email"], "Asha")
    assert "assword" not in row.detail
    assert "$2b$" not in row.detail


def test_the_password_is_stored_as_a_hash_of_the_configured_cost() -> None:
    user = register_somebody()
    stored = UserRow.get(f"user#{user['id']}").password_hash
    assert stored.startswith(f"$2b$0{settings().bcrypt_rounds}$")
    assert PASSWORD not in json.dumps(UserRow.get(f"user#{user['id']}").to_simple_dict())


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"username": "ASHA"}, ["username"]),
        ({"email": "ASHA@EXAMPLE.com"}, ["email"]),
        ({"username": "aSha", "email": "asha@example.com"}, ["username", "email"]),
    ],
)
def test_names_are_unique_regardless_of_case(fields: dict[str, str], at_fault: list[str]) -> None:
    register_somebody(username="Asha", email="asha@example.com")
    reply = call(register, body=register_body(**fields))
    assert reply.status == 409
    assert [error["field"] for error in reply.body["errors"]] == at_fault
    assert reply.cookies == []
    assert len(list(OutboxRow.scan())) == 1


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"username": "ab"}, "username"),
        ({"username": "a" * 31}, "username"),
        ({"username": "a b c"}, "username"),
        ({"username": "asha\n"}, None),  # trimmed like any surrounding blank
        ({"username": "äsha"}, "username"),
        ({"username": ["asha"]}, "username"),
        ({"email": "asha"}, "email"),
        ({"email": "Asha <asha@example.com>"}, "email"),
        ({"email": "asha@example.com,b@example.com"}, "email"),
        ({"email": ["a@example.com", "b@example.com"]}, "email"),
        ({"email": "asha@localhost"}, "email"),
        ({"email": "a@" + "x" * 300 + ".com"}, "email"),
        ({"email": "a" * 65 + "@example.com"}, "email"),
        ({"email": {"$ne": ""}}, "email"),
        ({"password": "7 chars"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": 12345678}, "password"),
        ({"password": None}, "password"),
        ({"fullName": {"firstName": "", "lastName": "Rao"}}, "fullName.firstName"),
        ({"fullName": {"firstName": "A\r\nBcc: x", "lastName": "R"}}, "fullName.firstName"),
        ({"fullName": {"lastName": "Rao"}}, "fullName.firstName"),
        ({"fullName": {"firstName": "\u200b", "lastName": "Rao"}}, "fullName.firstName"),
        ({"fullName": {"firstName": "Asha", "lastName": "\u200b"}}, "fullName.lastName"),
        ({"fullName": "Asha Rao"}, "fullName"),
        ({"role": "admin"}, "role"),
        ({"role": None}, "role"),
        ({"emailVerified": True}, "emailVerified"),
    ],
)
def test_an_invalid_registration_names_the_field(
    fields: dict[str, Any], at_fault: str | None
) -> None:
    reply = call(register, body=register_body(**fields))
    if at_fault is None:
        assert reply.status == 201
    else:
        assert reply.status == 400
        assert [error["field"] for error in reply.body["errors"]] == [at_fault]
        assert list(OutboxRow.scan()) == []


def test_an_email_with_an_international_domain_has_one_spelling() -> None:
    register_somebody(email="asha@bücher.example")
    reply = call(register, body=register_body(email="Asha@xn--bcher-kva.example"))
    assert reply.status == 409


def test_all_characters_of_a_password_count_including_white_space() -> None:
    password = " " + "x" * 126 + "!"
    user = register_somebody(password=password)
    for wrong in (password.strip(), password[:-1], password[:72]):
        reply = call(login, body={"email": user["email"], "password": wrong})
        assert reply.status == 401
    assert call(login, body={"email": user["email"], "password": password}).status == 200


# --- login ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [{"email": "ASHA@example.com "}, {"username": "aSHA"}, {"username": "Asha"}]
)
def test_email_and_username_log_in_regardless_of_case(name: dict[str, str]) -> None:
    user = register_somebody(username="Asha", email="asha@example.com")
    reply = call(login, body={**name, "password": PASSWORD})
    assert reply.status == 200
    assert set(reply.body) == SIGNED_IN
    assert (reply.body["user"], reply.body["expiresIn"]) == (user, 900)
    assert the_cookie(reply).value == reply.body["accessToken"]
    assert call(get_me, headers=by_header(reply.body["accessToken"])).body == {"user": user}


@pytest.mark.parametrize(
    "body",
    [
        {"email": "asha@example.com", "password": "wrong"},
        {"email": "asha@example.com", "password": PASSWORD.upper()},
        {"email": "ravi@example.com", "password": PASSWORD},
        {"username": "ravi", "password": PASSWORD},
        {"username": "email#asha@example.com", "password": PASSWORD},
        {"username": "", "password": PASSWORD},
    ],
)
def test_wrong_credentials_are_401_with_one_message(body: dict[str, str]) -> None:
    register_somebody(username="Asha", email="asha@example.com")
    reply = call(login, body=body)
    assert (reply.status, reply.body["message"]) == (401, "Invalid credentials")
    assert "errors" not in reply.body
    assert reply.cookies == []


@pytest.mark.parametrize(
    "body",
    [
        {"password": PASSWORD},
        {"email": None, "password": PASSWORD},
        {"email": "asha@example.com"},
        {"email": ["asha@example.com", "ravi@example.com"], "password": PASSWORD},
        {"username": {"$ne": None}, "password": PASSWORD},
        {"email": "asha@example.com", "password": 1},
        {"email": "asha@example.com", "password": "x" * 2000},
        {},
    ],
)
def test_an_invalid_login_is_400_with_errors(body: dict[str, Any]) -> None:
    reply = call(login, body=body)
    assert reply.status == 400
    assert reply.body["errors"]


# --- logout -----------------------------------------------------------------------------------


@pytest.mark.parametrize("means", ["cookie", "header"])
def test_a_logout_ends_only_its_session_at_once(means: str) -> None:
    user = register_somebody()
    token, other = log_in(user), log_in(user)
    if means == "cookie":
        reply = call(logout, cookies=by_cookie(token))
    else:
        reply = call(logout, headers=by_header(token))
    assert reply.status == 200
    assert call(get_me, headers=by_header(token)).status == 401
    assert call(get_me, headers=by_header(other)).status == 200


def test_a_logout_deletes_the_cookie() -> None:
    reply = call(logout)
    for name in ("__Host-token", "__Host-refresh", "token"):
        _is_deleted(the_cookie(reply, name))


def _is_deleted(cookie: Morsel[str]) -> None:
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert cookie["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (cookie["path"], cookie["samesite"]) == ("/", "Lax")
    assert cookie["secure"]
    assert cookie["httponly"]


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "💥"])
def test_a_logout_without_a_session_is_200(token: str) -> None:
    assert call(logout, cookies=by_cookie(token)).status == 200
    assert call(logout, headers=by_header(token)).status == 200


def test_logging_out_twice_is_no_error() -> None:
    token = log_in(register_somebody())
    assert call(logout, cookies=by_cookie(token)).status == 200
    assert call(logout, cookies=by_cookie(token)).status == 200


def an_issuer(secret: Secret, clock: Clock) -> TokenIssuer:
    return TokenIssuer(lambda: secret, DynamoKeyRings(), lambda _: True, token_issuer(), clock)


def test_an_expired_token_can_end_its_session() -> None:
    caller = a_caller()
    bearer(caller)
    an_hour_ago = utc_now() - timedelta(hours=1)
    stale = an_issuer(SIGNING_KEY, lambda: an_hour_ago).issue(caller)
    assert call(get_me, headers=by_header(stale)).status == 401
    assert sessions().is_open(caller.session_id, caller.user_id)

    assert call(logout, cookies=by_cookie(stale)).status == 200
    assert not sessions().is_open(caller.session_id, caller.user_id)


def test_a_forged_token_ends_no_session() -> None:
    caller = a_caller()
    bearer(caller)
    forged = an_issuer({**SIGNING_KEY, "seed": "another seed"}, utc_now).issue(caller)
    assert call(logout, headers=by_header(forged)).status == 200
    assert sessions().is_open(caller.session_id, caller.user_id)


def test_another_site_cannot_post_a_logout() -> None:
    caller = a_caller()
    bearer(caller)
    event_headers = {"origin": "https://evil.example"}
    token = token_issuing().issue(caller)
    posted = Endpoint(logout.function, "POST", logout.path)
    assert call(posted, cookies=by_cookie(token), headers=event_headers).status == 403
    assert sessions().is_open(caller.session_id, caller.user_id)


# --- refresh ----------------------------------------------------------------------------------


def sign_in(user: dict[str, Any]) -> Reply:
    return call(login, body={"email": user["email"], "password": PASSWORD})


@pytest.mark.parametrize("means", ["cookie", "body"])
def test_a_refresh_answers_like_a_login_and_replaces_the_token(means: str) -> None:
    user = register_somebody()
    token = sign_in(user).body["refreshToken"]
    for _ in range(3):
        options: dict[str, Any] = {"body": {"refreshToken": token}}
        if means == "cookie":
            options = {"cookies": [f"__Host-refresh={token}"]}
        reply = call(refresh_session, **options)
        assert (reply.status, set(reply.body), reply.body["user"]) == (200, SIGNED_IN, user)
        assert call(get_me, headers=by_header(reply.body["accessToken"])).status == 200
        assert the_cookie(reply, "__Host-refresh").value == reply.body["refreshToken"] != token
        assert the_cookie(reply).value == reply.body["accessToken"]
        token = reply.body["refreshToken"]


def test_an_expired_access_token_does_not_hinder_a_refresh() -> None:
    signed_in = sign_in(register_somebody()).body
    cookies = ["__Host-token=expired", f"__Host-refresh={signed_in['refreshToken']}"]
    assert call(refresh_session, cookies=cookies).status == 200


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "..", "💥", "x" * 128, f"{'0' * 26}.{'0' * 26}.", f"{'0' * 26}.secret"],
)
def test_text_that_is_no_refresh_token_is_401(token: str) -> None:
    assert call(refresh_session, body={"refreshToken": token}).status == 401
    assert call(refresh_session).status == 401
    assert call(logout, cookies=[f"__Host-refresh={token}"]).status == 200


@pytest.mark.parametrize("body", [{"refreshToken": 1}, {"refreshToken": "x" * 129}, {"token": "x"}])
def test_an_invalid_refresh_is_400(body: dict[str, Any]) -> None:
    assert call(refresh_session, body=body).status == 400


def test_an_access_token_refreshes_nothing() -> None:
    signed_in = sign_in(register_somebody()).body
    reply = call(refresh_session, cookies=[f"__Host-refresh={signed_in['accessToken'][:100]}"])
    assert reply.status == 401
    assert call(get_me, headers=by_header(signed_in["accessToken"])).status == 200


def test_another_site_cannot_refresh_by_cookie() -> None:
    token = sign_in(register_somebody()).body["refreshToken"]
    cookies = [f"__Host-refresh={token}"]
    foreign = {"origin": "https://evil.example"}
    assert call(refresh_session, cookies=cookies, headers=foreign).status == 403
    assert call(refresh_session, cookies=cookies).status == 200


def test_a_refresh_gives_the_present_role_and_a_suspended_account_none() -> None:
    user = register_somebody()
    token = sign_in(user).body["refreshToken"]
    wiring.standing_service().change(user["id"], Standing(Role.SELLER), "admin-1")
    reply = call(refresh_session, body={"refreshToken": token})
    assert reply.body["user"]["role"] == "seller"
    suspended = Standing(Role.SELLER, Status.SUSPENDED)
    wiring.standing_service().change(user["id"], suspended, "admin-1")
    body = {"refreshToken": reply.body["refreshToken"]}
    assert call(refresh_session, body=body).status == 401
    UserRow(f"user#{user['id']}").delete()
    assert call(refresh_session, body=body).status == 401


def test_a_logout_by_the_refresh_cookie_ends_its_session() -> None:
    signed_in = sign_in(register_somebody()).body
    assert call(logout, cookies=[f"__Host-refresh={signed_in['refreshToken']}x"]).status == 200
    assert call(get_me, headers=by_header(signed_in["accessToken"])).status == 200
    assert call(logout, cookies=[f"__Host-refresh={signed_in['refreshToken']}"]).status == 200
    assert call(get_me, headers=by_header(signed_in["accessToken"])).status == 401
    assert call(refresh_session, body={"refreshToken": signed_in["refreshToken"]}).status == 401


def test_no_refresh_token_is_stored_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    tokens = [sign_in(register_somebody()).body["refreshToken"]]
    for _ in range(2):
        reply = call(refresh_session, body={"refreshToken": tokens[-1]})
        tokens.append(reply.body["refreshToken"])
    assert call(refresh_session, body={"refreshToken": tokens[0]}).status == 401  # ends it
    devices = DeviceRow.scan(DeviceRow.pk.startswith("device#"))
    stored = [str(row.serialize()) for row in (*devices, *SignInRow.scan())]
    assert len(stored) == 3
    said = "".join([*stored, *(str(vars(record)) for record in caplog.records)])
    assert "refresh token reused" in said
    for token in tokens:
        assert digest(token) != token
        assert token.rpartition(".")[2] not in said


# --- the list of sessions -----------------------------------------------------------------------


def listed(token: str) -> list[dict[str, Any]]:
    reply = call(list_sessions, headers=by_header(token))
    assert reply.status == 200
    found: list[dict[str, Any]] = reply.body["sessions"]
    return found


def test_the_open_sessions_are_listed_with_their_clients() -> None:
    user = register_somebody()
    body = {"email": user["email"], "password": PASSWORD}
    agents = ("Firefox", "a\x07\u202e" + "x" * 300, "Chrome")
    replies = [call(login, body=body, headers={"user-agent": agent}) for agent in agents]
    refreshed = call(refresh_session, body={"refreshToken": replies[2].body["refreshToken"]}).body
    register_somebody()

    found = listed(refreshed["accessToken"])

    assert [each["client"] for each in found] == ["Chrome", "a" + "x" * 199, "Firefox", ""]
    assert [each["current"] for each in found] == [True, False, False, False]
    assert set(found[0]) == {"id", "current", "createdAt", "lastUsedAt", "client"}
    assert found[0]["lastUsedAt"] > found[0]["createdAt"] >= found[1]["createdAt"]


def test_one_session_can_be_ended() -> None:
    user = register_somebody()
    mine, other = log_in(user), log_in(user)
    (other_id,) = [each["id"] for each in listed(other) if each["current"]]
    reply = call(end_session, path={"sessionId": other_id}, headers=by_header(mine))
    assert (reply.status, reply.cookies) == (200, [])
    assert call(get_me, headers=by_header(other)).status == 401
    assert other_id not in [each["id"] for each in listed(mine)]
    again = call(end_session, path={"sessionId": other_id}, headers=by_header(mine))
    assert again.status == 404


def test_ending_the_own_session_deletes_the_cookies() -> None:
    token = log_in(register_somebody())
    (own,) = [each["id"] for each in listed(token) if each["current"]]
    reply = call(end_session, path={"sessionId": own}, headers=by_header(token))
    assert (reply.status, the_cookie(reply).value) == (200, "")
    assert call(get_me, headers=by_header(token)).status == 401


def test_the_session_of_another_user_is_404_and_stays() -> None:
    mine, theirs = (log_in(register_somebody()) for _ in range(2))
    for session_id in (listed(theirs)[0]["id"], "unknown", "x" * 500):
        reply = call(end_session, path={"sessionId": session_id}, headers=by_header(mine))
        assert reply.status == 404
    assert call(get_me, headers=by_header(theirs)).status == 200


def test_a_login_ends_the_session_whose_cookies_it_replaces() -> None:
    user = register_somebody()
    first, second, by_bearer = sign_in(user).body, sign_in(user).body, sign_in(user).body
    body = {"email": user["email"], "password": PASSWORD}
    assert call(login, body=body, cookies=by_cookie(first["accessToken"])).status == 200
    assert (
        call(login, body=body, cookies=[f"__Host-refresh={second['refreshToken']}"]).status == 200
    )
    assert call(login, body=body, headers=by_header(by_bearer["accessToken"])).status == 200
    status = [
        call(get_me, headers=by_header(each["accessToken"])).status
        for each in (first, second, by_bearer)
    ]
    assert status == [401, 401, 200]


def test_a_failed_login_ends_no_session() -> None:
    user = register_somebody()
    token = log_in(user)
    body = {"email": user["email"], "password": "wrong"}
    assert call(login, body=body, cookies=by_cookie(token)).status == 401
    assert call(get_me, headers=by_header(token)).status == 200


# --- me ---------------------------------------------------------------------------------------


def test_me_returns_the_stored_user_and_not_the_tokens() -> None:
    user = register_somebody()
    token = log_in(user)
    UserRow(f"user#{user['id']}").update(actions=[Path("user.full_name.first").set("Usha")])
    reply = call(get_me, headers=by_header(token))
    assert reply.body["user"]["fullName"] == {"firstName": "Usha", "lastName": "Rao"}


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing(Role.USER), 403),
        (Standing(Role.SELLER, Status.PENDING), 403),
        (Standing(Role.SELLER, Status.SUSPENDED), 401),
    ],
)
def test_a_seller_who_loses_the_role_or_is_suspended_is_refused_at_the_next_request(
    standing: Standing, status: int
) -> None:
    seller = register_somebody(role="seller")
    headers = by_header(log_in(seller))
    assert call(list_own_products, headers=headers).status == 200
    wiring.standing_service().change(seller["id"], standing, "admin-1")
    assert call(list_own_products, headers=headers).status == status
    wiring.standing_service().change(seller["id"], Standing(Role.SELLER), "admin-1")
    assert call(list_own_products, headers=headers).status == 200


def test_a_suspended_account_cannot_log_in() -> None:
    user = register_somebody()
    suspended = Standing(Role.USER, Status.SUSPENDED)
    wiring.standing_service().change(user["id"], suspended, "admin-1")
    reply = call(login, body={"email": user["email"], "password": PASSWORD})
    assert (reply.status, reply.cookies) == (403, [])


def test_a_session_of_a_deleted_account_is_401() -> None:
    assert call(get_me, caller=a_caller()).status == 401


# --- addresses --------------------------------------------------------------------------------


def test_a_new_book_is_empty() -> None:
    reply = call(list_addresses, caller=a_caller())
    assert (reply.status, reply.body) == (200, {"addresses": [], "defaultAddressId": None})


def test_the_first_address_becomes_the_default() -> None:
    caller = a_caller()
    reply = call(add_address, body={**ADDRESS, "phone": "+91 98765-43210"}, caller=caller)
    address = reply.body["address"]
    assert reply.status == 201
    assert reply.body["message"]
    assert address == {
        **ADDRESS,
        "id": address["id"],
        "version": 1,
        "name": None,
        "phone": "+919876543210",
        "isDefault": True,
    }
    assert reply.body["addresses"] == [address]
    listed = call(list_addresses, caller=caller)
    assert listed.body == {"addresses": [address], "defaultAddressId": address["id"]}


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"zip": "560 001"}, {"zip": "560001"}),
        ({"zip": "५६०००१", "country": "भारत"}, {"zip": "560001", "country": "IN"}),
        ({"country": "India"}, {"country": "IN"}),
        ({"country": "Ghana", "zip": ""}, {"country": "GH", "zip": ""}),
        ({"country": "SG", "state": "", "zip": "018956"}, {"country": "SG", "state": ""}),
        ({"name": " "}, {"name": None}),
        ({"phone": "(080) 4112-3456"}, {"phone": "+918041123456"}),
        ({"country": "GH", "phone": "024 412 3456"}, {"phone": "+233244123456"}),
        ({"phone": ""}, {"phone": None}),
        ({"name": " Usha R. "}, {"name": "Usha R."}),
        ({"city": "Cafe\u0301"}, {"city": "Caf\u00e9"}),
    ],
)
def test_an_address_is_kept_in_one_form(fields: dict[str, Any], kept: dict[str, Any]) -> None:
    reply = call(add_address, body={**ADDRESS, **fields}, caller=a_caller())
    assert reply.status == 201
    assert reply.body["address"] == reply.body["address"] | kept


def test_an_address_needs_no_state_and_no_postal_code_where_there_are_none() -> None:
    body = {"street": "1 Independence Avenue", "city": "Accra", "country": "घाना"}
    address = call(add_address, body=body, caller=a_caller()).body["address"]
    assert (address["state"], address["zip"], address["country"]) == ("", "", "GH")


def test_a_new_default_address_replaces_the_old_one() -> None:
    caller = a_caller()
    call(add_address, body=ADDRESS, caller=caller)
    reply = call(add_address, body={**ADDRESS, "isDefault": True}, caller=caller)
    assert [address["isDefault"] for address in reply.body["addresses"]] == [False, True]
    assert reply.body["address"]["isDefault"]


def test_the_postal_code_may_be_called_pincode() -> None:
    body = {key: value for key, value in ADDRESS.items() if key != "zip"} | {"pincode": "560001"}
    reply = call(add_address, body=body, caller=a_caller())
    assert (reply.status, reply.body["address"]["zip"]) == (201, "560001")


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"zip": "56001"}, "zip"),
        ({"zip": "56001A"}, "zip"),
        ({"zip": 560001}, "zip"),
        ({"zip": "000000"}, "zip"),
        ({"zip": ""}, "zip"),
        ({"country": "Atlantis"}, "country"),
        ({"state": " "}, "state"),
        ({"city": "\u200b"}, "city"),
        ({"name": "\u200b"}, "name"),
        ({"country": "US"}, "zip"),
        ({"country": "US", "zip": "10001-12"}, "zip"),
        ({"country": ""}, "country"),
        ({"street": "  "}, "street"),
        ({"street": "x" * 121}, "street"),
        ({"city": None}, "city"),
        ({"city": {"a": 1}}, "city"),
        ({"state": "Kar\u0000nataka"}, "state"),
        ({"phone": "call me"}, "phone"),
        ({"phone": "12345"}, "phone"),
        ({"isDefault": "yes"}, "isDefault"),
        ({"id": "mine"}, "id"),
        ({"pincode": "560001"}, "pincode"),
    ],
)
def test_an_invalid_address_names_the_field(fields: dict[str, Any], at_fault: str) -> None:
    caller = a_caller()
    reply = call(add_address, body={**ADDRESS, **fields}, caller=caller)
    assert reply.status == 400
    assert at_fault in [error["field"] for error in reply.body["errors"]]
    assert call(list_addresses, caller=caller).body["addresses"] == []


@pytest.mark.parametrize("missing", ADDRESS)
def test_an_incomplete_address_is_400(missing: str) -> None:
    body = {key: value for key, value in ADDRESS.items() if key != missing}
    reply = call(add_address, body=body, caller=a_caller())
    assert reply.status == 400
    assert missing in [error["field"] for error in reply.body["errors"]]


def test_a_full_book_is_a_conflict() -> None:
    caller = a_caller()
    home = vars(Address(**ADDRESS))
    addresses = tuple(SavedAddress(id=f"a{number}", **home) for number in range(MAX_ADDRESSES))
    assert DynamoAddressBooks().replace(AddressBook(caller.user_id, addresses, "a0"))
    assert call(add_address, body=ADDRESS, caller=caller).status == 409
    assert len(call(list_addresses, caller=caller).body["addresses"]) == MAX_ADDRESSES


def test_deleting_the_default_promotes_another() -> None:
    caller = a_caller()
    first, second = (
        call(add_address, body=ADDRESS, caller=caller).body["address"]["id"] for _ in range(2)
    )
    reply = call(delete_address, path={"addressId": first}, caller=caller)
    assert reply.status == 200
    assert [address["id"] for address in reply.body["addresses"]] == [second]
    assert reply.body["defaultAddressId"] == second
    assert reply.body["addresses"][0]["isDefault"]


@pytest.mark.parametrize("address_id", ["unknown", "..%2f..", "x" * 500, "💥"])
def test_an_unknown_address_is_404(address_id: str) -> None:
    path = {"addressId": address_id}
    assert call(delete_address, path=path, caller=a_caller()).status == 404
    assert call(change_address, path=path, body={"city": "Pune"}, caller=a_caller()).status == 404


def test_an_address_of_another_user_is_404_and_stays() -> None:
    owner = a_caller()
    address = call(add_address, body=ADDRESS, caller=owner).body["address"]
    path = {"addressId": address["id"]}
    assert call(delete_address, path=path, caller=a_caller()).status == 404
    assert call(change_address, path=path, body={"city": "Pune"}, caller=a_caller()).status == 404
    assert call(list_addresses, caller=owner).body["addresses"] == [address]


def changed(address: dict[str, Any], body: Any, caller: Caller, **headers: str) -> Reply:
    path = {"addressId": address["id"]}
    return call(change_address, path=path, body=body, caller=caller, headers=headers)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"street": "1 Park Street"}, {"street": "1 Park Street"}),
        ({"pincode": "५६० ००२"}, {"zip": "560002"}),
        ({"phone": "(080) 4112-3456"}, {"phone": "+918041123456"}),
        ({"name": "", "phone": ""}, {"name": None, "phone": None}),
        ({"country": "घाना", "zip": "", "state": ""}, {"country": "GH", "zip": "", "state": ""}),
    ],
)
def test_an_address_is_changed(fields: dict[str, Any], kept: dict[str, Any]) -> None:
    caller = a_caller()
    body = {**ADDRESS, "name": "Usha", "phone": "+919876543210"}
    before = call(add_address, body=body, caller=caller).body["address"]
    reply = changed(before, fields, caller)
    assert reply.status == 200
    assert reply.body["addresses"] == [before | kept | {"version": 2}]


def test_a_changed_address_becomes_the_default() -> None:
    caller = a_caller()
    first, second = (
        call(add_address, body=ADDRESS, caller=caller).body["address"] for _ in range(2)
    )
    assert changed(second, {"isDefault": False}, caller).body["defaultAddressId"] == first["id"]
    assert changed(second, {"isDefault": True}, caller).body["defaultAddressId"] == second["id"]


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({}, "body"),
        ({"street": None}, "body"),
        ({"street": "\u200b"}, "street"),
        ({"zip": "000000"}, "zip"),
        ({"country": "US"}, "zip"),
        ({"state": ""}, "state"),
        ({"phone": "12345"}, "phone"),
        ({"id": "mine"}, "id"),
        ({"version": 7}, "version"),
    ],
)
def test_a_malformed_change_of_an_address_is_400(fields: dict[str, Any], at_fault: str) -> None:
    caller = a_caller()
    before = call(add_address, body=ADDRESS, caller=caller).body["address"]
    reply = changed(before, fields, caller)
    assert (reply.status, [each["field"] for each in reply.body["errors"]]) == (400, [at_fault])
    assert call(list_addresses, caller=caller).body["addresses"] == [before]


def test_an_address_that_has_changed_since_is_412() -> None:
    caller = a_caller()
    before = call(add_address, body=ADDRESS, caller=caller).body["address"]
    header = {"if-match": f'"{before["version"]}"'}
    assert changed(before, {"city": "Mysuru"}, caller, **header).status == 200
    late = changed(before, {"city": "Pune"}, caller, **header)
    assert (late.status, late.body["code"]) == (412, "PRECONDITION_FAILED")
    [kept] = call(list_addresses, caller=caller).body["addresses"]
    assert (kept["city"], kept["version"]) == ("Mysuru", 2)


# --- the profile ------------------------------------------------------------------------------


def test_name_and_phone_number_are_changed() -> None:
    user = register_somebody()
    caller = a_caller(user_id=user["id"])
    reply = call(change_profile, body={"phone": "098765 43210"}, caller=caller)
    assert (reply.status, reply.body["user"]) == (200, user | {"phone": "+919876543210"})
    name = {"firstName": "Usha", "lastName": ""}
    reply = call(change_profile, body={"fullName": {"firstName": " Usha "}}, caller=caller)
    expected = user | {"phone": "+919876543210", "fullName": name}
    assert reply.body["user"] == expected
    assert call(get_me, caller=caller).body["user"] == expected
    removed = call(change_profile, body={"phone": ""}, caller=caller)
    assert removed.body["user"]["phone"] is None
    assert call(change_profile, body={"phone": ""}, caller=a_caller()).status == 401


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"phone": None}, {"phone": "call me"}, {"phone": 9876543210}, {"fullName": None}),
        *({"fullName": {"firstName": "\u200b"}}, {"fullName": {}}, {"role": "admin"}),
        *({"email": "eve@example.com"}, {"username": "eve"}, {"emailVerified": True}),
    ],
)
def test_a_malformed_change_of_the_profile_is_400(body: dict[str, Any]) -> None:
    user = register_somebody()
    caller = a_caller(user_id=user["id"])
    assert call(change_profile, body=body, caller=caller).status == 400
    assert call(get_me, caller=caller).body["user"] == user


@pytest.mark.parametrize(
    "endpoint",
    [
        *(get_me, list_addresses, add_address, delete_address),
        *(change_address, change_profile),
    ],
)
def test_anonymous_requests_are_401(endpoint: Endpoint) -> None:
    assert call(endpoint, body=ADDRESS, path={"addressId": "a1"}).status == 401


def test_both_paths_of_the_address_book_have_the_same_lambda() -> None:
    singular = "/api/auth/users/me/address"
    plural = "/api/auth/users/me/addresses"
    assert list_addresses.routes == (f"GET {singular}", f"GET {plural}")
    assert add_address.routes == (f"POST {singular}", f"POST {plural}")
    one = "{addressId}"
    assert change_address.routes == (f"PATCH {singular}/{one}", f"PATCH {plural}/{one}")
    assert delete_address.routes == (f"DELETE {singular}/{one}", f"DELETE {plural}/{one}")
    assert endpoints.logout.routes == ("GET /api/auth/logout", "POST /api/auth/logout")


# --- links in mails ---------------------------------------------------------------------------

NEW_PASSWORD = "a brand new password"


def outbox(kind: str) -> list[OutboxRow]:
    return [row for row in OutboxRow.scan() if row.detail_type == kind]


def test_a_forgotten_password_is_replaced_and_every_session_ends() -> None:
    user = register_somebody()
    tokens = [log_in(user) for _ in range(2)]
    link = wiring.token_links().create(Purpose.PASSWORD_RESET, user["id"])
    reply = call(reset_password, body={"token": link, "password": NEW_PASSWORD})
    assert reply.status == 200
    assert the_cookie(reply).value == ""
    for token in tokens:
        assert call(get_me, headers=by_header(token)).status == 401
    body = {"email": user["email"], "password": PASSWORD}
    assert call(login, body=body).status == 401
    reply = call(login, body={**body, "password": NEW_PASSWORD})
    assert (reply.status, reply.body["user"]["emailVerified"]) == (200, True)


def test_a_reset_link_works_once() -> None:
    user = register_somebody()
    token = wiring.token_links().create(Purpose.PASSWORD_RESET, user["id"])
    body = {"token": token, "password": NEW_PASSWORD}
    assert call(reset_password, body=body).status == 200
    reply = call(reset_password, body={**body, "password": "yet another one"})
    assert reply.status == 400
    assert "This link is not valid" in reply.body["message"]


def test_a_refused_password_does_not_consume_the_link() -> None:
    token = wiring.token_links().create(Purpose.PASSWORD_RESET, register_somebody()["id"])
    reply = call(reset_password, body={"token": token, "password": "short"})
    assert reply.status == 400
    assert [error["field"] for error in reply.body["errors"]] == ["password"]
    assert call(reset_password, body={"token": token, "password": NEW_PASSWORD}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"token": "made-up", "password": NEW_PASSWORD},
        {"token": "", "password": NEW_PASSWORD},
        {"token": "x" * 129, "password": NEW_PASSWORD},
        {"token": "💥 ", "password": NEW_PASSWORD},
        {"token": None, "password": NEW_PASSWORD},
        {"token": {"$ne": ""}, "password": NEW_PASSWORD},
        {"password": NEW_PASSWORD},
        {"token": "made-up", "password": NEW_PASSWORD, "userId": "u1"},
    ],
)
def test_an_invalid_token_is_400_and_not_echoed(body: dict[str, Any]) -> None:
    reply = call(reset_password, body=body)
    assert reply.status == 400
    assert "made-up" not in json.dumps(reply.body)
    assert call(verify_email, body={k: body[k] for k in body if k != "password"}).status == 400


def test_a_reset_request_has_the_same_answer_and_round_trips_for_every_address() -> None:
    user = register_somebody()
    seen = []
    for email in (user["email"], "unknown@example.com"):
        trips: list[str] = []
        note = partial(_note, trips)
        events = database().client.meta.events
        events.register("before-call.dynamodb", note)
        reply = call(forgot_password, body={"email": email})
        events.unregister("before-call.dynamodb", note)
        seen.append((reply.status, reply.body, reply.cookies, trips))
    assert seen[0] == seen[1]
    assert seen[0][0] == 202
    (row,) = outbox("PasswordResetRequested")
    assert user["id"] in row.detail
    assert "token" not in row.detail.lower()


def _note(trips: list[str], model: Any, **_: Any) -> None:
    trips.append(model.name)


def test_requests_over_the_mail_limit_get_the_same_answer_and_send_no_mail() -> None:
    user = register_somebody()
    most = min(MAX_MAILS.values())
    replies = [call(forgot_password, body={"email": user["email"]}) for _ in range(most + 2)]
    assert len({(reply.status, reply.body["message"]) for reply in replies}) == 1
    assert len(outbox("PasswordResetRequested")) == most


def test_a_verification_link_can_be_followed_once() -> None:
    user = register_somebody()
    body = {"token": wiring.token_links().create(Purpose.EMAIL_VERIFICATION, user["id"])}
    replies = [call(verify_email, body=body) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 400]
    token = log_in(user)
    assert call(get_me, headers=by_header(token)).body["user"]["emailVerified"]


def test_verification_mails_are_sent_until_the_address_is_verified() -> None:
    user = register_somebody()
    asked = [call(resend_verification, body={"email": user["email"]})]
    body = {"token": wiring.token_links().create(Purpose.EMAIL_VERIFICATION, user["id"])}
    assert call(verify_email, body=body).status == 200
    asked += [call(resend_verification, body={"email": user["email"]})]
    asked += [call(resend_verification, body={"email": "unknown@example.com"})]
    assert [reply.status for reply in asked] == [202] * 3
    assert len({reply.body["message"] for reply in asked}) == 1
    assert len(outbox("EmailVerificationRequested")) == 1


def test_mails_to_an_address_are_limited() -> None:
    user = register_somebody()
    replies = [call(resend_verification, body={"email": user["email"]}) for _ in range(6)]
    assert [reply.status for reply in replies] == [202] * 6
    assert len(outbox("EmailVerificationRequested")) == 5


def test_no_log_line_or_event_contains_a_token(caplog: pytest.LogCaptureFixture) -> None:
    user = register_somebody()
    minter = wiring.token_links()
    link = minter.create(Purpose.EMAIL_VERIFICATION, user["id"])
    reset = minter.create(Purpose.PASSWORD_RESET, user["id"])
    assert link
    assert reset
    call(verify_email, body={"token": link})
    call(reset_password, body={"token": reset, "password": NEW_PASSWORD})
    call(reset_password, body={"token": reset, "password": NEW_PASSWORD})
    logged = [str(vars(record)) for record in caplog.records]
    said = "".join([*logged, *(row.detail for row in OutboxRow.scan())])
    assert "answered" in said
    for secret in (link, reset, digest(link), digest(reset), NEW_PASSWORD):
        assert secret not in said


# --- change of the password, logout everywhere --------------------------------------------------


def test_a_changed_password_replaces_all_sessions_by_a_new_one() -> None:
    user = register_somebody()
    mine, other = log_in(user), log_in(user)
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    reply = call(change_password, body=body, headers=by_header(mine))
    assert (reply.status, set(reply.body)) == (200, SIGNED_IN)
    assert the_cookie(reply).value == reply.body["accessToken"]
    assert the_cookie(reply, "__Host-refresh").value == reply.body["refreshToken"]
    assert call(get_me, headers=by_header(reply.body["accessToken"])).status == 200
    for token in (mine, other):
        assert call(get_me, headers=by_header(token)).status == 401
    assert len(sessions().list_open(user["id"])) == 1
    assert call(login, body={"email": user["email"], "password": PASSWORD}).status == 401
    assert call(login, body={"email": user["email"], "password": NEW_PASSWORD}).status == 200


@pytest.mark.parametrize(
    ("body", "at_fault"),
    [
        ({"currentPassword": "guessed", "newPassword": NEW_PASSWORD}, "currentPassword"),
        ({"currentPassword": PASSWORD, "newPassword": "short"}, "newPassword"),
        ({"currentPassword": PASSWORD}, "newPassword"),
    ],
)
def test_an_invalid_password_change_names_the_field(body: dict[str, str], at_fault: str) -> None:
    user = register_somebody()
    reply = call(change_password, body=body, headers=by_header(log_in(user)))
    assert reply.status == 400
    assert [error["field"] for error in reply.body["errors"]] == [at_fault]
    assert log_in(user)


def test_a_logout_everywhere_ends_every_session() -> None:
    user = register_somebody()
    tokens = [log_in(user) for _ in range(2)]
    reply = call(logout_all, headers=by_header(tokens[0]))
    assert (reply.status, the_cookie(reply).value) == (200, "")
    for token in tokens:
        assert call(get_me, headers=by_header(token)).status == 401
