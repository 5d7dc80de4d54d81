"""The command that creates an administrator."""

import io

import pytest

from auth.endpoints import get_me, login
from supermarket.dynamo.audit import AuditRow
from support.api import call
from support.auth import PASSWORD, register_somebody
from support.ops import ops

pytestmark = pytest.mark.usefixtures("aws")

ARGUMENTS = [
    "admin",
    "--email=Root@example.com",
    "--username=root",
    "--first-name=Rhea",
    "--last-name=Root",
    "--rounds=4",
]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Provide the password on standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    return monkeypatch


def test_a_new_admin_can_log_in(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ops(*ARGUMENTS) == 0
    assert PASSWORD not in capsys.readouterr().out
    reply = call(login, body={"email": "root@example.com", "password": PASSWORD})
    assert (reply.status, reply.body["user"]["role"]) == (200, "admin")
    token = {"authorization": f"Bearer {reply.body['accessToken']}"}
    assert call(get_me, headers=token).body["user"]["role"] == "admin"


def test_the_creation_of_an_admin_is_audited(typed: pytest.MonkeyPatch) -> None:
    other_user = register_somebody()
    assert ops(*ARGUMENTS) == 0
    (row,) = AuditRow.scan()
    assert row.pk != f"user#{other_user['id']}"
    assert (row.action, row.actor, row.before) == ("admin created", "operator", {})
    assert row.after == {"username": "root", "role": "admin"}


def test_a_taken_username_is_refused(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register_somebody(username="Rhea", password="another good one")
    assert ops(*ARGUMENTS, "--username=rhea") == 1
    assert "taken" in capsys.readouterr().err
    body = {"username": "rhea", "password": PASSWORD}
    assert call(login, body=body).status == 401


@pytest.mark.parametrize(
    ("argument", "field"),
    [("--email=root", "email"), ("--username=r", "username"), ("--first-name=", "fullName")],
)
def test_invalid_fields_are_reported_without_the_password(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str, field: str
) -> None:
    assert ops(*ARGUMENTS, argument) == 2
    error = capsys.readouterr().err
    assert f"\n{field}" in error
    assert PASSWORD not in error


def test_a_short_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert ops(*ARGUMENTS) == 2
    assert "password: " in capsys.readouterr().err


@pytest.mark.parametrize("password", ["kX7-qq2_Zp9w-4", "supermarket for all"])
def test_a_password_that_is_easy_to_guess_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], password: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    assert ops(*ARGUMENTS) == 2
    error = capsys.readouterr().err
    assert "password: " in error
    assert password not in error
