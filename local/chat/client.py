"""One end of a conversation with the assistant over its WebSocket, frame by frame."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

type Frame = dict[str, Any]

FIRST_FUNCTION_STARTS = 60.0  # seconds: a function's first call on a laptop starts a process
SILENCE = 150.0  # seconds: the shop gives a model up long before
LAST = {"done", "error"}


class Refused(Exception):
    """The shop does not open a conversation; the message says why."""


class Conversation:
    """What one person says, and what comes back. The server gives the conversation its id."""

    def __init__(self, socket: ClientConnection, conversation_id: str | None = None) -> None:
        self._socket = socket
        self.id = conversation_id

    def say(self, text: str) -> Iterator[Frame]:
        """The frames of the answer, as they come, up to `done` or an `error`."""
        frame = {"action": "message", "text": text}
        self._send(frame | ({"conversationId": self.id} if self.id else {}))
        yield from self._answer()

    def confirm(self, message_id: str, *, accept: bool) -> Iterator[Frame]:
        """The word on what an answer proposed, and what came of it."""
        self._send({"action": "confirm", "messageId": message_id, "accept": accept})
        yield from self._answer()

    def stop(self) -> None:
        """No more of the present answer; its frames end soon after."""
        self._send({"action": "stop", "conversationId": self.id})

    def history(self) -> list[Frame]:
        """The latest messages, oldest first."""
        self._send({"action": "history", "conversationId": self.id})
        for frame in self._frames():
            if frame["type"] == "history":
                messages: list[Frame] = frame["messages"]
                return messages
            if frame["type"] == "error":
                raise Refused(frame["message"])
        return []

    def _answer(self) -> Iterator[Frame]:
        for frame in self._frames():
            self.id = frame.get("conversationId", self.id)
            yield frame
            if frame["type"] in LAST:
                return

    def _frames(self) -> Iterator[Frame]:
        with suppress(ConnectionClosedOK):
            while True:
                frame: Frame = json.loads(self._socket.recv(timeout=SILENCE))
                yield frame

    def _send(self, frame: Frame) -> None:
        self._socket.send(json.dumps(frame))


@contextmanager
def conversation(address: str, token: str) -> Iterator[Conversation]:
    """An open connection of whose access token this is; `Refused` when the shop does not let in."""
    cookie = {"Cookie": f"token={token}"}
    try:
        socket = connect(
            address, additional_headers=cookie, open_timeout=FIRST_FUNCTION_STARTS, proxy=None
        )
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        raise Refused(f"the assistant refuses the connection ({status})") from None
    with socket:
        yield Conversation(socket)
