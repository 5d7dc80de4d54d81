"""Who is on the line: tickets, open connections, and what a flood of frames leads to."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from ai_buddy.model import Listener
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.errors import TooMany, Unauthenticated
from supermarket.sessions import Sessions
from supermarket.tokens import NOT_SIGNED_IN
from supermarket.websocket import CloseConnection, Connection, error_frame, to_json

FRAMES_PER_MINUTE = 120
FRAMES_TOO_MANY = 2 * FRAMES_PER_MINUTE  # whoever goes on regardless is shown the door
MINUTE = 60
TOO_MANY = "You have too many connections open, and newer ones than this"


class SignedOut(CloseConnection):
    """The session behind the connection is over."""

    code = "SIGNED_OUT"


class TooManyFrames(TooMany):
    """More frames a minute than anybody types."""

    code = "TOO_MANY_FRAMES"


class Flooding(CloseConnection):
    """Frames kept coming after the refusal."""

    code = "FLOODING"


class TooManyConnections(TooMany):
    """More open connections than a person may have: the oldest ends."""

    code = "TOO_MANY_CONNECTIONS"


class LineGone(Exception):
    """Nobody is at the other end any more."""


@dataclass(frozen=True)
class OpenLine:
    """An open connection of a person."""

    connection_id: str
    session_id: str


class Connections(Protocol):
    """Where open connections are kept; each is forgotten when API Gateway would end it anyway."""

    def open(self, connection: Connection) -> None:
        """Keep one more connection of its caller."""

    def find(self, connection_id: str) -> Connection | None:
        """An open connection."""

    def close(self, connection_id: str, user_id: str) -> None:
        """Forget one."""

    def of_user(self, user_id: str) -> Sequence[OpenLine]:
        """Every open connection of a person, the oldest first."""

    def listen(self, connection: Connection, conversation_id: str, heard: Listener) -> None:
        """From now on the connection shows this conversation."""

    def listeners(self, user_id: str, conversation_id: str) -> Iterable[Listener]:
        """The connections of a person that show a conversation."""


class Tickets(Protocol):
    """Where tickets are kept, by their hashes, for a minute."""

    def keep(self, fingerprint: str, caller: Caller) -> None:
        """Good for one connection of `caller`."""

    def redeem(self, fingerprint: str) -> Caller | None:
        """Whose ticket it was, once."""


class Frames(Protocol):
    """Counts frames."""

    def count_frame(self, user_id: str) -> int:
        """The how-manieth frame of this person's this minute is."""


class Lines(Protocol):
    """The way to the other end of a connection."""

    def send(self, connection_id: str, frame: str) -> bool:
        """Push a frame; whether it got through. LineGone when nothing ever will."""

    def hang_up(self, connection_id: str) -> None:
        """End the connection; one that is over already is no error."""


class ConnectionService:
    """Opens, watches and ends connections; the connection_registry of the socket edge."""

    def __init__(
        self,
        connections: Connections,
        tickets: Tickets,
        frames: Frames,
        sessions: Sessions,
        at_most: int,
    ) -> None:
        self._connections = connections
        self._tickets = tickets
        self._frames = frames
        self._sessions = sessions
        self._at_most = at_most

    def issue_ticket(self, caller: Caller) -> str:
        """A ticket for somebody whose browser cannot send the cookie along."""
        ticket = secrets.token_urlsafe(32)
        self._tickets.keep(_fingerprint(ticket), caller)
        return ticket

    def holder(self, ticket: str) -> Caller:
        """Whose ticket it is; it is used up then."""
        caller = self._tickets.redeem(_fingerprint(ticket))
        if caller is None or not self._is_signed_in(caller):
            raise Unauthenticated(NOT_SIGNED_IN)
        return caller

    def open(self, connection_id: str, caller: Caller) -> Sequence[str]:
        """Keep a connection that is about to open; the oldest ones, if they are too many now: one
        that a network left behind, with nobody at its end, is to keep nobody out.
        """
        if self._frames.count_frame(caller.user_id) > FRAMES_TOO_MANY:
            raise TooManyFrames("You send too much. Wait a minute.", MINUTE)
        self._connections.open(Connection(connection_id, caller))
        lines = [line.connection_id for line in self._connections.of_user(caller.user_id)]
        if connection_id not in lines[-self._at_most :]:  # newer ones came at this very moment
            self._connections.close(connection_id, caller.user_id)
            raise TooManyConnections(TOO_MANY, MINUTE)
        return lines[: -self._at_most]

    def forget(self, connection_id: str) -> None:
        """A connection ended."""
        if found := self._connections.find(connection_id):
            self._connections.close(connection_id, found.caller.user_id)

    def authorize(self, connection_id: str) -> Connection:
        """The connection that a frame came from, if its session is open and there are not too
        many frames.
        """
        found = self._connections.find(connection_id)
        if found is None or not self._is_signed_in(found.caller):
            raise SignedOut(NOT_SIGNED_IN)
        frames = self._frames.count_frame(found.caller.user_id)
        if frames > FRAMES_TOO_MANY:
            raise Flooding("You send too much. Come back in a minute.")
        if frames > FRAMES_PER_MINUTE:
            raise TooManyFrames(f"At most {FRAMES_PER_MINUTE} frames a minute, please", MINUTE)
        return found

    def show(self, connection: Connection, conversation_id: str, heard: Listener) -> None:
        """Frames of this conversation go to this connection from now on."""
        self._connections.listen(connection, conversation_id, heard)

    def others(self, connection: Connection, conversation_id: str) -> list[str]:
        """The person's other connections that show the conversation."""
        present = self._connections.listeners(connection.caller.user_id, conversation_id)
        return [each.connection_id for each in present if each.connection_id != connection.id]

    def is_open(self, session_id: str, user_id: str) -> bool:
        """Whether the session still is."""
        return self._sessions.is_open(session_id, user_id)

    def _is_signed_in(self, caller: Caller) -> bool:
        return self.is_open(caller.session_id, caller.user_id)


class ConnectionRegistry:
    """The socket edge's way to the open connections."""

    def __init__(self, service: ConnectionService, connections: Connections, lines: Lines) -> None:
        self._service = service
        self._connections = connections
        self._lines = lines

    def authorize(self, connection_id: str) -> Connection:
        return self._service.authorize(connection_id)

    def send(self, connection_id: str, frame: str) -> None:
        try:
            self._lines.send(connection_id, frame)
        except LineGone:
            self._service.forget(connection_id)

    def close(self, connection_id: str) -> None:
        self._lines.hang_up(connection_id)  # first: a failure is to find it again
        self._service.forget(connection_id)

    def end_too_many(self, connection_ids: Iterable[str]) -> None:
        """Close connections that newer ones of their person have left no room for."""
        farewell = to_json(error_frame(TooManyConnections(TOO_MANY, MINUTE)))
        for connection_id in connection_ids:
            try:
                self.send(connection_id, farewell)
                self.close(connection_id)
            except Exception as failure:  # it is still known, and the next one to open ends it
                reason = type(failure).__name__
                telemetry.logger.warning("an old line not ended", extra={"reason": reason})

    def end_signed_out(self, user_id: str, farewell: str) -> int:
        """Close the person's connections whose session is over; how many there were."""
        ended = [
            line.connection_id
            for line in self._connections.of_user(user_id)
            if not self._service.is_open(line.session_id, user_id)
        ]
        for connection_id in ended:
            self.send(connection_id, farewell)
            self.close(connection_id)
        return len(ended)


def _fingerprint(ticket: str) -> str:
    return sha256(ticket.encode()).hexdigest()
