"""The Lambdas of the socket: connections that open and end, and one per action."""

import json
from collections.abc import Iterator
from typing import NoReturn

from ai_buddy import wiring
from ai_buddy.model import Listener, Turn, TurnState
from ai_buddy.realtime import frames
from ai_buddy.realtime.frames import Frame
from ai_buddy.schemas import AskHistory, Confirm, Ping, SendMessage, Stop
from supermarket import telemetry
from supermarket.authentication import authenticate
from supermarket.caller import Caller
from supermarket.errors import Invalid
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.websocket import (
    ConnectHandler,
    Connection,
    ConnectionRegistry,
    DisconnectHandler,
    action,
    to_json,
)
from supermarket.wiring import cursors

LARGEST_HISTORY = 96 * 1024  # of the 128 KB that API Gateway lets through


class NotJson(Invalid):
    """The frame is no JSON object."""

    code = "NOT_JSON"


class UnknownAction(Invalid):
    """There is no such action."""

    code = "UNKNOWN_ACTION"


def _connection_registry() -> ConnectionRegistry:
    return wiring.connection_registry()


@ConnectHandler
def connect_socket(request: Request, connection_id: str) -> None:
    service = wiring.connections()
    ticket = request.query.get("ticket")
    caller = service.holder(ticket) if ticket else authenticate(request)
    if too_many := service.open(connection_id, caller):
        wiring.connection_registry().end_too_many(too_many)


@DisconnectHandler
def disconnect_socket(connection_id: str) -> None:
    wiring.connections().forget(connection_id)


@action("message", _connection_registry)
def take_message(frame: SendMessage, connection: Connection) -> Iterator[Frame]:
    service, caller = wiring.conversations(), connection.caller
    begun = service.begin(caller, frame.text, frame.conversation_id, frame.client_message_id)
    turn, is_answered = begun.turn, True
    try:
        yield frames.started(turn)
        wiring.connections().show(connection, turn.key.conversation.id, Listener(connection.id))
    finally:  # whether that could be said or not
        if not begun.again:
            is_answered = _is_handed_over(turn, caller)
    if begun.again or not is_answered:
        yield from frames.ended(service.by_now(turn))


@action("confirm", _connection_registry)
def confirm_proposal(frame: Confirm, connection: Connection) -> Iterator[Frame]:
    service = wiring.conversations()
    outcome = service.decide(connection.caller, frame.message_id, frame.accept, wiring.actions())
    told = tuple(frames.decided(outcome, frame.message_id, frame.accept))
    yield from told
    for other in wiring.connections().others(connection, outcome.key.conversation.id):
        for each in told:
            _connection_registry().send(other, to_json(each))


@action("history", _connection_registry)
def show_history(frame: AskHistory, connection: Connection) -> Iterator[Frame]:
    service, caller = wiring.conversations(), connection.caller
    purpose = f"ai-history:{caller.user_id}:{frame.conversation_id}"
    position = cursors().decode(frame.cursor, purpose)
    key, page = service.look_back(
        caller, frame.conversation_id, position["olderThan"] if position else None
    )
    turns = _as_many_as_fit(list(page.turns))
    cut = turns[-1].id if len(turns) < len(page.turns) else page.older_than
    running = next((turn for turn in turns if turn.state is TurnState.RUNNING), None)
    cursor = cursors().encode({"olderThan": cut} if cut else None, purpose)
    yield frames.history(key.id if key else None, turns, cursor)
    if key and position is None:  # not before: the rest must not overtake what it is the rest of
        wiring.connections().show(connection, key.id, _heard(connection, running))
    if running:  # an answer that ended before its worker saw the new listener
        yield from frames.ended(service.by_now(running))


@action("stop", _connection_registry)
def stop_turn(frame: Stop, connection: Connection) -> tuple[Frame, ...]:
    """The worker says the rest: the message as far as it came, and done."""
    wiring.conversations().stop(connection.caller, frame.conversation_id)
    return ()


@action("ping", _connection_registry)
def answer_ping(_frame: Ping) -> Iterator[Frame]:
    yield frames.pong()


@action("$default", _connection_registry)
def refuse_unknown_action(body: str) -> NoReturn:
    try:
        is_object = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise NotJson("A frame is a JSON object in text")
    raise UnknownAction("The action is one of message, confirm, history, stop and ping")


def _is_handed_over(turn: Turn, caller: Caller) -> bool:
    try:
        wiring.conversations().hand_over(turn, caller)
    except Exception:
        telemetry.logger.exception("no worker can be had")
        return False
    return True


def _heard(connection: Connection, running: Turn | None) -> Listener:
    """What the page itself tells of an answer that is still being given."""
    if running is None:
        return Listener(connection.id)
    return Listener(connection.id, running.id, len(running.answer))


def _as_many_as_fit(turns: list[Turn]) -> list[Turn]:
    """The newest of them that go into one frame; one goes in at any rate."""
    size = 0
    for number, turn in enumerate(turns):
        size += sum(len(to_json(said).encode()) for said in frames.spoken(turn))
        if size > LARGEST_HISTORY and number:
            return turns[:number]
    return turns


prepare(__name__)
