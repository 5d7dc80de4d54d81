"""The socket edge: a typed function becomes the Lambda of an action, and all that is equal for
every action happens here.

    @action("message", switchboard)
    def take_message(frame: SendMessage, connection: Connection) -> Iterator[Frame]: ...

A parameter is filled by its type: a `Body` from the JSON frame, `Connection` with the open
connection and whoever is behind it. Each frame that the function yields goes out before it is
asked for the next one. What goes wrong is told in an error frame, and the connection stays, unless
the error is one that hangs up.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, get_type_hints

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pynamodb.exceptions import PynamoDBException

from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.config import settings
from supermarket.errors import DomainError, Forbidden, Invalid, TooMany, Unavailable
from supermarket.http import NO_ANSWER, invalid, status_of
from supermarket.request import Request
from supermarket.schemas import Body

CONNECT, DISCONNECT = "CONNECT", "DISCONNECT"
DONE = {"statusCode": 200}
FAILED = "Something went wrong on our side"

type Frame = Mapping[str, Any]
type Action = Callable[..., Iterable[Frame]]


class HangUp(DomainError):
    """Ends the connection, after telling why."""


@dataclass(frozen=True)
class Connection:
    """An open connection and whoever is behind it."""

    id: str
    caller: Caller


class Switchboard(Protocol):
    """Whoever keeps the open connections."""

    def admit(self, connection_id: str) -> Connection:
        """The connection that a frame came from; HangUp when it may not, or no longer, send any."""

    def send(self, connection_id: str, frame: str) -> None:
        """Push a frame; one that is gone is forgotten, which is no error."""

    def close(self, connection_id: str) -> None:
        """End the connection."""


@dataclass(frozen=True)
class SocketAction:
    """The Lambda of one action. `function` is the plain function, for tests and for reading."""

    function: Action
    action: str
    switchboard: Callable[[], Switchboard]

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler; what there is to say goes out through the switchboard."""
        began = time.perf_counter()
        connection_id = str(event["requestContext"]["connectionId"])
        telemetry.begin(event["requestContext"]["requestId"], endpoint=self.name)
        code = "OK"
        try:
            self._answer(event, connection_id)
        except DomainError as error:
            code = code_of(error)
            self._refuse(connection_id, error)
        except (BotoCoreError, ClientError, PynamoDBException):
            telemetry.logger.exception("AWS does not do its part")
            code = code_of(unavailable := Unavailable(NO_ANSWER))
            self._refuse(connection_id, unavailable)
        except Exception:
            telemetry.logger.exception("unexpected error")
            code = "INTERNAL"
            self._tell(connection_id, {"type": "error", "code": code, "message": FAILED})
        _report(self.name, code, began)
        return DONE

    @property
    def name(self) -> str:
        return _name(self.function)

    def _answer(self, event: Mapping[str, Any], connection_id: str) -> None:
        board = self.switchboard()
        connection = board.admit(connection_id)
        arguments = {name: bind(event, connection) for name, bind in self._binders.items()}
        for frame in self.function(**arguments):
            board.send(connection_id, written(frame))

    @cached_property
    def _binders(self) -> dict[str, Callable[[Mapping[str, Any], Connection], Any]]:
        hints = get_type_hints(self.function)
        hints.pop("return", None)
        return {name: _binder(hint) for name, hint in hints.items()}

    def _refuse(self, connection_id: str, error: DomainError) -> None:
        self._tell(connection_id, error_frame(error))
        if isinstance(error, HangUp):
            self.switchboard().close(connection_id)

    def _tell(self, connection_id: str, frame: Frame) -> None:
        try:
            self.switchboard().send(connection_id, written(frame))
        except (BotoCoreError, ClientError, PynamoDBException):
            telemetry.logger.exception("could not say what went wrong")


@dataclass(frozen=True)
class Handshake:
    """The Lambda that opens connections: whoever it refuses never gets one."""

    function: Callable[[Request, str], None]

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        began = time.perf_counter()
        telemetry.begin(event["requestContext"]["requestId"], endpoint=self.name)
        status = 200
        try:
            self._open(event)
        except DomainError as error:
            status = int(status_of(error))
        except (BotoCoreError, ClientError, PynamoDBException):
            telemetry.logger.exception("AWS does not do its part")
            status = 503
        _report(self.name, str(status), began)
        return {"statusCode": status}

    @property
    def name(self) -> str:
        return _name(self.function)

    def _open(self, event: Mapping[str, Any]) -> None:
        # a frame may name any route as its action, this one too
        if event["requestContext"]["eventType"] != CONNECT:
            raise Invalid("A connection is opened once")
        request = Request.from_handshake(event)
        _refuse_foreign_origin(request)
        self.function(request, str(event["requestContext"]["connectionId"]))


@dataclass(frozen=True)
class Farewell:
    """The Lambda that hears of connections that ended."""

    function: Callable[[str], None]

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler."""
        telemetry.begin(event["requestContext"]["requestId"], endpoint=_name(self.function))
        if event["requestContext"]["eventType"] == DISCONNECT:
            self.function(str(event["requestContext"]["connectionId"]))
        return DONE


def action(name: str, switchboard: Callable[[], Switchboard]) -> Callable[[Action], SocketAction]:
    """Make a function the Lambda of an action."""
    return lambda function: SocketAction(function, name, switchboard)


def written(frame: Frame) -> str:
    """A frame as it goes over the wire; Hindi in escapes would be twice as long."""
    return json.dumps(frame, ensure_ascii=False)


def code_of(error: DomainError) -> str:
    """An error's name on the wire: `TurnRunning` is `TURN_RUNNING`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).upper()


def error_frame(error: DomainError) -> dict[str, Any]:
    """What a client is told of an error."""
    frame: dict[str, Any] = {"type": "error", "code": code_of(error), "message": error.message}
    if error.errors:
        frame["errors"] = [{"field": one.field, "message": one.message} for one in error.errors]
    if isinstance(error, TooMany):
        frame["retryAfter"] = error.retry_after
    return frame


def _binder(hint: Any) -> Callable[[Mapping[str, Any], Connection], Any]:
    if hint is Connection:
        return lambda _, connection: connection
    if issubclass(hint, Body):
        return lambda event, _: _parsed(hint, event)
    return lambda event, _: event.get("body") or ""


def _parsed[Model: Body](model: type[Model], event: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate_json(event.get("body") or "")
    except ValidationError as fault:
        raise invalid(fault) from None


def _refuse_foreign_origin(request: Request) -> None:
    """A browser says which site opens the connection, and sends our cookie along for any."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in settings().origins:
        raise Forbidden("This connection came from another site")


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__.split('.')[0]}.{function.__name__}"


def _report(name: str, outcome: str, began: float) -> None:
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    telemetry.logger.info("answered", extra={"outcome": outcome, "milliseconds": milliseconds})
    telemetry.count("Frames", endpoint=name, outcome=outcome)
