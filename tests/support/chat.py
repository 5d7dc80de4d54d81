"""People who talk with the deployed assistant over a real WebSocket."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from support.shop import Person

type Frame = dict[str, Any]

PATIENCE = 90.0  # the worker's first start imports the whole language stack


class Chat:
    """One open connection, frame by frame; `at` has the moment at which each arrived."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.conversation: str | None = None
        self.frames: list[Frame] = []
        self.at: list[float] = []

    def send(self, action: str, **frame: Any) -> None:
        self.socket.send(json.dumps({"action": action, **frame}))

    def receive(self, timeout: float = PATIENCE) -> Frame:
        frame: Frame = json.loads(self.socket.recv(timeout=timeout))
        self.frames.append(frame)
        self.at.append(time.monotonic())
        return frame

    def until(self, *types: str) -> list[Frame]:
        """The frames up to one of these types."""
        found = [self.receive()]
        while found[-1]["type"] not in types:
            found.append(self.receive())
        return found

    def say(self, text: str, **frame: Any) -> list[Frame]:
        """Say something and hear the whole answer: `started` first, `done` or `error` last."""
        known = {"conversationId": self.conversation} if self.conversation else {}
        self.send("message", text=text, **{**known, **frame})
        frames = self.until("done", "error")
        self.conversation = frames[0].get("conversationId", self.conversation)
        return frames

    def ask(self, text: str) -> Frame:
        """Say something; the `message` that answers."""
        frames = self.say(text)
        assert [f["type"] for f in frames][-2:] == ["message", "done"], frames
        return frames[-2]


@contextmanager
def chatting(
    endpoints: dict[str, Any], person: Person | None, query: str = "", **headers: str
) -> Iterator[Chat]:
    """An open connection in somebody's name."""
    cookie = {"Cookie": f"token={person.token}"} if person else {}
    with connect(
        endpoints["websocket"] + query,
        additional_headers={**cookie, **headers},
        open_timeout=PATIENCE,
        proxy=None,
    ) as socket:
        yield Chat(socket)
