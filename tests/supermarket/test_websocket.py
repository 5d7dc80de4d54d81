"""The adapter of socket actions, with actions and a registry defined here."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError

from supermarket.caller import Caller
from supermarket.errors import Conflict, FieldError, Invalid, NotFound, TooMany, Unauthenticated
from supermarket.request import Request
from supermarket.schemas import Body
from supermarket.websocket import (
    CloseConnection,
    ConnectHandler,
    Connection,
    DisconnectHandler,
    Frame,
    SocketAction,
    action,
    error_frame,
)
from support.api import a_caller

THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem")


class Greet(Body):
    action: Literal["greet"]
    name: str


class RecordingRegistry:
    """A `ConnectionRegistry` that records the frames."""

    def __init__(self, caller: Caller | None = None) -> None:
        self.caller = caller
        self.sent: list[Any] = []
        self.closed: list[str] = []
        self.broken = False

    def authorize(self, connection_id: str) -> Connection:
        if self.caller is None:
            raise CloseConnection("Not signed in")
        return Connection(connection_id, self.caller)

    def send(self, connection_id: str, frame: str) -> None:
        if self.broken:
            raise THROTTLED
        self.sent.append(json.loads(frame))

    def close(self, connection_id: str) -> None:
        self.closed.append(connection_id)


@pytest.fixture
def registry() -> RecordingRegistry:
    return RecordingRegistry(a_caller())


def greeting(registry: RecordingRegistry, failure: Exception | None = None) -> SocketAction:
    @action("greet", lambda: registry)
    def greet(frame: Greet, connection: Connection) -> Iterator[Frame]:
        yield {"type": "hello", "name": frame.name, "to": connection.id}
        if failure:
            raise failure

    return greet


def context(kind: str = "MESSAGE") -> dict[str, str]:
    return {"connectionId": "c-1", "requestId": "request-1", "eventType": kind}


def send(greet: SocketAction, body: str = '{"action": "greet", "name": "Asha"}') -> None:
    assert greet({"requestContext": context(), "body": body}, None) == {"statusCode": 200}


def test_the_frames_of_an_action_are_sent(registry: RecordingRegistry) -> None:
    send(greeting(registry))

    assert registry.sent == [{"type": "hello", "name": "Asha", "to": "c-1"}]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Conflict("not now"), "CONFLICT"),
        (NotFound("nowhere"), "NOT_FOUND"),
        (TooMany("wait", 7), "TOO_MANY"),
        (THROTTLED, "UNAVAILABLE"),
        (ZeroDivisionError("inner detail"), "INTERNAL"),
    ],
)
def test_an_error_frame_follows_the_sent_frames_and_the_connection_stays_open(
    registry: RecordingRegistry, failure: Exception, code: str
) -> None:
    send(greeting(registry, failure))

    hello, error = registry.sent
    assert hello["type"] == "hello"
    assert (error["type"], error["code"]) == ("error", code)
    assert "inner detail" not in error["message"]
    assert registry.closed == []


def test_an_error_frame_is_sent_before_the_connection_is_closed() -> None:
    anonymous = RecordingRegistry()

    send(greeting(anonymous))

    assert anonymous.sent == [
        {"type": "error", "code": "CONNECTION_CLOSED", "message": "Not signed in"}
    ]
    assert anonymous.closed == ["c-1"]


def test_a_failure_to_send_an_error_frame_is_not_raised(registry: RecordingRegistry) -> None:
    registry.broken = True

    send(greeting(registry))

    assert registry.sent == []


def test_an_error_frame_contains_the_invalid_fields_and_the_time_to_wait() -> None:
    fields = error_frame(Invalid("no", (FieldError("text", "too long"),)))
    wait = error_frame(TooMany("too many", 12))

    assert fields["errors"] == [{"field": "text", "message": "too long"}]
    assert wait["retryAfter"] == 12
    assert Unauthenticated("").code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (None, 200),
        (Unauthenticated("not signed in"), 401),
        (TooMany("full", 1), 429),
        (THROTTLED, 503),
    ],
)
def test_a_handshake_is_answered_with_a_status(failure: Exception | None, status: int) -> None:
    @ConnectHandler
    def open_up(request: Request, connection_id: str) -> None:
        assert (request.query, connection_id) == ({"a": "1"}, "c-1")
        if failure:
            raise failure

    event = {"requestContext": context("CONNECT"), "queryStringParameters": {"a": "1"}}

    assert open_up({**event, "headers": None}, None) == {"statusCode": status}


def test_a_disconnect_handler_ignores_other_events() -> None:
    closed: list[str] = []

    @DisconnectHandler
    def close(connection_id: str) -> None:
        closed.append(connection_id)

    for kind in ("MESSAGE", "DISCONNECT"):
        close({"requestContext": context(kind)}, None)

    assert closed == ["c-1"]
