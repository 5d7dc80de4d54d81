"""A session that ends closes its connections."""

from typing import Any

import pytest

from ai_buddy.sockets import answer_ping
from ai_buddy.streams import close_connections
from supermarket.caller import Caller
from support.api import a_caller
from support.sockets import Sockets, sign_out


def changed(caller: Caller, number: str = "1", kind: str = "REMOVE") -> dict[str, Any]:
    """Return the stream's record of a change of a person's sessions."""
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
    assert sockets.sender.closed == [ended.id]
    assert sockets.sender.last(ended.id)["code"] == "SIGNED_OUT"
    for client in (other_device, stranger):
        assert client.send(answer_ping) == [{"type": "pong"}]


@pytest.mark.parametrize("kind", ["MODIFY", "REMOVE"])
def test_a_change_that_is_late_or_ends_no_session_closes_nothing(
    sockets: Sockets, kind: str
) -> None:
    client = sockets.connect()
    inserted = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "2"}}

    close_connections({"Records": [changed(client.caller, kind=kind), inserted]}, None)

    assert sockets.sender.closed == []
    assert client.send(answer_ping) == [{"type": "pong"}]


def test_a_connection_that_is_closed_already_is_removed(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.sender.gone.add(client.id)
    sign_out(client.caller)

    answer = close_connections({"Records": [changed(client.caller)]}, None)

    assert answer == {"batchItemFailures": []}
    assert sockets.open_connections(client.caller.user_id) == []


def test_a_failure_for_one_session_leaves_no_other_session_open(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sockets.connect(), sockets.connect()
    for client in (first, second):
        sign_out(client.caller)
    records = [changed(first.caller, "1"), changed(second.caller, "2")]

    with monkeypatch.context() as patch:
        close = sockets.sender.close

        def fail_for_first(connection_id: str) -> None:
            if connection_id == first.id:
                raise RuntimeError("API Gateway is down")
            close(connection_id)

        patch.setattr(sockets.sender, "close", fail_for_first)
        answer = close_connections({"Records": records}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert sockets.sender.closed == [second.id]

    assert close_connections({"Records": records[:1]}, None) == {"batchItemFailures": []}
    assert sockets.sender.closed == [second.id, first.id]
