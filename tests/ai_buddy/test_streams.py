"""Sessions that end take their connections with them."""

from collections.abc import Sequence
from typing import Any

import pytest

from ai_buddy.sockets import answer_ping
from ai_buddy.streams import close_connections
from supermarket.caller import Caller
from supermarket.clock import new_id
from support.api import a_caller
from support.sockets import Sockets


def signed_out(caller: Caller, number: str = "1", left: Sequence[str] = ()) -> dict[str, Any]:
    """The record of a person whose session ended, with the sessions that are left."""
    return {
        "eventName": "MODIFY" if left else "REMOVE",
        "dynamodb": {
            "SequenceNumber": number,
            "Keys": {"userId": {"S": caller.user_id}},
            "OldImage": image(caller, caller.session_id, *left),
            **({"NewImage": image(caller, *left)} if left else {}),
        },
    }


def image(caller: Caller, *sessions: str) -> dict[str, Any]:
    return {"userId": {"S": caller.user_id}, "sessions": {"SS": list(sessions)}}


def test_a_session_that_ends_closes_its_connections_and_no_others(sockets: Sockets) -> None:
    caller = a_caller()
    same_person = a_caller(user_id=caller.user_id)
    ended, other_device, stranger = (
        sockets.connect(each) for each in (caller, same_person, a_caller())
    )

    record = signed_out(caller, left=[same_person.session_id])
    answer = close_connections({"Records": [record]}, None)

    assert answer == {"batchItemFailures": []}
    assert sockets.lines.closed == [ended.id]
    assert sockets.lines.last(ended.id)["code"] == "SIGNED_OUT"
    for client in (other_device, stranger):
        assert client.send(answer_ping) == [{"type": "pong"}]


def test_all_sessions_that_end_at_once_lose_their_connections(sockets: Sockets) -> None:
    caller = a_caller()
    clients = [sockets.connect(each) for each in (caller, a_caller(user_id=caller.user_id))]
    record = signed_out(caller)
    record["dynamodb"]["OldImage"] = image(caller, *(each.caller.session_id for each in clients))

    close_connections({"Records": [record]}, None)

    assert sorted(sockets.lines.closed) == sorted(each.id for each in clients)


def test_a_session_that_begins_closes_nothing(sockets: Sockets) -> None:
    client = sockets.connect()
    record = signed_out(client.caller)
    sessions = record["dynamodb"].pop("OldImage")
    for before in ({"OldImage": sessions}, {"OldImage": {"userId": sessions["userId"]}}, {}):
        images = {**before, "NewImage": sessions}
        close_connections({"Records": [{**record, "dynamodb": record["dynamodb"] | images}]}, None)

    assert sockets.lines.closed == []


def test_a_connection_that_is_gone_already_is_forgotten(sockets: Sockets) -> None:
    client = sockets.connect()
    sockets.lines.dead.add(client.id)

    assert close_connections({"Records": [signed_out(client.caller)]}, None) == {
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
    records = [signed_out(first.caller, "1"), signed_out(second.caller, "2")]

    answer = close_connections({"Records": records}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert sockets.lines.closed == [second.id]
