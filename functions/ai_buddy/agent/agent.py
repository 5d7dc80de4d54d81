"""The agent on LangChain and Gemini: streams the model's text and runs the tools that it calls.
Neither prompts nor answers are logged or traced.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from typing import Any, cast, override

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

from ai_buddy.agent.output_filter import OutputFilter
from ai_buddy.agent.prompt import MAX_SUMMARY, SUMMARY_PROMPT, turn_prompt
from ai_buddy.agent.sanitise import fenced
from ai_buddy.agent.tool import (
    SHOWN_BEFORE,
    Arguments,
    MakeTools,
    Tool,
    ToolOutcome,
    last_displayed,
    refusal_text,
    to_result,
)
from ai_buddy.model import (
    AnsweredBy,
    AnswerEvent,
    DisplayedItems,
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
from supermarket.days import day_of
from supermarket.errors import DomainError

MODEL_FAILURES = (
    APIError,
    ChatGoogleGenerativeAIError,
    UnknownApiResponseError,
    httpx.HTTPError,
    httpx2.HTTPError,
    json.JSONDecodeError,
)
NOISY_LOGGERS = (
    *("google_genai", "langchain_google_genai", "langchain"),
    *("httpx", "httpx2", "httpcore"),
)
MODEL_NODE = "model"  # of the graph
MAX_SUMMARISED = 2_000  # characters of one utterance
STEPS_PER_CALL = 10  # of the graph; the limits end a turn long before

SILENT = "The assistant does not answer at the moment. Try again in a little while."
WORDLESS = "I could not find words for that. Could you ask it in another way?"
UNKNOWN_TOOL = "unknown"
TOOL_FAILED = "Something in the shop broke while I was at it. Try again in a little while."
ENDLESS = "I thought about that for too long. Could you ask for less at a time?"
CUT_SHORT = "(This answer was too long and ends here. Ask for the rest.)"
CONFUSED = "I got confused over that. Could you ask again, perhaps in other words?"

type RunTool = Callable[[ToolCallRequest], ToolMessage | Command[Any]]
type CallModel = Callable[[ModelRequest[Any]], ModelResponse[Any]]


class ClientGone(Exception):
    """The caller has closed the answer, or the turn has ended."""


@dataclass(frozen=True)
class Limits:
    """The limits of one turn."""

    tool_calls: int
    retries: int = 1
    pause_seconds: float = 0.5


class LangChainAgent:
    """The `Agent` on LangChain."""

    def __init__(
        self,
        model: Callable[[], BaseChatModel],
        make_tools: MakeTools,
        limits: Limits,
        shop: str,
        clock: Clock,
    ) -> None:
        """`model` is called for each turn, so that a rotated key is used; links may lead to
        `shop`.
        """
        for name in NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        self._model = model
        self._make_tools = make_tools
        self._limits = limits
        self._shop = shop
        self._clock = clock

    def answer(
        self, question: Question, has_ended: Callable[[], bool] = lambda: False
    ) -> Iterator[AnswerEvent]:
        displayed = last_displayed(question.history)
        tools = self._make_tools(question.caller, displayed, question.text)
        call = _ModelCall(has_ended)
        graph = create_agent(
            self._model(),
            [_to_langchain(tool) for tool in tools],
            system_prompt=turn_prompt(
                question.caller.role, day_of(self._clock()), question.summary
            ),
            middleware=self._middleware(call, frozenset(tool.name for tool in tools)),
        )
        steps = STEPS_PER_CALL * (self._limits.tool_calls + 3)
        stream = graph.stream(
            {"messages": [*_messages(question, displayed)]},
            RunnableConfig(callbacks=[call], recursion_limit=steps),
            stream_mode=["messages", "updates", "custom"],
        )
        events = _AnswerEvents(self._shop, question, displayed)
        with (
            tracing_context(enabled=False),
            closing(cast("Any", stream)),
            closing(call),
            _model_failures(),
        ):
            for mode, part in stream:
                yield from events.convert(mode, part)
        yield from events.end()

    def summarise(self, summary: str, older: Sequence[Utterance]) -> Summary:
        said = "\n".join(f"{each.role}: {fenced(each.text, MAX_SUMMARISED)}" for each in older)
        messages = [
            SystemMessage(SUMMARY_PROMPT),
            HumanMessage(f"Before: {fenced(summary, MAX_SUMMARY)}\n{said}"),
        ]
        with tracing_context(enabled=False), _model_failures():
            answer = self._model().invoke(messages)
        if not answer.text.strip():  # saved, it would replace everything known so far
            raise _failed("no summary", SILENT)
        text = OutputFilter(self._shop, is_known=lambda _: False).clean(answer.text)
        return Summary(text[:MAX_SUMMARY], _tokens(answer))

    def _middleware(
        self, call: "_ModelCall", names: frozenset[str]
    ) -> Sequence[AgentMiddleware[Any, Any]]:
        limits = self._limits
        return (
            ToolCallLimitMiddleware(run_limit=limits.tool_calls),
            ModelCallLimitMiddleware(run_limit=limits.tool_calls + 2, exit_behavior="end"),
            ModelRetryMiddleware(
                max_retries=limits.retries,
                retry_on=call.can_be_retried,
                on_failure="error",
                initial_delay=limits.pause_seconds,
            ),
            _RepeatGarbledCalls(),
            _RunTools(names, call.require_open),
        )


class _ModelCall(BaseCallbackHandler):
    """Knows whether the model's text has begun, and interrupts it when the answer is closed."""

    raise_error = True

    def __init__(self, has_ended: Callable[[], bool]) -> None:
        self._has_ended = has_ended
        self._has_begun = False
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def require_open(self) -> None:
        """Raise ClientGone when the answer is closed, or its turn has ended."""
        if self._is_closed or self._has_ended():
            raise ClientGone

    @override
    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self._has_begun = False

    @override
    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        self._has_begun = True
        self.require_open()

    def can_be_retried(self, failure: Exception) -> bool:
        """Return whether the failure may pass and no text has left."""
        return isinstance(failure, (ServerError, ModelRateLimitError)) and not self._has_begun


class _RepeatGarbledCalls(AgentMiddleware[Any, Any]):
    """Calls the model once more when it garbled a tool call, and fails the second time."""

    @override
    def wrap_model_call(self, request: ModelRequest[Any], handler: CallModel) -> ModelResponse[Any]:
        for _ in range(2):
            response = handler(request)
            if not _is_garbled(response):
                return response
        raise _failed("garbled calls", CONFUSED)


class _RunTools(AgentMiddleware[Any, Any]):
    """Runs the tools and streams their progress and outcomes. The model gets a refusal of the shop
    as the result; a defect ends the answer.
    """

    def __init__(self, names: frozenset[str], require_open: Callable[[], None]) -> None:
        super().__init__()
        self._names = names
        self._require_open = require_open
        self._one_at_a_time = Lock()  # LangChain runs them in parallel; their proposals add up

    @override
    def wrap_tool_call(
        self, request: ToolCallRequest, handler: RunTool
    ) -> ToolMessage | Command[Any]:
        send = request.runtime.stream_writer
        called = request.tool_call["name"]
        name = called if called in self._names else UNKNOWN_TOOL
        send(ToolUsed(name, ToolStatus.STARTED))
        status = ToolStatus.FAILED
        try:
            with self._one_at_a_time:
                self._require_open()
                result = handler(request)
                outcome = getattr(result, "artifact", None)
                if isinstance(outcome, ToolOutcome):
                    status = ToolStatus.DONE
                    send(outcome)
        except DomainError as refusal:
            content = json.dumps({"error": refusal_text(refusal)}, ensure_ascii=False)
            return ToolMessage(
                content, tool_call_id=request.tool_call["id"], name=called, status="error"
            )
        except ClientGone:
            raise
        except Exception as failure:
            # without its traceback, whose last line may hold what the person asked for
            fault = type(failure).__name__
            telemetry.logger.error("tool failed", extra={"tool": name, "fault": fault})
            raise ToolFailed(TOOL_FAILED) from None
        finally:
            send(ToolUsed(name, status))
        return result


class _AnswerEvents:
    """Converts what the graph streams to the events of an answer, and filters its text."""

    def __init__(self, shop: str, question: Question, displayed: DisplayedItems) -> None:
        self._known_ids = set(displayed.ids)
        self._filter = OutputFilter(
            shop, lambda an_id: an_id in self._known_ids or an_id in question.text
        )
        self._has_text = False
        self._is_finished = False  # no tool was called after the last text
        self._last_tool = ToolStatus.DONE
        self._proposed = ""
        self._model = ""
        self._is_cut_short = False

    def convert(self, mode: str, part: Any) -> Iterator[AnswerEvent]:
        if mode == "messages":
            message, origin = part
            if isinstance(message, AIMessageChunk) and origin.get("langgraph_node") == MODEL_NODE:
                yield _tokens(message)  # with each piece: a stopped answer has used tokens as well
                yield from self._text(self._filter.feed(message.text))
        elif mode == "updates":
            for message in (part.get(MODEL_NODE) or {}).get("messages", ()):
                yield from self._metadata(message)
        elif isinstance(part, ToolOutcome):
            yield from self._outcome(part)
        else:
            yield from self._text(self._filter.flush())
            self._is_finished = False
            self._last_tool = part.status
            yield part

    def end(self) -> Iterator[AnswerEvent]:
        yield from self._text(self._filter.flush())
        if self._is_finished:
            if self._is_cut_short:
                yield TextDelta(f"\n\n{CUT_SHORT}")
            return
        if self._is_cut_short and not self._proposed:
            raise _failed("endless thoughts", ENDLESS)
        if self._last_tool is ToolStatus.FAILED and not self._proposed:
            raise _failed("garbled calls", CONFUSED)  # no call of a tool succeeded
        yield TextDelta(self._gap() + (self._proposed or WORDLESS))

    def _text(self, text: str) -> Iterator[AnswerEvent]:
        if text:
            yield TextDelta(self._gap() + text)
            self._has_text = self._is_finished = True

    def _gap(self) -> str:
        """The space between the text before a tool call and the text after it."""
        return "\n\n" if self._has_text and not self._is_finished else ""

    def _metadata(self, message: AnyMessage) -> Iterator[AnswerEvent]:
        if not isinstance(message, AIMessage):
            return
        self._is_cut_short = message.response_metadata.get("finish_reason") == "MAX_TOKENS"
        model = str(message.response_metadata.get("model_name") or "")
        if model and model != self._model:
            self._model = model
            yield AnsweredBy(model)

    def _outcome(self, outcome: ToolOutcome) -> Iterator[AnswerEvent]:
        self._known_ids |= outcome.ids
        yield outcome.displayed
        if outcome.proposal:
            # code wrote the text, but from titles that sellers wrote
            self._proposed = self._filter.clean(outcome.proposal.text)
            yield Proposed(replace(outcome.proposal, text=self._proposed))


@contextmanager
def _model_failures() -> Iterator[None]:
    """Raise ModelUnavailable for failures of the model and of the way to it."""
    try:
        yield
    except MODEL_FAILURES as failure:
        status = getattr(failure, "code", None)
        # without its cause, which may quote what was asked, and must not be logged
        raise _failed(type(failure).__name__, SILENT, status=status) from None


def _messages(question: Question, displayed: DisplayedItems) -> Iterator[AnyMessage]:
    """The conversation; it ends as if the model had just looked up what was displayed last."""
    for each in question.history:
        yield HumanMessage(each.text) if each.role is Speaker.USER else AIMessage(each.text)
    yield HumanMessage(question.text)
    if displayed.products or displayed.order:
        content = json.dumps(to_result(displayed), ensure_ascii=False)
        call = ToolCall(name=SHOWN_BEFORE, args={}, id=SHOWN_BEFORE)
        yield AIMessage("", tool_calls=[call])
        yield ToolMessage(content, tool_call_id=SHOWN_BEFORE, name=SHOWN_BEFORE)


def _tokens(message: AIMessage) -> TokensUsed:
    usage = message.usage_metadata
    return TokensUsed(usage["input_tokens"], usage["output_tokens"]) if usage else TokensUsed()


def _to_langchain(tool: Tool) -> BaseTool:
    def run(**arguments: Any) -> tuple[str, ToolOutcome]:
        outcome = tool(**arguments)
        return json.dumps(outcome.result, ensure_ascii=False), outcome

    return _declare(tool.name, tool.description, tool.arguments).model_copy(update={"func": run})


@cache
def _declare(name: str, description: str, arguments: type[Arguments]) -> StructuredTool:
    """Return a tool to copy: the copies share its schema, which takes milliseconds to make."""
    declared = StructuredTool.from_function(
        lambda **_: ("", None),
        name=name,
        description=description,
        args_schema=arguments,
        response_format="content_and_artifact",
    )
    declared.tool_call_schema  # noqa: B018 - memoized
    return declared


def _failed(fault: str, message: str, **details: object) -> ModelUnavailable:
    telemetry.logger.warning("model failed", extra={"fault": fault, **details})
    telemetry.count("ModelFailures")
    return ModelUnavailable(message)


def _is_garbled(response: ModelResponse[Any]) -> bool:
    message = response.result[-1]
    if not isinstance(message, AIMessage) or message.text or message.tool_calls:
        return False
    return "FUNCTION_CALL" in str(message.response_metadata.get("finish_reason"))
