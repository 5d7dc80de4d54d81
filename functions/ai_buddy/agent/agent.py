"""The agent on LangChain and Gemini: streams its words, calls the tools it is given, and tells the
model what they refuse. Neither prompts nor answers are ever logged or traced.
"""

import json
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self, cast, override

import httpx
import httpx2
from google.genai.errors import APIError, ServerError, UnknownApiResponseError
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelCallLimitMiddleware,
    ModelRequest,
    ModelResponse,
    ModelRetryMiddleware,
    ToolCallLimitMiddleware,
    ToolCallRequest,
)
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ModelRateLimitError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langchain_google_genai.chat_models import ChatGoogleGenerativeAIError
from langgraph.types import Command
from langsmith import tracing_context

from ai_buddy.agent.output_filter import Guard
from ai_buddy.agent.prompt import LONGEST_SUMMARY, Prompt
from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import SHOWN_BEFORE, MakeTools, Outcome, Shown, Tool, refusal
from ai_buddy.model import (
    AnsweredBy,
    AnswerEvent,
    ModelUnavailable,
    Proposed,
    Question,
    Speaker,
    Summary,
    TextDelta,
    TokensUsed,
    ToolFailed,
    ToolStatus,
    ToolUsed,
    Utterance,
)
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.errors import DomainError

MODEL_FAILURES = (
    APIError,
    ChatGoogleGenerativeAIError,
    UnknownApiResponseError,
    httpx.HTTPError,
    httpx2.HTTPError,
    json.JSONDecodeError,
)
TALKATIVE = ("google_genai", "langchain_google_genai", "langchain", "httpx", "httpx2", "httpcore")
SPEAKING = "model"  # the node of the graph that calls the model
HEARD: list[Literal["messages", "updates", "custom"]] = ["messages", "updates", "custom"]
LONGEST_SAID = 2_000  # of what one side said, where it is summed up
STEPS_PER_CALL = 10  # of the graph; the limits below end a turn long before

SILENT = "The assistant does not answer at the moment. Try again in a little while."
WORDLESS = "I could not find words for that. Could you ask it in another way?"
UNKNOWN_TOOL = "unknown"
TOOL_BROKE = "Something in the shop broke while I was at it. Try again in a little while."
ENDLESS = "I thought about that for too long. Could you ask for less at a time?"
CUT_SHORT = "(This answer was too long and ends here. Ask for the rest.)"
CONFUSED = "I got confused over that. Could you ask again, perhaps in other words?"

type RunTool = Callable[[ToolCallRequest], ToolMessage | Command[Any]]
type CallModel = Callable[[ModelRequest[Any]], ModelResponse[Any]]


class HungUp(Exception):
    """Nobody listens to the answer any more."""


@dataclass(frozen=True)
class Limits:
    """How much one turn may take."""

    tool_calls: int
    retries: int = 1
    pause_seconds: float = 0.5


class LangChainAgent:
    """The service's `Agent`."""

    def __init__(
        self,
        model: Callable[[], BaseChatModel],
        prompt: Prompt,
        make_tools: MakeTools,
        limits: Limits,
        shop: str,
        clock: Clock,
    ) -> None:
        """`model` is asked for at each turn, so that a rotated key arrives; links may lead to
        `shop`.
        """
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        self._model = model
        self._prompt = prompt
        self._make_tools = make_tools
        self._limits = limits
        self._shop = shop
        self._clock = clock

    def answer(self, question: Question) -> Iterator[AnswerEvent]:
        shown = Shown.of(question.history)
        tools = self._make_tools(question.caller, shown, question.text)
        listener = _Listener()
        speech = _Speech(self._shop, question, shown)
        graph = create_agent(
            self._model(),
            [_for_langchain(tool) for tool in tools],
            system_prompt=self._system_prompt(question),
            middleware=self._middleware(listener, frozenset(tool.name for tool in tools)),
        )
        stream = cast(
            "Generator[Any]",
            graph.stream(
                {"messages": [*_messages(question, shown)]},
                RunnableConfig(
                    callbacks=[listener],
                    recursion_limit=STEPS_PER_CALL * (self._limits.tool_calls + 3),
                ),
                stream_mode=HEARD,
            ),
        )
        with tracing_context(enabled=False), closing(stream), listener, _model_failures():
            for mode, part in stream:
                yield from speech.heard(mode, part)
        yield from speech.end()

    def summarise(self, summary: str, older: Sequence[Utterance]) -> Summary:
        said = "\n".join(f"{one.role.value}: {fenced(one.text, LONGEST_SAID)}" for one in older)
        asked = [
            SystemMessage(self._prompt.for_memory),
            HumanMessage(f"Before: {fenced(summary, LONGEST_SUMMARY)}\n{said}"),
        ]
        with tracing_context(enabled=False), _model_failures():
            answer = self._model().invoke(asked)
        if not answer.text.strip():  # nothing would be remembered from then on
            raise _failed("no summary", SILENT)
        nothing_known = Guard(self._shop, lambda _: False)
        return Summary(nothing_known.clean(answer.text)[:LONGEST_SUMMARY], _cost(answer))

    def _system_prompt(self, question: Question) -> str:
        today = self._clock().date()
        return self._prompt.for_turn(question.caller.role, today, question.summary)

    def _middleware(
        self, listener: "_Listener", names: frozenset[str]
    ) -> Sequence[AgentMiddleware[Any, Any]]:
        limits = self._limits
        return (
            ToolCallLimitMiddleware(run_limit=limits.tool_calls),
            ModelCallLimitMiddleware(run_limit=limits.tool_calls + 2, exit_behavior="end"),
            ModelRetryMiddleware(
                max_retries=limits.retries,
                retry_on=listener.is_worth_another_try,
                on_failure="error",
                initial_delay=limits.pause_seconds,
            ),
            _SecondChance(),
            _ToolReports(names),
        )


class _Listener(BaseCallbackHandler):
    """Knows whether the model has begun to speak, and interrupts it when nobody listens."""

    raise_error = True

    def __init__(self) -> None:
        self._begun = False
        self._hung_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hung_up = True

    @override
    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self._begun = False

    @override
    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        self._begun = True
        if self._hung_up:
            raise HungUp

    def is_worth_another_try(self, failure: Exception) -> bool:
        """What may pass by itself, as long as no word of the answer has left."""
        return isinstance(failure, (ServerError, ModelRateLimitError)) and not self._begun


class _SecondChance(AgentMiddleware[Any, Any]):
    """Asks once more when the model garbled its call of a tool, and then gives up."""

    @override
    def wrap_model_call(self, request: ModelRequest[Any], handler: CallModel) -> ModelResponse[Any]:
        for _ in range(2):
            response = handler(request)
            if not _is_garbled(response):
                return response
        raise _failed("garbled calls", CONFUSED)


class _ToolReports(AgentMiddleware[Any, Any]):
    """Tells of each tool that it began, what came of it, and how it ended. What the shop refuses is
    the model's to hear, and ends nothing; a fault of ours ends the answer.
    """

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names
        self._one_by_one = Lock()  # tools are run at the same time, and may add to each other's

    @override
    def wrap_tool_call(
        self, request: ToolCallRequest, handler: RunTool
    ) -> ToolMessage | Command[Any]:
        tell = request.runtime.stream_writer
        asked = request.tool_call["name"]
        name = asked if asked in self._names else UNKNOWN_TOOL
        tell(ToolUsed(name, ToolStatus.STARTED))
        with self._one_by_one:
            try:
                result = self._run(name, request, handler)
            except ToolFailed:
                tell(ToolUsed(name, ToolStatus.FAILED))
                raise
            outcome = getattr(result, "artifact", None)
            if isinstance(outcome, Outcome):
                tell(outcome)
        tell(ToolUsed(name, ToolStatus.DONE if outcome else ToolStatus.FAILED))
        return result

    def _run(
        self, name: str, request: ToolCallRequest, handler: RunTool
    ) -> ToolMessage | Command[Any]:
        try:
            return handler(request)
        except DomainError as refused:
            return _error(request, refusal(refused))
        except Exception as broken:
            # no traceback: its last line may hold what the person asked for
            fault = type(broken).__name__
            telemetry.logger.error("tool failed", extra={"tool": name, "fault": fault})
            raise ToolFailed(TOOL_BROKE) from None


class _Speech:
    """Turns what the graph streams into the events of an answer, and guards what leaves."""

    def __init__(self, shop: str, question: Question, shown: Shown) -> None:
        self._known = set(shown.ids)
        self._guard = Guard(shop, lambda an_id: an_id in self._known or an_id in question.text)
        self._has_spoken = False
        self._is_finished = False  # the last that was said is not followed by a tool
        self._last_tool = ToolStatus.DONE
        self._proposed = ""
        self._model = ""
        self._is_cut_short = False

    def heard(self, mode: str, part: Any) -> Iterator[AnswerEvent]:
        if mode == "messages":
            message, origin = part
            if isinstance(message, AIMessageChunk) and origin.get("langgraph_node") == SPEAKING:
                yield _cost(message)  # with each piece: an answer that is stopped has cost as well
                yield from self._spoken(message.text)
        elif mode == "updates":
            for message in (part.get(SPEAKING) or {}).get("messages", ()):
                yield from self._signed(message)
        elif isinstance(part, Outcome):
            yield from self._displayed(part)
        else:
            yield from self._held_back()
            self._is_finished = False
            self._last_tool = part.status
            yield part

    def end(self) -> Iterator[AnswerEvent]:
        yield from self._held_back()
        if self._is_finished:
            if self._is_cut_short:
                yield TextDelta(f"\n\n{CUT_SHORT}")
            return
        if self._is_cut_short and not self._proposed:
            raise _failed("endless thoughts", ENDLESS)
        if self._last_tool is ToolStatus.FAILED and not self._proposed:
            raise _failed("garbled calls", CONFUSED)  # it called and called, and got none right
        yield TextDelta(self._gap() + (self._proposed or WORDLESS))

    def _spoken(self, text: str) -> Iterator[AnswerEvent]:
        if safe := self._guard.let_through(text):
            yield self._delta(safe)

    def _held_back(self) -> Iterator[AnswerEvent]:
        if safe := self._guard.rest():
            yield self._delta(safe)

    def _delta(self, safe: str) -> TextDelta:
        gap = self._gap()
        self._has_spoken = self._is_finished = True
        return TextDelta(gap + safe)

    def _gap(self) -> str:
        """Between what was said before a tool was used and after."""
        return "\n\n" if self._has_spoken and not self._is_finished else ""

    def _signed(self, message: AnyMessage) -> Iterator[AnswerEvent]:
        if not isinstance(message, AIMessage):
            return
        self._is_cut_short = message.response_metadata.get("finish_reason") == "MAX_TOKENS"
        model = str(message.response_metadata.get("model_name") or "")
        if model and model != self._model:
            self._model = model
            yield AnsweredBy(model)

    def _displayed(self, outcome: Outcome) -> Iterator[AnswerEvent]:
        self._known |= outcome.ids
        for shown in outcome.shown:
            if isinstance(shown, Proposed):
                # made by code, but of titles that a seller wrote
                self._proposed = self._guard.clean(shown.proposal.text)
                yield Proposed(replace(shown.proposal, text=self._proposed))
            else:
                yield shown


@contextmanager
def _model_failures() -> Iterator[None]:
    """What the model or the way to it does wrong, in the shop's words."""
    try:
        yield
    except MODEL_FAILURES as failure:
        status = getattr(failure, "code", None)
        fault = type(failure).__name__
        telemetry.logger.warning("model failed", extra={"fault": fault, "status": status})
        telemetry.count("ModelFailures")
        # the cause may quote what was asked, and must not get into a log
        raise ModelUnavailable(SILENT) from None


def _messages(question: Question, shown: Shown) -> list[AnyMessage]:
    """The conversation; what it showed last is there as if the model had just looked it up."""
    spoken: list[AnyMessage] = [
        HumanMessage(one.text) if one.role is Speaker.USER else AIMessage(one.text)
        for one in question.history
    ]
    spoken.append(HumanMessage(question.text))
    if shown.products or shown.order:
        told = json.dumps(shown.told(), ensure_ascii=False)
        call = ToolCall(name=SHOWN_BEFORE, args={}, id=SHOWN_BEFORE)
        spoken.append(AIMessage("", tool_calls=[call]))
        spoken.append(ToolMessage(told, tool_call_id=SHOWN_BEFORE, name=SHOWN_BEFORE))
    return spoken


def _cost(message: AIMessage) -> TokensUsed:
    usage = message.usage_metadata
    return TokensUsed(usage["input_tokens"], usage["output_tokens"]) if usage else TokensUsed()


def _for_langchain(tool: Tool) -> BaseTool:
    def run(**said: Any) -> tuple[str, Outcome]:
        outcome = tool.run(tool.arguments(**said))
        return json.dumps(outcome.told, ensure_ascii=False), outcome

    return StructuredTool.from_function(
        run,
        name=tool.name,
        description=tool.description,
        args_schema=tool.arguments,
        response_format="content_and_artifact",
    )


def _error(request: ToolCallRequest, told: str) -> ToolMessage:
    call = request.tool_call
    content = json.dumps({"error": told}, ensure_ascii=False)
    return ToolMessage(content, tool_call_id=call["id"], name=call["name"], status="error")


def _failed(fault: str, told: str) -> ModelUnavailable:
    telemetry.logger.warning("model failed", extra={"fault": fault})
    telemetry.count("ModelFailures")
    return ModelUnavailable(told)


def _is_garbled(response: ModelResponse[Any]) -> bool:
    message = response.result[-1]
    if not isinstance(message, AIMessage) or message.text or message.tool_calls:
        return False
    return "FUNCTION_CALL" in str(message.response_metadata.get("finish_reason"))
