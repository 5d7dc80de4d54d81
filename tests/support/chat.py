"""Connections to the deployed assistant over a real WebSocket."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from support.shop import Person

type Frame = dict[str, Any]

TIMEOUT = 90.0  # seconds; the worker's first start imports the whole language stack


class Chat:
    """An open connection; `at` has the time at which each frame arrived."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.conversation: str | None = None
        self.frames: list[Frame] = []
        self.at: list[float] = []

    def send(self, action: str, **frame: Any) -> None:
        self.socket.send(json.dumps({"action": action, **frame}))

    def receive(self, timeout: float = TIMEOUT) -> Frame:
        frame: Frame = json.loads(self.socket.recv(timeout=timeout))
        self.frames.append(frame)
        self.at.append(time.monotonic())
        return frame

    def until(self, *types: str) -> list[Frame]:
        """Receive frames up to one of these types."""
        found = [self.receive()]
        while found[-1]["type"] not in types:
            found.append(self.receive())
        return found

    def say(self, text: str, **frame: Any) -> list[Frame]:
        """Send a message and receive its answer, from `started` to `done` or `error`."""
        known = {"conversationId": self.conversation} if self.conversation else {}
        self.send("message", text=text, **{**known, **frame})
        frames = self.until("done", "error")
        self.conversation = frames[0].get("conversationId", self.conversation)
        return frames

    def ask(self, text: str) -> Frame:
        """Send a message and return the `message` frame of its answer."""
        frames = self.say(text)
        assert [f["type"] for f in frames][-2:] == ["message", "done"], frames
        return frames[-2]


@contextmanager
def chatting(
    endpoints: dict[str, Any], person: Person | None, query: str = "", **headers: str
) -> Iterator[Chat]:
    """Open a connection for a person, or without a session."""
    cookie = {"Cookie": f"token={person.token}"} if person else {}
    with connect(
        endpoints["websocket"] + query,
        additional_headers={**cookie, **headers},
        open_timeout=TIMEOUT,
        proxy=None,
    ) as socket:
        yield Chat(socket)
