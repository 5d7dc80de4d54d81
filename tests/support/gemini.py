"""The Gemini simulator on a port of its own, and the agent that calls it."""

import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from langchain_google_genai import ChatGoogleGenerativeAI
from pydantic import SecretStr

from ai_buddy.agent.agent import LangChainAgent, Limits
from ai_buddy.agent.tool import MakeTools
from ai_buddy.model import (
    AnswerEvent,
    DisplayedItems,
    Proposed,
    Question,
    Speaker,
    TextDelta,
    ToolStatus,
    ToolUsed,
    Utterance,
)
from simulators.gemini import create_app
from supermarket.clock import Clock
from support.assistant import Visitor

KEY = "the-key-of-all-tests"
SHOP = "https://shop.example"


@dataclass(frozen=True)
class Simulator:
    """The simulator's address, and its control commands."""

    address: str

    def suffers(self, kind: str, **how: Any) -> None:
        self._send("POST", "/simulator/faults", {"kind": kind, **how})

    def obeys(self, about: str = "") -> None:
        self._send("POST", "/simulator/obedience", {"about": about})

    def recovers(self) -> None:
        self._send("DELETE", "/simulator/faults")

    def visits(self) -> list[dict[str, Any]]:
        visits: list[dict[str, Any]] = self._send("GET", "/simulator/requests")["requests"]
        return visits

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        with without_certificates(), httpx.Client(trust_env=False) as client:
            answer = client.request(method, self.address + path, json=body)
        return answer.raise_for_status().json()


@contextmanager
def simulator() -> Iterator[Simulator]:
    config = uvicorn.Config(
        create_app(api_key=KEY), port=0, lifespan="off", ws="none", log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the simulator did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Simulator(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def without_certificates() -> Iterator[None]:
    """Makes HTTP clients in a fifth of the time: the simulator speaks no TLS, so they need not read
    the certificates of 140 authorities.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)
        yield


@contextmanager
def gemini(address: str, *, key: str = KEY, timeout: float = 5.0) -> Iterator[Any]:
    """The real client, as `ai_buddy.wiring` makes it."""
    with without_certificates():
        model = ChatGoogleGenerativeAI(
            model="gemini-3.5-flash",
            api_key=SecretStr(key),
            base_url=address,
            temperature=1.0,
            reasoning_effort="low",
            timeout=timeout,
            max_retries=1,
            vertexai=False,
            client_args={"trust_env": False},
        )
    try:
        yield model
    finally:
        if model.client is not None:
            model.client.close()


def an_agent(model: Any, make_tools: MakeTools, clock: Clock, limits: Limits) -> LangChainAgent:
    return LangChainAgent(lambda: model, make_tools, limits, SHOP, clock)


@dataclass(frozen=True)
class Answer:
    """The events of an answer."""

    events: Sequence[AnswerEvent]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def tools(self) -> list[tuple[str, str]]:
        used = [event for event in self.events if isinstance(event, ToolUsed)]
        return [(one.name, one.status) for one in used if one.status is not ToolStatus.STARTED]

    @property
    def displayed(self) -> DisplayedItems:
        displayed = DisplayedItems()
        for event in self.events:
            if isinstance(event, DisplayedItems):
                displayed = displayed.updated(event)
        return displayed

    @property
    def products(self) -> tuple[Any, ...]:
        return self.displayed.products or ()

    @property
    def proposal(self) -> Any:
        made = [event for event in self.events if isinstance(event, Proposed)]
        return made[-1].proposal if made else None


class Talk:
    """A conversation of one visitor with the agent, with its history."""

    def __init__(self, agent: LangChainAgent, visitor: Visitor) -> None:
        self._agent = agent
        self.visitor = visitor
        self.history: list[Utterance] = []

    def begin(self, text: str) -> Iterator[AnswerEvent]:
        question = Question(self.visitor.caller, text, "", tuple(self.history))
        return self._agent.answer(question)

    def say(self, text: str) -> Answer:
        answer = Answer(list(self.begin(text)))
        self.history += [
            Utterance(Speaker.USER, text),
            Utterance(Speaker.ASSISTANT, answer.text, answer.displayed),
        ]
        return answer
