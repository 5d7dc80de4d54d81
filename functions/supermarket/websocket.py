"""The adapter of WebSocket actions: a typed function becomes the Lambda of an action.

    @action("message", connection_registry)
    def take_message(frame: SendMessage, connection: Connection) -> Iterator[Frame]: ...

A parameter is filled by its type: a `Body` from the JSON frame, `Connection` with the open
connection and its caller. Each frame that the function yields is sent before the next one is
computed. An error is sent as an error frame and the connection stays open, unless the error is a
`CloseConnection`.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, get_type_hints

from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.config import settings
from supermarket.errors import DomainError, Forbidden, Invalid, TooMany
from supermarket.http import aws_failures, domain_error, status_of, validated
from supermarket.init_phase import Handler, make_services
from supermarket.request import Request
from supermarket.schemas import Body

CONNECT, DISCONNECT = "CONNECT", "DISCONNECT"
DONE = {"statusCode": 200}

type Frame = Mapping[str, Any]
type Action = Callable[..., Iterable[Frame]]


class CloseConnection(DomainError):
    """Closes the connection after the error frame is sent."""

    code = "CONNECTION_CLOSED"


@dataclass(frozen=True)
class Connection:
    """An open connection and its caller."""

    id: str
    caller: Caller


class ConnectionRegistry(Protocol):
    """Stores the open connections."""

    def authorize(self, connection_id: str) -> Connection:
        """Return the connection of a frame; raises CloseConnection when it may not send frames."""

    def send(self, connection_id: str, frame: str) -> None:
        """Send a frame; a connection that is closed already is removed, which is no error."""

    def close(self, connection_id: str) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class SocketAction(Handler[Action]):
    """The Lambda of one action. `function` is the undecorated function, for tests."""

    action: str
    connection_registry: Callable[[], ConnectionRegistry]

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler; frames are sent through the connection registry."""
        began = time.perf_counter()
        connection_id = str(event["requestContext"]["connectionId"])
        telemetry.begin(event["requestContext"]["requestId"], endpoint=self.name)
        code = "OK"
        try:
            self._answer(event, connection_id)
        except Exception as failure:
            error = domain_error(failure)
            code = error.code
            self._send_error(connection_id, error)
        _report(self.name, code, began)
        return DONE

    def prepare(self) -> None:
        make_services(self.connection_registry, self.function)
        self._binders  # noqa: B018 - a cached property

    def _answer(self, event: Mapping[str, Any], connection_id: str) -> None:
        registry = self.connection_registry()
        connection = registry.authorize(connection_id)
        arguments = {name: bind(event, connection) for name, bind in self._binders.items()}
        for frame in self.function(**arguments):
            registry.send(connection_id, to_json(frame))

    @cached_property
    def _binders(self) -> dict[str, Callable[[Mapping[str, Any], Connection], Any]]:
        hints = get_type_hints(self.function)
        hints.pop("return", None)
        return {name: _binder(hint) for name, hint in hints.items()}

    def _send_error(self, connection_id: str, error: DomainError) -> None:
        try:
            self.connection_registry().send(connection_id, to_json(error_frame(error)))
        except aws_failures():
            telemetry.logger.exception("error frame not sent")
        if isinstance(error, CloseConnection):
            self.connection_registry().close(connection_id)


class ConnectHandler(Handler[Callable[[Request, str], None]]):
    """The Lambda of `$connect`: an error refuses the connection."""

    def prepare(self) -> None:
        from supermarket.authentication import authenticate

        make_services(self.function, authenticate)

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        began = time.perf_counter()
        telemetry.begin(event["requestContext"]["requestId"], endpoint=self.name)
        status = 200
        try:
            self._open(event)
        except DomainError as error:
            status = int(status_of(error))
        except aws_failures() as failure:
            status = int(status_of(domain_error(failure)))
        _report(self.name, str(status), began)
        return {"statusCode": status}

    def _open(self, event: Mapping[str, Any]) -> None:
        # a frame may name any route as its action, also `$connect`
        if event["requestContext"]["eventType"] != CONNECT:
            raise Invalid("The connection is open already")
        request = Request.from_event(event)
        # browsers send the session cookie for any site
        origin = request.headers.get("origin")
        if origin is not None and origin not in settings().origins:
            raise Forbidden("Connections from this origin are not allowed")
        self.function(request, str(event["requestContext"]["connectionId"]))


class DisconnectHandler(Handler[Callable[[str], None]]):
    """The Lambda of `$disconnect`."""

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        telemetry.begin(event["requestContext"]["requestId"], endpoint=self.name)
        if event["requestContext"]["eventType"] == DISCONNECT:
            self.function(str(event["requestContext"]["connectionId"]))
        return DONE


def action(
    name: str, connection_registry: Callable[[], ConnectionRegistry]
) -> Callable[[Action], SocketAction]:
    """Make a function the Lambda of an action."""
    return lambda function: SocketAction(function, name, connection_registry)


def to_json(frame: Frame) -> str:
    """Serialise a frame; without escapes, which would double the length of Hindi text."""
    return json.dumps(frame, ensure_ascii=False)


def error_frame(error: DomainError) -> dict[str, Any]:
    """Return the error frame of an error."""
    frame: dict[str, Any] = {"type": "error", "code": error.code, "message": error.message}
    if error.errors:
        frame["errors"] = [{"field": one.field, "message": one.message} for one in error.errors]
    if isinstance(error, TooMany):
        frame["retryAfter"] = error.retry_after
    return frame


def _binder(hint: Any) -> Callable[[Mapping[str, Any], Connection], Any]:
    if hint is Connection:
        return lambda _, connection: connection
    if issubclass(hint, Body):
        return lambda event, _: validated(lambda: hint.model_validate_json(event.get("body") or ""))
    return lambda event, _: event.get("body") or ""


def _report(name: str, outcome: str, began: float) -> None:
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    telemetry.logger.info("answered", extra={"outcome": outcome, "milliseconds": milliseconds})
    telemetry.count("Frames", endpoint=name, outcome=outcome)
