"""What the socket needs: stored connections and tickets, and a way to send frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from supermarket.caller import Caller
from supermarket.websocket import Connection

TICKET_LIFETIME = timedelta(minutes=1)


class ConnectionGone(Exception):
    """The connection is closed: no frame will reach it any more."""


@dataclass(frozen=True)
class OpenConnection:
    """An open connection and the conversation that it shows. Its client has the first `received`
    characters of the answer to `message_id`.
    """

    id: str
    session_id: str
    conversation_id: str = ""
    message_id: str = ""
    received: int = 0


class OpenConnections(Protocol):
    """The open connections of a person."""

    def list_open(self, user_id: str) -> Sequence[OpenConnection]:
        """Return the person's open connections, the oldest first."""

    def remove(self, connection_id: str, user_id: str) -> None:
        """Remove a connection that is closed."""


class Connections(OpenConnections, Protocol):
    """Stores open connections; each is removed at the age at which API Gateway closes it."""

    def add(self, connection: Connection) -> None:
        """Store a connection that is opening."""

    def find(self, connection_id: str) -> Connection | None:
        """Return an open connection."""

    def subscribe(
        self, connection: Connection, conversation_id: str, message_id: str, received: int
    ) -> None:
        """Store which conversation the connection shows; see `OpenConnection`."""

    def add_ticket(self, fingerprint: str, caller: Caller) -> None:
        """Store the hash of a ticket for one connection of `caller`, for TICKET_LIFETIME."""

    def redeem_ticket(self, fingerprint: str) -> Caller | None:
        """Use up a ticket and return its owner; None for a ticket that is not valid."""


class ConnectionSender(Protocol):
    """Reaches the client of a connection."""

    def send(self, connection_id: str, frame: str) -> bool:
        """Send a frame; returns whether it arrived. Raises ConnectionGone."""

    def close(self, connection_id: str) -> None:
        """Close a connection; one that is closed already is no error."""
