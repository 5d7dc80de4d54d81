"""The Lambdas of the socket: connections that open and close, and one per action."""

import json
from collections.abc import Iterator
from typing import NoReturn

from ai_buddy import wiring
from ai_buddy.model import Turn, TurnState
from ai_buddy.realtime import frames
from ai_buddy.realtime.connections import ConnectionService
from ai_buddy.realtime.frames import Frame
from ai_buddy.schemas import (
    ConfirmRequest,
    HistoryRequest,
    MessageRequest,
    PingRequest,
    StopRequest,
)
from supermarket.authentication import authenticate
from supermarket.errors import Invalid
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.websocket import ConnectHandler, Connection, DisconnectHandler, action, to_json
from supermarket.wiring import cursors

MAX_HISTORY_BYTES = 96 * 1024  # of the 128 KB of a frame in API Gateway


class NotJson(Invalid):
    """The frame is no JSON object."""

    code = "NOT_JSON"


class UnknownAction(Invalid):
    """There is no such action."""

    code = "UNKNOWN_ACTION"


def _connections() -> ConnectionService:
    """Return the open connections; the client that sends frames is made in the init phase, too."""
    wiring.sender()
    return wiring.connections()


@ConnectHandler
def connect_socket(request: Request, connection_id: str) -> None:
    service = wiring.connections()
    ticket = request.query.get("ticket")
    caller = service.redeem_ticket(ticket) if ticket else authenticate(request)
    service.open(connection_id, caller)


@DisconnectHandler
def disconnect_socket(connection_id: str) -> None:
    wiring.connections().remove(connection_id)


@action("message", _connections)
def take_message(frame: MessageRequest, connection: Connection) -> Iterator[Frame]:
    """Send `started` and hand the turn over to a worker, which sends the rest. A repeated message
    gets how its turn ended, if it has.
    """
    service, caller = wiring.conversations(), connection.caller
    turn, is_repeated = service.begin(
        caller, frame.text, frame.conversation_id, frame.client_message_id
    )
    is_handed_over = False
    try:
        yield frames.started(turn)
        wiring.connections().subscribe(connection, turn.key.conversation.id)
    finally:  # the turn is answered even when its client is gone
        if not is_repeated:
            is_handed_over = service.hand_over(turn, caller)
    if not is_handed_over:
        yield from frames.ended(service.current_state(turn))


@action("confirm", _connections)
def confirm_proposal(frame: ConfirmRequest, connection: Connection) -> Iterator[Frame]:
    """Send the result to every connection of the person that shows the conversation."""
    service, connections = wiring.conversations(), wiring.connections()
    outcome = service.decide(connection.caller, frame.message_id, frame.accept, wiring.executor())
    result = tuple(frames.decided(outcome, frame.message_id, frame.accept))
    yield from result
    for other in connections.list_other_subscribers(connection, outcome.key.conversation.id):
        for each in result:
            connections.send(other, to_json(each))


@action("history", _connections)
def show_history(frame: HistoryRequest, connection: Connection) -> Iterator[Frame]:
    service, caller = wiring.conversations(), connection.caller
    purpose = f"ai-history:{caller.user_id}:{frame.conversation_id}"
    position = cursors().decode(frame.cursor, purpose)
    older_than = position["olderThan"] if position else None
    key, page = service.history(caller, frame.conversation_id, older_than)
    turns = _fit_into_frame(list(page.turns))
    next_older = turns[-1].id if len(turns) < len(page.turns) else page.older_than
    running = next((turn for turn in turns if turn.state is TurnState.RUNNING), None)
    cursor = cursors().encode({"olderThan": next_older} if next_older else None, purpose)
    yield frames.history(key.id if key else None, turns, cursor)
    if key and position is None:  # only now: new text must not arrive before the history
        message_id, draft = (running.id, running.answer) if running else ("", "")
        wiring.connections().subscribe(connection, key.id, message_id, len(draft))
    if running:  # the answer may have ended before its worker saw the subscription
        yield from frames.ended(service.current_state(running))


@action("stop", _connections)
def stop_turn(frame: StopRequest, connection: Connection) -> tuple[Frame, ...]:
    """Stop the answer; its worker sends `message` as far as it came, and `done`."""
    wiring.conversations().stop(connection.caller, frame.conversation_id)
    return ()


@action("ping", _connections)
def answer_ping(_frame: PingRequest) -> Iterator[Frame]:
    yield frames.pong()


@action("$default", _connections)
def refuse_unknown_action(body: str) -> NoReturn:
    try:
        is_object = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise NotJson("A frame is a JSON object in text")
    raise UnknownAction("The action is one of message, confirm, history, stop and ping")


def _fit_into_frame(turns: list[Turn]) -> list[Turn]:
    """The newest turns that fit into one frame, at least one."""
    size = 0
    for number, turn in enumerate(turns):
        size += sum(len(to_json(message).encode()) for message in frames.messages(turn))
        if size > MAX_HISTORY_BYTES and number:
            return turns[:number]
    return turns


prepare(__name__)
