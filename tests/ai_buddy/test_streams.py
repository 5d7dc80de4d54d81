"""Sessions that end take their connections with them."""

from typing import Any

import pytest

from ai_buddy.sockets import answer_ping
from ai_buddy.streams import close_connections
from supermarket.caller import Caller
from support.api import a_caller
from support.sockets import Sockets, sign_out


def changed(caller: Caller, number: str = "1", kind: str = "REMOVE") -> dict[str, Any]:
    """What the stream tells of somebody's sessions."""
    image = {"userId": {"S": caller.user_id}}
    return {"eventName": kind, "dynamodb": {"SequenceNumber": number, "OldImage": image}}


def test_a_session_that_ends_closes_its_connections_and_no_others(sockets: Sockets) -> None:
    caller = a_caller()
    same_person = a_caller(user_id=caller.user_id)
    ended, other_device, stranger = (
        sockets.connect(each) for each in (caller, same_person, a_caller())
    )
    sign_out(caller)

    answer = close_connections({"Records": [changed(caller)]}, None)

    assert answer == {"batchItemFailures": []}
    assert sockets.lines.closed == [ended.id]
    assert sockets.lines.last(ended.id)["code"] == "SIGNED_OUT"
    for client in (other_device, stranger):
        assert client.send(answer_ping) == [{"type": "pong"}]


@pytest.mark.parametrize("kind", ["MODIFY", "REMOVE"])
def test_a_change_that_ends_no_session_or_comes_late_closes_nothing(
    sockets: Sockets, kind: str
) -> None:
    client = sockets.connect()
    inserted = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "2"}}

    close_connections({"Records": [changed(client.caller, kind=kind), inserted]}, None)

    assert sockets.lines.closed == []
    assert client.send(answer_ping) == [{"type": "pong"}]


def test_a_connection_that_is_gone_already_is_forgotten(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.lines.dead.add(client.id)
    sign_out(client.caller)

    answer = close_connections({"Records": [changed(client.caller)]}, None)

    assert answer == {"batchItemFailures": []}
    assert sockets.switchboard_lines(client.caller.user_id) == []


def test_one_failure_keeps_no_other_session_open(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sockets.connect(), sockets.connect()
    for client in (first, second):
        sign_out(client.caller)
    hang_up = sockets.lines.hang_up

    def fail_for_first(connection_id: str) -> None:
        if connection_id == first.id:
            raise RuntimeError("API Gateway is down")
        hang_up(connection_id)

    monkeypatch.setattr(sockets.lines, "hang_up", fail_for_first)
    records = [changed(first.caller, "1"), changed(second.caller, "2")]

    answer = close_connections({"Records": records}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert sockets.lines.closed == [second.id]

    monkeypatch.undo()
    monkeypatch.setattr("ai_buddy.wiring.lines", lambda: sockets.lines)
    assert close_connections({"Records": records[:1]}, None) == {"batchItemFailures": []}
    assert sockets.lines.closed == [second.id, first.id]
