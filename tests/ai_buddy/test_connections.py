"""Connections: who gets one, how many a person may have, and how many frames they may send."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ai_buddy import wiring
from ai_buddy.endpoints import create_ticket
from ai_buddy.realtime.connections import (
    FRAMES_PER_MINUTE,
    MAX_FRAMES_PER_MINUTE,
    SignedOut,
)
from ai_buddy.realtime.repository import TicketRow
from ai_buddy.sockets import answer_ping, connect_socket, disconnect_socket, take_message
from supermarket.caller import Caller, Role, Standing, Status
from supermarket.clock import new_id, utc_now
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.websocket import Connection
from supermarket.wiring import sessions
from support.api import a_caller, bearer, call
from support.sockets import Sockets, event, handshake, sign_out


def status(answer: dict[str, Any]) -> int:
    return int(answer["statusCode"])


def open_with(headers: dict[str, str], **query: str) -> int:
    return status(connect_socket(handshake(new_id(), headers, query), None))


def test_a_signed_in_person_gets_a_connection(sockets: Sockets) -> None:
    cookie = bearer(a_caller())["authorization"].removeprefix("Bearer ")

    assert open_with({"Cookie": f"theme=dark; token={cookie}"}) == 200


@pytest.mark.parametrize("headers", [{}, {"Cookie": "token=forged"}, {"Cookie": "token="}])
def test_an_anonymous_connection_is_refused(sockets: Sockets, headers: dict[str, str]) -> None:
    assert open_with(headers) == 401


def test_a_token_of_an_ended_session_opens_no_connection(sockets: Sockets) -> None:
    caller = a_caller()
    headers = bearer(caller)
    sign_out(caller)

    assert open_with(headers) == 401


def test_another_site_gets_no_connection_although_the_browser_sends_the_cookie(
    sockets: Sockets,
) -> None:
    headers = bearer(a_caller())

    assert open_with({**headers, "Origin": "https://evil.example"}) == 403
    assert open_with({**headers, "Origin": "null"}) == 403
    assert open_with({**headers, "Origin": "https://shop.example"}) == 200


def test_a_ticket_opens_one_connection(sockets: Sockets) -> None:
    issued = call(create_ticket, caller=a_caller())
    assert issued.status == 201
    assert issued.body["expiresIn"] == 60

    assert open_with({}, ticket=issued.body["ticket"]) == 200
    assert open_with({}, ticket=issued.body["ticket"]) == 401
    assert open_with({}, ticket="made-up") == 401


def test_a_ticket_is_stored_as_its_hash_only(sockets: Sockets) -> None:
    ticket = call(create_ticket, caller=a_caller()).body["ticket"]

    keys = [row.pk for row in TicketRow.scan()]

    assert keys
    assert not any(ticket in key for key in keys)


def test_a_ticket_of_an_ended_session_opens_no_connection(sockets: Sockets) -> None:
    caller = a_caller()
    ticket = call(create_ticket, caller=caller).body["ticket"]
    sign_out(caller)

    assert open_with({}, ticket=ticket) == 401


def test_one_connection_too_many_closes_the_oldest(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = a_caller()
    clients = []
    for number in range(6):
        now = utc_now() + timedelta(seconds=number)
        monkeypatch.setattr(wiring.connections()._connections, "_clock", lambda now=now: now)
        clients.append(sockets.connect(caller))

    assert clients[0].frames[-1]["code"] == "TOO_MANY_CONNECTIONS"
    assert sockets.sender.closed == [clients[0].id]
    assert sorted(sockets.open_connections(caller.user_id)) == sorted(c.id for c in clients[1:])
    assert clients[5].send(answer_ping) == [{"type": "pong"}]


def test_an_old_connection_that_could_not_be_closed_is_closed_when_the_next_opens(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, now = a_caller(), utc_now()
    stored = wiring.connections()._connections
    old = []
    for second in range(5):
        monkeypatch.setattr(stored, "_clock", lambda second=second: now + timedelta(seconds=second))
        old.append(sockets.connect(caller).id)
    monkeypatch.setattr(stored, "_clock", lambda: now + timedelta(seconds=9))
    with monkeypatch.context() as throttled:
        throttled.setattr(sockets.sender, "close", lambda _: 1 / 0)
        sixth = sockets.connect(caller).id
    assert sockets.open_connections(caller.user_id) == [*old, sixth]

    monkeypatch.setattr(stored, "_clock", lambda: now + timedelta(seconds=10))
    seventh = sockets.connect(caller).id

    assert sockets.sender.closed == old[:2]
    assert sockets.open_connections(caller.user_id) == [*old[2:], sixth, seventh]


def test_a_connection_is_refused_when_too_many_newer_ones_open_meanwhile(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, stored = a_caller(), wiring.connections()._connections
    add = stored.add
    newer: list[str] = []

    def add_with_newer_ones(connection: Connection) -> None:
        add(connection)
        monkeypatch.setattr(stored, "add", add)
        monkeypatch.setattr(stored, "_clock", lambda: utc_now() + timedelta(seconds=9))
        newer.extend(sockets.connect(caller).id for _ in range(5))

    monkeypatch.setattr(stored, "add", add_with_newer_ones)

    assert open_with(bearer(caller)) == 429
    assert sorted(sockets.open_connections(caller.user_id)) == sorted(newer)


def test_a_connection_that_its_client_closes_is_removed(sockets: Sockets) -> None:
    client = sockets.connect()

    disconnect_socket(event(client.id, kind="DISCONNECT"), None)

    assert sockets.open_connections(client.caller.user_id) == []


def test_a_frame_cannot_pass_for_a_connect_or_a_disconnect(sockets: Sockets) -> None:
    client = sockets.connect()

    refused = connect_socket({**handshake(client.id), **event(client.id, "{}")}, None)
    disconnect_socket(event(client.id, '{"action": "$disconnect"}'), None)

    assert status(refused) == 400
    assert client.send(answer_ping) == [{"type": "pong"}]


def test_a_frame_of_an_ended_session_closes_the_connection(sockets: Sockets) -> None:
    client = sockets.connect()
    sign_out(client.caller)

    [error] = client.send(take_message, text="Hello")

    assert error["code"] == "SIGNED_OUT"
    assert sockets.sender.closed == [client.id]
    assert sockets.workers.tasks == []


def test_a_connection_has_the_present_role_of_its_caller(sockets: Sockets) -> None:
    caller = a_caller(Role.ADMIN)
    client = sockets.connect(caller)
    assert wiring.connections().authorize(client.id).caller == caller
    _change_standing(caller, Standing(Role.USER))
    assert wiring.connections().authorize(client.id).caller == replace(caller, role=Role.USER)
    _change_standing(caller, Standing(Role.USER, Status.SUSPENDED))
    with pytest.raises(SignedOut):
        wiring.connections().authorize(client.id)


def test_a_ticket_gives_the_present_role(sockets: Sockets) -> None:
    caller = a_caller(Role.ADMIN)
    ticket = call(create_ticket, caller=caller).body["ticket"]
    _change_standing(caller, Standing(Role.USER))
    assert wiring.connections().redeem_ticket(ticket).role is Role.USER


def _change_standing(caller: Caller, standing: Standing) -> None:
    transaction = DynamoTransaction()
    sessions().change_standing(caller.user_id, standing, transaction)
    transaction.commit()


def test_a_flood_is_refused_and_then_closed_and_affects_no_other_connection(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.freeze_minute(monkeypatch)
    client, other = sockets.connect(), sockets.connect()
    codes = []
    for _ in range(MAX_FRAMES_PER_MINUTE + 1):
        [error] = client.send(answer_ping)
        codes.append(error.get("code", "pong"))
        if sockets.sender.closed:
            break

    assert codes[: FRAMES_PER_MINUTE - 1] == ["pong"] * (FRAMES_PER_MINUTE - 1)
    assert set(codes[FRAMES_PER_MINUTE:-1]) == {"TOO_MANY_FRAMES"}
    assert codes[-1] == "FLOODING"
    assert sockets.sender.closed == [client.id]
    assert open_with(bearer(client.caller)) == 429
    assert other.send(answer_ping) == [{"type": "pong"}]
