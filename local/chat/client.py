"""One end of a conversation with the assistant over its WebSocket, frame by frame."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

type Frame = dict[str, Any]

FIRST_FUNCTION_STARTS = 60.0  # seconds: a function's first call on a laptop starts a process
LAST = {"done", "error"}
WHY_NOT = {
    401: "nobody is signed in",
    403: "it came from another site",
    429: "too many connections are open",
}


class Refused(Exception):
    """The shop does not open a conversation; the message says why."""


class Conversation:
    """What one person says, and what comes back. The server gives the conversation its id.

    `said` is the last that wanted an answer, `heard` what was streamed of that so far.
    """

    def __init__(self, socket: ClientConnection, conversation_id: str | None = None) -> None:
        self._socket = socket
        self.id = conversation_id
        self.said: Frame = {}
        self.heard = ""
        self.is_answering = False
        self._has_stopped = False
        self._own: str | None = None  # the message that answers `said`, once the server named it

    def say(self, text: str) -> Iterator[Frame]:
        """The frames of the answer, as they come, up to `done` or an `error`."""
        own = {"text": text, "clientMessageId": str(uuid.uuid4())}
        yield from self._asked({"action": "message", **own, **self._named()})

    def confirm(self, message_id: str, *, accept: bool) -> Iterator[Frame]:
        """The word on what an answer proposed, and what came of it."""
        yield from self._asked({"action": "confirm", "messageId": message_id, "accept": accept})

    def stop(self) -> None:
        """No more of the present answer; `rest` has what was on its way, and its end."""
        self._has_stopped = True
        self._send({"action": "stop", **self._named()})

    def rest(self) -> Iterator[Frame]:
        """The frames of an answer whose iteration was broken off."""
        if self.is_answering:
            yield from self._answer()

    def history(self) -> list[Frame]:
        """The latest messages, oldest first; without an id, those of the latest conversation."""
        self._send({"action": "history", **self._named()})
        for frame in self._frames():
            if frame["type"] == "history":
                self.id = frame["conversationId"]
                messages: list[Frame] = frame["messages"]
                return messages
            if frame["type"] == "error" and "messageId" not in frame:
                raise Refused(frame["message"])
        return []

    def go_on(self, cut_off: "Conversation") -> Iterator[Frame]:
        """On a new connection, what was missed of the answer that another was cut off from."""
        self.id, self.said, self.heard = cut_off.id, cut_off.said, cut_off.heard
        if not cut_off.is_answering:
            return
        if answer := self._answer_to(self.said.get("clientMessageId")):
            yield from self._missed(answer)
        else:
            yield from self._asked(self.said)  # the server knows it again, should it have come

    def _missed(self, answer: Frame) -> Iterator[Frame]:
        missed = answer["text"].removeprefix(self.heard)
        self.heard, self._own = answer["text"], answer["messageId"]
        yield {"type": "token", "messageId": answer["messageId"], "text": missed}
        if answer["status"] == "running":
            self.is_answering = True
            yield from self._answer()
        else:
            yield {**answer, "type": "message"}
            yield {**answer, "type": "done"}

    def _answer_to(self, client_message_id: str | None) -> Frame | None:
        messages = self.history() if self.id and client_message_id else []
        asked = {m["messageId"] for m in messages if m.get("clientMessageId") == client_message_id}
        answers = (m for m in messages if m["role"] == "assistant" and m["messageId"] in asked)
        return next(answers, None)

    def _asked(self, frame: Frame) -> Iterator[Frame]:
        self.said, self.heard, self.is_answering, self._own = frame, "", True, None
        self._send(frame)
        yield from self._answer()

    def _answer(self) -> Iterator[Frame]:
        for frame in self._frames():
            if frame["type"] == "error" and "messageId" not in frame and self._has_stopped:
                self._has_stopped = False  # it came to its end before it could be stopped
                continue
            if not self._is_own(frame):
                continue
            self.id = frame.get("conversationId", self.id)
            self.heard += frame["text"] if frame["type"] == "token" else ""
            self.is_answering = frame["type"] not in LAST
            yield frame
            if not self.is_answering:
                return

    def _is_own(self, frame: Frame) -> bool:
        """Whether it is about what was said last: other windows' answers and decisions come, too,
        and what a worker tells once more.
        """
        confirms = frame.get("confirms")
        if frame["type"] == "started" or (confirms and confirms == self.said.get("messageId")):
            self._own = frame["messageId"]
        return frame.get("messageId", self._own) == self._own

    def _frames(self) -> Iterator[Frame]:
        while True:
            frame: Frame = json.loads(self._socket.recv())
            yield frame

    def _named(self) -> Frame:
        return {"conversationId": self.id} if self.id else {}

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
        why = WHY_NOT.get(status, f"it answered {status}")
        raise Refused(f"The assistant refuses the connection: {why}") from None
    except (OSError, TimeoutError):
        raise Refused("The assistant does not answer") from None
    with socket:
        yield Conversation(socket)
