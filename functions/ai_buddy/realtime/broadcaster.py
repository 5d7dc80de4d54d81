"""Sends the frames of one turn to every connection that shows its conversation."""

from ai_buddy.model import Turn, TurnKey
from ai_buddy.realtime import frames
from ai_buddy.realtime.frames import Frame
from ai_buddy.realtime.ports import (
    ConnectionGone,
    ConnectionSender,
    OpenConnection,
    OpenConnections,
)
from supermarket.telemetry import warn_on_failure
from supermarket.websocket import to_json


class Broadcaster:
    """Sends each connection the whole answer once, whenever it began to show the conversation."""

    def __init__(
        self, connections: OpenConnections, sender: ConnectionSender, key: TurnKey
    ) -> None:
        self._connections = connections
        self._sender = sender
        self._key = key
        self._received: dict[str, int] = {}  # characters of the answer, by connection id
        self.sessions: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Read which connections show the conversation now, and their sessions."""
        user_id, conversation_id = self._key.conversation.user_id, self._key.conversation.id
        found = [
            each
            for each in self._connections.list_open(user_id)
            if each.conversation_id == conversation_id
        ]
        self.sessions = frozenset(each.session_id for each in found)
        self._received = {each.id: self._received_by(each) for each in found}

    def send_new_text(self, turn: Turn) -> None:
        """Send each connection the text of the answer that it does not have yet."""
        for connection_id, received in list(self._received.items()):
            text = turn.answer[received:]
            if text and self._send(connection_id, frames.token(turn, text)):
                self._received[connection_id] = len(turn.answer)

    def send(self, *messages: Frame) -> None:
        """Send frames to every connection."""
        for message in messages:
            for connection_id in list(self._received):
                self._send(connection_id, message)

    def _received_by(self, connection: OpenConnection) -> int:
        before = connection.received if connection.message_id == self._key.id else 0
        return self._received.get(connection.id, before)

    def _send(self, connection_id: str, frame: Frame) -> bool:
        try:
            return self._sender.send(connection_id, to_json(frame))
        except ConnectionGone:
            self._received.pop(connection_id, None)
            with warn_on_failure("closed connection not removed"):
                self._connections.remove(connection_id, self._key.conversation.user_id)
            return False
