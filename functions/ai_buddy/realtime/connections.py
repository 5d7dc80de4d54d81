"""Opens and closes connections, issues tickets for them, and limits their frames."""

import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256

from ai_buddy.realtime.ports import ConnectionGone, Connections, ConnectionSender
from supermarket.caller import Caller
from supermarket.errors import DomainError, TooMany, Unauthenticated
from supermarket.sessions import NOT_SIGNED_IN, Sessions, present_caller
from supermarket.telemetry import warn_on_failure
from supermarket.websocket import CloseConnection, Connection, error_frame, to_json

FRAMES_PER_MINUTE = 120
MAX_FRAMES_PER_MINUTE = 2 * FRAMES_PER_MINUTE  # beyond it the connection is closed
MINUTE = 60
CONNECTIONS_EXCEEDED = "Too many connections are open, and this is the oldest"
FRAMES_EXCEEDED = "You send too many frames. Wait a minute and connect again."


class SignedOut(CloseConnection):
    """The session behind the connection has ended."""

    code = "SIGNED_OUT"


class TooManyFrames(TooMany):
    """The person's limit of frames a minute is reached."""

    code = "TOO_MANY_FRAMES"


class Flooding(CloseConnection):
    """Frames kept coming after TooManyFrames."""

    code = "FLOODING"


class TooManyConnections(TooMany):
    """The person's limit of open connections is exceeded: the oldest is closed."""

    code = "TOO_MANY_CONNECTIONS"


class ConnectionService:
    """Opens, authorizes and closes connections; the kernel's `ConnectionRegistry`."""

    def __init__(
        self,
        connections: Connections,
        count_frame: Callable[[str], int],
        sessions: Sessions,
        sender: Callable[[], ConnectionSender],
        max_connections: int,
    ) -> None:
        """`count_frame` counts one more frame of a person and returns their number in this minute.
        `sender` is called when a frame is sent: most Lambdas that open connections send none.
        """
        self._connections = connections
        self._count_frame = count_frame
        self._sessions = sessions
        self._sender = sender
        self._max_connections = max_connections

    def issue_ticket(self, caller: Caller) -> str:
        """Return a ticket that opens one connection, for browsers that send no cookie along."""
        ticket = secrets.token_urlsafe(32)
        self._connections.add_ticket(_fingerprint(ticket), caller)
        return ticket

    def redeem_ticket(self, ticket: str) -> Caller:
        """Use up a ticket and return its owner; raises Unauthenticated."""
        caller = self._connections.redeem_ticket(_fingerprint(ticket))
        present = present_caller(caller, self._sessions) if caller else None
        if present is None:
            raise Unauthenticated(NOT_SIGNED_IN)
        return present

    def open(self, connection_id: str, caller: Caller) -> None:
        """Store a connection that is opening. When there are too many, the oldest are closed: a
        network may have left them half-open, and they must keep no new one out.

        Raises TooManyFrames in a flood and TooManyConnections when newer ones opened meanwhile.
        """
        if self._count_frame(caller.user_id) > MAX_FRAMES_PER_MINUTE:
            raise TooManyFrames(FRAMES_EXCEEDED, MINUTE)
        self._connections.add(Connection(connection_id, caller))
        oldest_first = [each.id for each in self._connections.list_open(caller.user_id)]
        excess = TooManyConnections(CONNECTIONS_EXCEEDED, MINUTE)
        if connection_id not in oldest_first[-self._max_connections :]:
            self._connections.remove(connection_id, caller.user_id)
            raise excess
        for old in oldest_first[: -self._max_connections]:
            # after a failure it is still stored, and the next connection that opens closes it
            with warn_on_failure("old connection not closed"):
                self._refuse(old, excess)

    def remove(self, connection_id: str) -> None:
        """Remove a connection that is closed."""
        if found := self._connections.find(connection_id):
            self._connections.remove(connection_id, found.caller.user_id)

    def authorize(self, connection_id: str) -> Connection:
        """Return the connection of a frame, with its caller's present role.

        Raises SignedOut, TooManyFrames, and Flooding when frames keep coming after that.
        """
        found = self._connections.find(connection_id)
        caller = present_caller(found.caller, self._sessions) if found else None
        if caller is None:
            raise SignedOut(NOT_SIGNED_IN)
        frames = self._count_frame(caller.user_id)
        if frames > MAX_FRAMES_PER_MINUTE:
            raise Flooding(FRAMES_EXCEEDED)
        if frames > FRAMES_PER_MINUTE:
            message = f"At most {FRAMES_PER_MINUTE} frames a minute are allowed"
            raise TooManyFrames(message, MINUTE)
        return Connection(connection_id, caller)

    def send(self, connection_id: str, frame: str) -> None:
        """Send a frame; a connection that is closed already is removed."""
        try:
            self._sender().send(connection_id, frame)
        except ConnectionGone:
            self.remove(connection_id)

    def close(self, connection_id: str) -> None:
        """Close and remove a connection."""
        self._sender().close(connection_id)  # first: after a failure it is found again
        self.remove(connection_id)

    def close_signed_out(self, user_id: str) -> int:
        """Close the person's connections whose session has ended; returns their number."""
        found = self._connections.list_open(user_id)
        closed = [each for each in found if not self._sessions.is_open(each.session_id, user_id)]
        for each in closed:
            self._refuse(each.id, SignedOut(NOT_SIGNED_IN))
        return len(closed)

    def subscribe(
        self, connection: Connection, conversation_id: str, message_id: str = "", received: int = 0
    ) -> None:
        """Send the frames of this conversation to this connection from now on. Its client has the
        first `received` characters of the answer to `message_id`.
        """
        self._connections.subscribe(connection, conversation_id, message_id, received)

    def list_other_subscribers(self, connection: Connection, conversation_id: str) -> Sequence[str]:
        """Return the person's other connections that show the conversation."""
        return [
            each.id
            for each in self._connections.list_open(connection.caller.user_id)
            if each.conversation_id == conversation_id and each.id != connection.id
        ]

    def _refuse(self, connection_id: str, error: DomainError) -> None:
        self.send(connection_id, to_json(error_frame(error)))
        self.close(connection_id)


def _fingerprint(ticket: str) -> str:
    return sha256(ticket.encode()).hexdigest()
