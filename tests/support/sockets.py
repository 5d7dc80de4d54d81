"""Sockets without a network: API Gateway's events, recorded frames, and a scripted agent."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from ai_buddy import wiring
from ai_buddy.conversations.repository import DynamoConversations
from ai_buddy.conversations.turn_worker import Intervals, TurnWorker
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
from ai_buddy.realtime.ports import ConnectionGone
from ai_buddy.realtime.repository import DynamoConnections
from ai_buddy.sockets import connect_socket
from supermarket.caller import Caller
from supermarket.clock import new_id, utc_now
from supermarket.websocket import SocketAction
from supermarket.wiring import sessions
from support.api import a_caller, bearer

type Frame = dict[str, Any]
type Step = AnswerEvent | Exception | float | Callable[[], object]

FAST = Intervals(frame=0.01, save=0.03, silence=2.0, end=2.0)


class FakeSender:
    """A `ConnectionSender` that records frames; `gone` connections are closed, and frames to
    `throttled` ones do not arrive.
    """

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[Frame]] = defaultdict(list)
        self.closed: list[str] = []
        self.gone: set[str] = set()
        self.throttled: set[str] = set()
        self.largest = 0  # bytes of the largest frame

    def send(self, connection_id: str, frame: str) -> bool:
        if connection_id in self.gone:
            raise ConnectionGone(connection_id)
        if connection_id in self.throttled:
            return False
        self.largest = max(self.largest, len(frame.encode()))
        self.sent[connection_id].append(json.loads(frame))
        return True

    def close(self, connection_id: str) -> None:
        self.closed.append(connection_id)

    def types(self, connection_id: str) -> list[str]:
        return [frame["type"] for frame in self.sent[connection_id]]

    def last(self, connection_id: str) -> Frame:
        return self.sent[connection_id][-1]

    def text(self, connection_id: str) -> str:
        """Return the text of all `token` frames together, as a client builds it."""
        return "".join(f["text"] for f in self.sent[connection_id] if f["type"] == "token")


class FakeWorkers:
    """`Workers` that record their tasks; with `broken`, none can be started."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.broken = False

    def start(self, task: Task) -> None:
        if self.broken:
            raise RuntimeError("no worker can be started")
        self.tasks.append(task)


class ScriptedAgent:
    """An `Agent` that goes through its steps: events, errors, seconds to wait, callables."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps or (TextDelta("All right."),)
        self.questions: list[Question] = []
        self.summarised: list[tuple[str, list[Utterance]]] = []
        self.closed = Event()  # set when an answer ends or its iterator is closed

    def answer(
        self, question: Question, has_ended: Callable[[], bool] = lambda: False
    ) -> Iterator[AnswerEvent]:
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
            self.closed.set()

    def summarise(self, summary: str, older: Sequence[Utterance]) -> Summary:
        self.summarised.append((summary, list(older)))
        return Summary(f"a summary of {len(older)} utterances", TokensUsed(30, 4))


class FakeExecutor:
    """A `ProposalExecutor` that records what it executed, or raises `refusal`."""

    def __init__(self) -> None:
        self.executed: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        if self.refusal:
            raise self.refusal
        self.executed.append((proposal.action, key))
        return "It is done."


class Sockets:
    """The socket's Lambdas on moto, with a fake sender, fake workers and a fake executor."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sender, self.workers, self.executor = FakeSender(), FakeWorkers(), FakeExecutor()
        wiring.connections.cache_clear()
        wiring.conversations.cache_clear()
        wiring._usage.cache_clear()
        patch.setattr(wiring, "sender", lambda: self.sender)
        patch.setattr("ai_buddy.realtime.gateways.LambdaWorkers", lambda *_: self.workers)
        patch.setattr(wiring, "executor", lambda: self.executor)

    def freeze_minute(self, patch: pytest.MonkeyPatch) -> None:
        """Keep all frames of a test in one minute."""
        now = utc_now()
        patch.setattr(wiring._usage(), "_clock", lambda: now)

    def connect(self, caller: Caller | None = None) -> "Client":
        """Open a connection."""
        client = Client(self, new_id(), caller or a_caller())
        answer = connect_socket(handshake(client.id, headers=bearer(client.caller)), None)
        assert answer["statusCode"] == 200
        return client

    def run_workers(
        self, agent: ScriptedAgent, *, seconds: float = 5, intervals: Intervals = FAST
    ) -> None:
        """Answer all turns that wait."""
        while self.workers.tasks:
            self.turn_worker(agent, intervals).answer(self.workers.tasks.pop(0), seconds)

    def open_connections(self, user_id: str) -> list[str]:
        """Return the ids of the connections that are stored as open."""
        return [each.id for each in DynamoConnections(utc_now).list_open(user_id)]

    def turn_worker(self, agent: ScriptedAgent, intervals: Intervals = FAST) -> TurnWorker:
        return TurnWorker(
            agent=agent,
            conversations=DynamoConversations(utc_now),
            connections=DynamoConnections(utc_now),
            sender=self.sender,
            usage=wiring._usage(),
            sessions=sessions(),
            clock=utc_now,
            monotonic=time.monotonic,
            intervals=intervals,
        )


class Client:
    """The client of a connection."""

    def __init__(self, sockets: Sockets, connection_id: str, caller: Caller) -> None:
        self._sockets = sockets
        self.id = connection_id
        self.caller = caller

    def send(self, action: SocketAction, **frame: Any) -> list[Frame]:
        """Send a frame and return the frames that come back at once."""
        return self.send_raw(action, json.dumps({"action": action.action, **frame}))

    def send_raw(self, action: SocketAction, body: str) -> list[Frame]:
        before = len(self.frames)
        assert action(event(self.id, body), None) == {"statusCode": 200}
        return self.frames[before:]

    @property
    def frames(self) -> list[Frame]:
        return self._sockets.sender.sent[self.id]


def another_session_of(caller: Caller) -> Caller:
    """Return the same person, signed in on another device."""
    return replace(caller, session_id=new_id())


def sign_out(caller: Caller) -> None:
    """End the caller's session."""
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


def _context(connection_id: str, kind: str) -> Frame:
    return {"connectionId": connection_id, "requestId": new_id(), "eventType": kind}
