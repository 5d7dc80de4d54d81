"""A client of the assistant's WebSocket: one conversation, frame by frame."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

type Frame = dict[str, Any]

OPEN_TIMEOUT = 60.0  # seconds: the first call of a function starts a process
LAST = {"done", "error"}
REASONS = {
    401: "sign in first",
    403: "it comes from another site",
    429: "too many connections are open",
}


class Refused(Exception):
    """The shop refuses the connection or a request; the message says why."""


class Conversation:
    """The conversation of one user over one connection.

    `sent` is the last frame that expects an answer, `received` the text streamed of it so far.
    The server assigns the conversation's `id`.
    """

    def __init__(self, socket: ClientConnection, conversation_id: str | None = None) -> None:
        self._socket = socket
        self.id = conversation_id
        self.sent: Frame = {}
        self.received = ""
        self.is_answering = False
        self._has_stopped = False
        self._own: str | None = None  # id of the message that answers `sent`

    def say(self, text: str) -> Iterator[Frame]:
        """Send a message; yield the frames of the answer up to `done` or `error`."""
        own = {"text": text, "clientMessageId": str(uuid.uuid4())}
        yield from self._request({"action": "message", **own, **self._conversation_id()})

    def confirm(self, message_id: str, *, accept: bool) -> Iterator[Frame]:
        """Accept or decline the proposal of a message; yield the frames of the outcome."""
        yield from self._request({"action": "confirm", "messageId": message_id, "accept": accept})

    def stop(self) -> None:
        """Stop the current answer; `rest` yields its remaining frames."""
        self._has_stopped = True
        self._send({"action": "stop", **self._conversation_id()})

    def rest(self) -> Iterator[Frame]:
        """Yield the remaining frames of an answer, as after an interruption."""
        while self.is_answering:
            frame = self._receive()
            if frame["type"] == "error" and "messageId" not in frame and self._has_stopped:
                self._has_stopped = False  # the answer was done before the stop
            elif self._is_own(frame):
                self.id = frame.get("conversationId", self.id)
                self.received += frame["text"] if frame["type"] == "token" else ""
                self.is_answering = frame["type"] not in LAST
                yield frame

    def history(self) -> list[Frame]:
        """Return the latest messages, oldest first; without an id, of the latest conversation."""
        self._send({"action": "history", **self._conversation_id()})
        while (frame := self._receive())["type"] != "history":
            if frame["type"] == "error" and "messageId" not in frame:
                raise Refused(frame["message"])
        self.id = frame["conversationId"]
        messages: list[Frame] = frame["messages"]
        return messages

    def resume(self, lost: "Conversation") -> Iterator[Frame]:
        """Yield, on a new connection, the rest of an answer whose connection was lost."""
        self.id, self.sent, self.received = lost.id, lost.sent, lost.received
        if not lost.is_answering:
            return
        if answer := self._find_answer(self.sent.get("clientMessageId")):
            yield from self._missed(answer)
        else:
            yield from self._request(self.sent)  # the server recognises a repeated message

    def _missed(self, answer: Frame) -> Iterator[Frame]:
        missed = answer["text"].removeprefix(self.received)
        self.received, self._own = answer["text"], answer["messageId"]
        yield {"type": "token", "messageId": answer["messageId"], "text": missed}
        if answer["status"] == "running":
            self.is_answering = True
            yield from self.rest()
        else:
            yield {**answer, "type": "message"}
            yield {**answer, "type": "done"}

    def _find_answer(self, client_message_id: str | None) -> Frame | None:
        messages = self.history() if self.id and client_message_id else []
        asked = {m["messageId"] for m in messages if m.get("clientMessageId") == client_message_id}
        answers = (m for m in messages if m["role"] == "assistant" and m["messageId"] in asked)
        return next(answers, None)

    def _request(self, frame: Frame) -> Iterator[Frame]:
        self.sent, self.received, self.is_answering, self._own = frame, "", True, None
        self._send(frame)
        yield from self.rest()

    def _is_own(self, frame: Frame) -> bool:
        """Whether a frame belongs to `sent`, and not to another window or a repeated answer."""
        confirms = frame.get("confirms")
        if frame["type"] == "started" or (confirms and confirms == self.sent.get("messageId")):
            self._own = frame["messageId"]
        return frame.get("messageId", self._own) == self._own

    def _receive(self) -> Frame:
        frame: Frame = json.loads(self._socket.recv())
        return frame

    def _conversation_id(self) -> Frame:
        return {"conversationId": self.id} if self.id else {}

    def _send(self, frame: Frame) -> None:
        self._socket.send(json.dumps(frame))


@contextmanager
def conversation(address: str, token: str) -> Iterator[Conversation]:
    """Open a connection with an access token; raises `Refused` if the shop refuses it."""
    cookie = {"Cookie": f"token={token}"}
    try:
        socket = connect(address, additional_headers=cookie, open_timeout=OPEN_TIMEOUT, proxy=None)
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        reason = REASONS.get(status, f"status {status}")
        raise Refused(f"The assistant refuses the connection: {reason}") from None
    except (OSError, TimeoutError):
        raise Refused("The assistant does not respond") from None
    with socket:
        yield Conversation(socket)
