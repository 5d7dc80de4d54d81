"""The command that changes accounts."""

import pytest

from auth.endpoints import confirm_totp, enrol_totp, get_me, login
from auth.second_factor import STEP_SECONDS, code_at
from supermarket.clock import utc_now
from supermarket.dynamo.audit import AuditRow
from support.api import call
from support.auth import PASSWORD, register_somebody
from support.ops import ops

pytestmark = pytest.mark.usefixtures("aws")


@pytest.mark.parametrize("name", ["id", "email", "username"])
def test_an_account_is_found_and_changed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    user = register_somebody(role="seller")
    shown = []
    for action in (
        ("show",),
        ("suspend", "--reason=Sold fakes"),
        ("reinstate",),
        ("approve",),
        ("role", "--role=user"),
    ):
        assert ops("users", action[0], user[name], *action[1:]) == 0
        shown.append(capsys.readouterr().out.strip().partition(": ")[2])
    assert shown == [
        "seller, active",
        "seller, suspended",
        "seller, active",
        "seller, active",
        "user, active",
    ]
    rows = list(AuditRow.query(f"user#{user['id']}"))
    assert [(row.actor, row.after["status"]) for row in rows] == [
        ("operator", "suspended"),
        ("operator", "active"),
        ("operator", "active"),
    ]


def test_sessions_are_revoked() -> None:
    user = register_somebody()
    reply = call(login, body={"email": user["email"], "password": PASSWORD})
    headers = {"authorization": f"Bearer {reply.body['accessToken']}"}
    assert ops("users", "revoke-sessions", user["email"]) == 0
    assert call(get_me, headers=headers).status == 401


def test_a_lost_second_factor_is_removed() -> None:
    user = register_somebody()
    credentials = {"email": user["email"], "password": PASSWORD}
    token = call(login, body=credentials).body["accessToken"]
    headers = {"authorization": f"Bearer {token}"}
    secret = call(enrol_totp, headers=headers).body["secret"]
    assert ops("users", "remove-second-factor", user["email"]) == 1, "not confirmed"
    code = code_at(secret, int(utc_now().timestamp()) // STEP_SECONDS)
    assert call(confirm_totp, headers=headers, body={"code": code}).status == 200
    assert "accessToken" not in call(login, body=credentials).body

    assert ops("users", "remove-second-factor", user["email"]) == 0
    assert "accessToken" in call(login, body=credentials).body
    [row] = AuditRow.query(f"user#{user['id']}")
    assert (row.actor, row.action) == ("operator", "second factor removed")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("suspend", "asha"), 2, "needs --reason"),
        (("role", "asha"), 2, "needs --role"),
        (("show", "unknown"), 1, "User not found"),
        (("show", "unknown@example.com"), 1, "User not found"),
    ],
)
def test_what_is_missing_is_named(
    arguments: tuple[str, ...], code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register_somebody(username="asha")
    assert ops("users", *arguments) == code
    assert error in capsys.readouterr().err
