"""Sends the frames of one turn to every connection that shows its conversation."""

from ai_buddy.model import Subscription, Turn, TurnKey
from ai_buddy.realtime import frames
from ai_buddy.realtime.frames import Frame
from ai_buddy.realtime.ports import ConnectionGone, ConnectionSender, Subscriptions
from supermarket import telemetry
from supermarket.websocket import to_json


class Broadcaster:
    """Sends each subscribed connection the whole answer once, whenever it subscribed."""

    def __init__(
        self, subscriptions: Subscriptions, sender: ConnectionSender, key: TurnKey
    ) -> None:
        self._subscriptions = subscriptions
        self._sender = sender
        self._key = key
        self._received: dict[str, int] = {}  # characters of the answer, by connection id
        self.sessions: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Read which connections show the conversation now, and their sessions."""
        conversation = self._key.conversation
        found = self._subscriptions.list_subscriptions(conversation.user_id, conversation.id)
        self.sessions = frozenset(each.session_id for each in found)
        self._received = {
            each.connection_id: self._received.get(each.connection_id, self._received_before(each))
            for each in found
        }

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

    def _received_before(self, subscription: Subscription) -> int:
        return subscription.received if subscription.message_id == self._key.id else 0

    def _send(self, connection_id: str, frame: Frame) -> bool:
        try:
            return self._sender.send(connection_id, to_json(frame))
        except ConnectionGone:
            self._received.pop(connection_id, None)
            self._remove(connection_id)
            return False

    def _remove(self, connection_id: str) -> None:
        try:
            self._subscriptions.remove(connection_id, self._key.conversation.user_id)
        except Exception as failure:  # the other connections still get their frames
            reason = type(failure).__name__
            telemetry.logger.warning("closed connection not removed", extra={"reason": reason})
