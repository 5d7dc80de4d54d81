"""The command that makes an administrator."""

import io

import pytest

from auth.endpoints import get_me, login
from ops.users import main
from supermarket.dynamo.audit import AuditRow
from support.api import call
from support.auth import PASSWORD, register_somebody

pytestmark = pytest.mark.usefixtures("aws")

ARGUMENTS = [
    "--email=Root@example.com",
    "--username=root",
    "--first-name=Rhea",
    "--last-name=Root",
    "--rounds=4",
]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The password comes down the pipe."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    return monkeypatch


def test_an_admin_can_log_in(typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ARGUMENTS) == 0
    assert PASSWORD not in capsys.readouterr().out
    reply = call(login, body={"email": "root@example.com", "password": PASSWORD})
    assert (reply.status, reply.body["user"]["role"]) == (200, "admin")
    token = {"authorization": f"Bearer {reply.body['accessToken']}"}
    assert call(get_me, headers=token).body["user"]["role"] == "admin"


def test_who_was_made_an_admin_is_written_down(typed: pytest.MonkeyPatch) -> None:
    somebody = register_somebody()
    assert main(ARGUMENTS) == 0
    (row,) = AuditRow.scan()
    assert row.pk != f"user#{somebody['id']}"
    assert (row.action, row.actor, row.before) == ("admin made", "operator", {})
    assert row.after == {"username": "root", "role": "admin"}


def test_a_taken_name_makes_no_admin(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register_somebody(username="Root", password="somebody else's")
    assert main(ARGUMENTS) == 1
    assert "taken" in capsys.readouterr().err
    body = {"username": "root", "password": PASSWORD}
    assert call(login, body=body).status == 401


@pytest.mark.parametrize(
    ("argument", "field"),
    [("--email=root", "email"), ("--username=r", "username"), ("--first-name=", "fullName")],
)
def test_what_is_not_valid_is_told_by_field_and_without_the_password(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str, field: str
) -> None:
    assert main([*ARGUMENTS, argument]) == 1
    told = capsys.readouterr().err
    assert told.startswith(field)
    assert PASSWORD not in told


def test_a_short_password_makes_no_admin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(ARGUMENTS) == 1
    assert capsys.readouterr().err.startswith("password: ")


def test_without_a_stage_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STAGE")
    assert main(ARGUMENTS) == 1
    assert "STAGE" in capsys.readouterr().err
