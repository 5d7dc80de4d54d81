"""Sockets without a network: events as API Gateway sends them, lines that remember, an agent that
says what it was given.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from ai_buddy import wiring
from ai_buddy.conversations.repository import DynamoConversations
from ai_buddy.conversations.turns import Answering, Pace
from ai_buddy.model import (
    AnswerEvent,
    Proposal,
    Question,
    Summary,
    Task,
    TextDelta,
    TokensUsed,
    Utterance,
)
from ai_buddy.realtime.connections import LineGone
from ai_buddy.realtime.repository import DynamoConnections
from ai_buddy.sockets import connect_socket
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.websocket import SocketAction
from supermarket.wiring import sessions
from support.api import a_caller, bearer

type Frame = dict[str, Any]
type Step = AnswerEvent | Exception | float | Callable[[], object]

HURRIED = Pace(frame=0.01, note=0.03, patience=2.0)


class FakeLines:
    """`Lines` that keep what was sent; the `dead` are gone, the `slow` get nothing now."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[Frame]] = defaultdict(list)
        self.closed: list[str] = []
        self.dead: set[str] = set()
        self.slow: set[str] = set()
        self.largest = 0  # frame so far, in bytes

    def send(self, connection_id: str, frame: str) -> bool:
        if connection_id in self.dead:
            raise LineGone(connection_id)
        if connection_id in self.slow:
            return False
        self.largest = max(self.largest, len(frame.encode()))
        self.sent[connection_id].append(json.loads(frame))
        return True

    def hang_up(self, connection_id: str) -> None:
        self.closed.append(connection_id)

    def types(self, connection_id: str) -> list[str]:
        return [frame["type"] for frame in self.sent[connection_id]]

    def last(self, connection_id: str) -> Frame:
        return self.sent[connection_id][-1]

    def text(self, connection_id: str) -> str:
        """What a client has that appends each token to what it has."""
        return "".join(f["text"] for f in self.sent[connection_id] if f["type"] == "token")


class FakeWorkers:
    """`Workers` that keep their tasks; `broken` ones cannot be had."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.broken = False

    def start(self, task: Task) -> None:
        if self.broken:
            raise RuntimeError("no worker can be had")
        self.tasks.append(task)


class ScriptedAgent:
    """`Agent` that goes through its steps: events, errors, seconds to wait, functions to call."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps or (TextDelta("All right."),)
        self.questions: list[Question] = []
        self.summed_up: list[tuple[str, list[Utterance]]] = []
        self.left = Event()  # nobody listens any more

    def answer(self, question: Question) -> Iterator[AnswerEvent]:
        self.questions.append(question)
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    time.sleep(step)
                elif callable(step):
                    step()
                else:
                    yield step
        finally:
            self.left.set()

    def summarise(self, summary: str, older: Sequence[Utterance]) -> Summary:
        self.summed_up.append((summary, list(older)))
        return Summary(f"{len(older)} things were said", TokensUsed(30, 4))


class FakeActions:
    """`Actions` that note what was executed, or raise."""

    def __init__(self) -> None:
        self.executed: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        if self.refusal:
            raise self.refusal
        self.executed.append((proposal.action, key))
        return "It is done."


class Sockets:
    """The socket's Lambdas over moto, with fakes at both far ends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lines, self.workers, self.actions = FakeLines(), FakeWorkers(), FakeActions()
        wiring.connection_registry.cache_clear()
        wiring.connections.cache_clear()
        wiring.conversations.cache_clear()
        wiring._usage.cache_clear()
        patch.setattr(wiring, "lines", lambda: self.lines)
        patch.setattr("ai_buddy.realtime.gateways.LambdaWorkers", lambda *_: self.workers)
        patch.setattr(wiring, "actions", lambda: self.actions, raising=False)

    def stop_the_clock_of_limits(self, patch: pytest.MonkeyPatch) -> None:
        """No minute ends while a test counts."""
        now = utc_now()
        patch.setattr(wiring._usage(), "_clock", lambda: now)

    def connect(self, caller: Caller | None = None) -> "Client":
        """A connection that is open."""
        client = Client(self, new_id(), caller or a_caller())
        answer = connect_socket(handshake(client.id, headers=bearer(client.caller)), None)
        assert answer["statusCode"] == 200
        return client

    def work(self, agent: ScriptedAgent, *, seconds: float = 5, pace: Pace = HURRIED) -> None:
        """Answer all that waits."""
        while self.workers.tasks:
            self.answering(agent, pace).answer(self.workers.tasks.pop(0), seconds)

    def switchboard_lines(self, user_id: str) -> list[str]:
        """The connections that are kept as open."""
        return [line.connection_id for line in DynamoConnections(utc_now).of_user(user_id)]

    def answering(self, agent: ScriptedAgent, pace: Pace = HURRIED) -> Answering:
        return Answering(
            agent=agent,
            memory=DynamoConversations(utc_now),
            listeners=DynamoConnections(utc_now),
            lines=self.lines,
            spending=wiring._usage(),
            sessions=sessions(),
            clock=utc_now,
            ticks=time.monotonic,
            pace=pace,
        )


class Client:
    """One end of a connection."""

    def __init__(self, sockets: Sockets, connection_id: str, caller: Caller) -> None:
        self._sockets = sockets
        self.id = connection_id
        self.caller = caller

    def send(self, action: SocketAction, **frame: Any) -> list[Frame]:
        """Send a frame; what comes back at once."""
        return self.send_raw(action, json.dumps({"action": action.action, **frame}))

    def send_raw(self, action: SocketAction, body: str) -> list[Frame]:
        before = len(self.frames)
        assert action(event(self.id, body), None) == {"statusCode": 200}
        return self.frames[before:]

    @property
    def frames(self) -> list[Frame]:
        return self._sockets.lines.sent[self.id]


def another_session_of(caller: Caller) -> Caller:
    """The same person, signed in on another device."""
    return replace(caller, session_id=new_id())


def sign_out(caller: Caller) -> None:
    """End the caller's session, elsewhere."""
    sessions().end(caller.session_id, caller.user_id)


def handshake(
    connection_id: str,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Frame:
    return {
        "requestContext": _context(connection_id, "CONNECT"),
        "headers": dict(headers or {}),
        "queryStringParameters": dict(query) if query else None,
    }


def event(connection_id: str, body: str = "", kind: str = "MESSAGE") -> Frame:
    return {"requestContext": _context(connection_id, kind), "body": body}


def texts(frames: Iterable[Frame]) -> list[str]:
    return [frame["text"] for frame in frames]


def _context(connection_id: str, kind: str) -> Frame:
    return {"connectionId": connection_id, "requestId": new_id(), "eventType": kind}
