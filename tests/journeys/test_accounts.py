"""Links in mails, end to end: they verify an address and reset a password, once each."""

import os
import subprocess
import sys
from collections import Counter
from functools import partial
from typing import Any

import httpx
import pytest

from support.deployed import function_environment
from support.ops import ROOT
from support.shop import PASSWORD, Person, at_once, client

pytestmark = pytest.mark.e2e

NEW_PASSWORD = "a brand new password"
MINT = """
import sys
from auth.model import Purpose
from auth.wiring import token_links

purpose, *rest = sys.argv[1:]
print(token_links().create(Purpose(purpose), *rest))
"""


def token_for(endpoints: dict[str, Any], person: Person, purpose: str, *email: str) -> str:
    """Return the token that the mail for this purpose would contain, from the same code."""
    minted = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", MINT, purpose, person.id, *email],
        env={
            **os.environ,
            **function_environment(endpoints, "auth.endpoints.forgot_password"),
            "PYTHONPATH": str(ROOT / "functions"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return minted.stdout.strip()


def reset(endpoints: dict[str, Any], token: str, password: str) -> httpx.Response:
    body = {"token": token, "password": password}
    return client(endpoints["api"]).post("/api/auth/password/reset", json=body)


def log_in(person: Person, password: str) -> httpx.Response:
    body = {"email": person.email, "password": password}
    return person.http.post("/api/auth/login", json=body)


def is_signed_in(person: Person, token: str) -> bool:
    headers = {"authorization": f"Bearer {token}"}
    return person.http.get("/api/auth/me", headers=headers).status_code == 200


def test_the_link_in_a_mail_verifies_the_address(endpoints: dict[str, Any]) -> None:
    person = Person.register(endpoints)
    assert not person.get("/api/auth/me").json()["user"]["emailVerified"]
    body = {"email": person.email}
    assert person.http.post("/api/auth/email/resend", json=body).status_code == 202
    token = token_for(endpoints, person, "email-verification")

    verified = person.post("/api/auth/email/verify", {"token": token})
    assert verified.status_code == 200, verified.text
    assert person.http.post("/api/auth/email/verify", json={"token": token}).status_code == 400

    assert person.get("/api/auth/me").json()["user"]["emailVerified"]
    assert token_for(endpoints, person, "email-verification") == "None"
    assert reset(endpoints, token, NEW_PASSWORD).status_code == 400

    email = f"new-{person.email}"
    body = {"email": email, "password": PASSWORD}
    assert person.post("/api/auth/email/change", body).status_code == 202
    follow = partial(person.post, "/api/auth/email/change/confirm")
    token = token_for(endpoints, person, "email-change", email)
    assert [follow({"token": token}).status_code for _ in range(2)] == [200, 400]
    assert person.get("/api/auth/me").json()["user"]["email"] == email
    token = token_for(endpoints, person, "email-undo", person.email)
    assert person.post("/api/auth/email/change/undo", {"token": token}).status_code == 200
    assert log_in(person, PASSWORD).status_code == 401
    token = token_for(endpoints, person, "password-reset")
    assert reset(endpoints, token, NEW_PASSWORD).status_code == 200
    signed_in = log_in(person, NEW_PASSWORD).json()
    assert signed_in["user"]["email"] == person.email
    change = {"currentPassword": NEW_PASSWORD, "newPassword": PASSWORD}
    headers = {"authorization": f"Bearer {signed_in['accessToken']}"}
    changed = person.http.post("/api/auth/password/change", json=change, headers=headers)
    assert changed.status_code == 200, changed.text


def test_a_password_reset_ends_every_session(endpoints: dict[str, Any]) -> None:
    person, other = Person.register(endpoints), Person.register(endpoints)
    second_session = log_in(person, PASSWORD).json()["accessToken"]
    forgot = partial(person.http.post, "/api/auth/password/forgot")
    known, unknown = (
        forgot(json={"email": email}) for email in (person.email, f"no.{person.email}")
    )
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert known.status_code == 202

    replaced = reset(endpoints, token_for(endpoints, person, "password-reset"), NEW_PASSWORD)

    assert replaced.status_code == 200, replaced.text
    assert person.get("/api/auth/me").status_code == 401
    assert person.get("/api/cart").status_code == 401
    assert not is_signed_in(person, second_session)
    assert other.get("/api/auth/me").status_code == 200
    assert log_in(person, PASSWORD).status_code == 401
    again = log_in(person, NEW_PASSWORD)
    assert again.json()["user"]["emailVerified"]
    assert is_signed_in(person, again.json()["accessToken"])


def test_only_one_of_many_concurrent_resets_with_one_link_succeeds(
    endpoints: dict[str, Any],
) -> None:
    person = Person.register(endpoints)
    token = token_for(endpoints, person, "password-reset")
    passwords = [f"the password of number {number}" for number in range(6)]

    answers = at_once(partial(reset, endpoints, token, password) for password in passwords)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 5}
    winner = passwords[[answer.status_code for answer in answers].index(200)]
    accepted = [password for password in passwords if log_in(person, password).is_success]
    assert accepted == [winner]
    assert reset(endpoints, token, NEW_PASSWORD).status_code == 400


def test_a_reset_ends_sessions_that_begin_with_the_old_password_during_it(
    endpoints: dict[str, Any],
) -> None:
    person = Person.register(endpoints)
    token = token_for(endpoints, person, "password-reset")
    thief = partial(log_in, person, PASSWORD)

    answers = at_once([*[thief] * 6, partial(reset, endpoints, token, NEW_PASSWORD), *[thief] * 6])

    assert answers[6].status_code == 200, answers[6].text
    signed_in = [answer.json()["accessToken"] for answer in answers if "accessToken" in answer.text]
    assert not [each for each in signed_in if is_signed_in(person, each)]


def test_concurrent_sign_ins_all_get_sessions_and_a_password_change_ends_them(
    endpoints: dict[str, Any],
) -> None:
    person = Person.register(endpoints)
    answers = at_once([partial(log_in, person, PASSWORD)] * 12)
    tokens = [answer.json()["accessToken"] for answer in answers]
    assert all(is_signed_in(person, each) for each in tokens)

    change = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    changed = person.post("/api/auth/password/change", change)
    assert changed.status_code == 200, changed.text
    assert not any(is_signed_in(person, each) for each in (*tokens, person.token))
    person.headers["authorization"] = f"Bearer {changed.json()['accessToken']}"
    assert person.get("/api/auth/me").status_code == 200

    assert person.post("/api/auth/logout-all").status_code == 200
    assert person.get("/api/auth/me").status_code == 401
