"""Sessions that end take their connections with them."""

from typing import Any

import pytest

from ai_buddy.sockets import answer_ping
from ai_buddy.streams import close_connections
from supermarket.caller import Caller
from supermarket.clock import new_id
from support.api import a_caller
from support.sockets import Sockets


def removed(caller: Caller, number: str = "1") -> dict[str, Any]:
    image = {"sessionId": {"S": caller.session_id}, "userId": {"S": caller.user_id}}
    return {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": number, "OldImage": image}}


def test_a_session_that_ends_closes_its_connections_and_no_others(sockets: Sockets) -> None:
    caller = a_caller()
    same_person = a_caller(user_id=caller.user_id)
    ended, other_device, stranger = (
        sockets.connect(each) for each in (caller, same_person, a_caller())
    )

    answer = close_connections({"Records": [removed(caller)]}, None)

    assert answer == {"batchItemFailures": []}
    assert sockets.lines.closed == [ended.id]
    assert sockets.lines.last(ended.id)["code"] == "SIGNED_OUT"
    for client in (other_device, stranger):
        assert client.send(answer_ping) == [{"type": "pong"}]


def test_a_session_that_begins_or_changes_closes_nothing(sockets: Sockets) -> None:
    client = sockets.connect()
    for kind in ("INSERT", "MODIFY"):
        close_connections({"Records": [{**removed(client.caller), "eventName": kind}]}, None)

    assert sockets.lines.closed == []


def test_a_connection_that_is_gone_already_is_forgotten(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.lines.dead.add(client.id)

    assert close_connections({"Records": [removed(client.caller)]}, None) == {
        "batchItemFailures": []
    }
    assert sockets.switchboard_lines(client.caller.user_id) == []


def test_one_failure_keeps_no_other_session_open(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sockets.connect(), sockets.connect()
    hang_up = sockets.lines.hang_up

    def fail_for_first(connection_id: str) -> None:
        if connection_id == first.id:
            raise RuntimeError(new_id())
        hang_up(connection_id)

    monkeypatch.setattr(sockets.lines, "hang_up", fail_for_first)
    records = [removed(first.caller, "1"), removed(second.caller, "2")]

    answer = close_connections({"Records": records}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert sockets.lines.closed == [second.id]
