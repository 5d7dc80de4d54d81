"""Gemini's REST API, as Google's SDKs speak it: generateContent, and the same as server-sent
events.
"""

import asyncio
import itertools
import json
import re
import time
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from simulators.gemini.errors import GeminiError, no_key, quota, wrong_key
from simulators.gemini.faults import Fault, Faults
from simulators.gemini.obedience import order_in
from simulators.gemini.requests import Call, Prompt, parse
from simulators.gemini.understanding import next_step

MODEL = "supermarket-simulator-1 (rules, no language model)"
MODELS = re.compile(r"models/(?P<model>[\w.-]+):(?P<method>\w+)")
CHARACTERS_PER_TOKEN = 4
WORDS_PER_PIECE = 3
ENDINGS = {
    "malformed": "MALFORMED_FUNCTION_CALL",
    "blocked": "BLOCKED",
    "safety": "SAFETY",
    "max_tokens": "MAX_TOKENS",
}
SIGNATURE = b64encode(b"a thought of the simulator").decode()

type Parts = list[dict[str, Any]]


@dataclass
class Visit:
    """When a request came and was answered, in seconds of this machine's monotonic clock; what
    was said is nobody's business.
    """

    number: int
    method: str
    received_at: float
    first_words_at: float | None = None
    finished_at: float | None = None
    status: int = 200
    fault: str = ""  # what the fault was about that was ordered for it


@dataclass(frozen=True)
class Reply:
    """What the model says: whole, and how it ends."""

    parts: Parts
    finish: str = "STOP"

    @property
    def has_words(self) -> bool:
        return any("text" in part for part in self.parts)


class Api:
    """`/v1beta/models/...`."""

    def __init__(self, api_key: str, faults: Faults) -> None:
        self._api_key = api_key
        self._faults = faults
        self._numbers = itertools.count(1)
        self.visits: deque[Visit] = deque(maxlen=500)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/{version}/models/{call}", self.call, methods=["POST"]),
            Route("/{version}/models", self.list_models, methods=["GET"]),
        ]

    async def list_models(self, request: Request) -> Response:
        self._check_key(request)
        methods = ["generateContent", "streamGenerateContent", "countTokens"]
        model = {
            "name": "models/simulator",
            "version": MODEL,
            "supportedGenerationMethods": methods,
        }
        return JSONResponse({"models": [model]})

    async def call(self, request: Request) -> Response:
        method = request.path_params["call"].partition(":")[2]
        visit = Visit(next(self._numbers), method, time.monotonic())
        self.visits.append(visit)
        try:
            return await self._answer(request, method, visit)
        except GeminiError as error:
            visit.status, visit.finished_at = error.code, time.monotonic()
            raise

    async def _answer(self, request: Request, method: str, visit: Visit) -> Response:
        self._check_key(request)
        prompt = parse(await request.body())
        if method == "countTokens":
            return JSONResponse({"totalTokens": _tokens(prompt.raw)})
        if method not in {"generateContent", "streamGenerateContent"}:
            raise GeminiError(404, f"Method {method} is not found.")
        reply = self._reply(prompt)
        fault = self._faults.take(prompt.raw, speaks=reply.has_words)
        visit.fault = fault.about if fault else ""
        await _refuse_or_be_silent(fault, request)
        reply = _signed(_faulty(fault) or reply)
        if method == "generateContent":
            visit.first_words_at = visit.finished_at = time.monotonic()
            said = _tokens(json.dumps(reply.parts, ensure_ascii=False))
            return JSONResponse(_response(prompt, reply.parts, reply.finish, said))
        return StreamingResponse(
            _events(prompt, reply, fault, visit, request), media_type="text/event-stream"
        )

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if not key:
            raise no_key()
        if key != self._api_key:
            raise wrong_key()

    def _reply(self, prompt: Prompt) -> Reply:
        if self._faults.obeys(prompt.raw) and (ordered := order_in(prompt)):
            return Reply(ordered)
        return Reply([_part(next_step(prompt))])


def _faulty(fault: Fault | None) -> Reply | None:
    """What is said instead of an answer."""
    if fault and fault.kind == "script":
        return _scripted(fault)
    if fault and fault.kind in ENDINGS:
        return Reply([{"text": fault.text}] if fault.text else [], ENDINGS[fault.kind])
    return None


def _signed(reply: Reply) -> Reply:
    """The first call of a step bears the thought that led to it, which is to come back with it."""
    first = next((part for part in reply.parts if "functionCall" in part), None)
    signed = [
        {**part, "thoughtSignature": SIGNATURE} if part is first else part for part in reply.parts
    ]
    return replace(reply, parts=signed)


def _scripted(fault: Fault) -> Reply:
    calls = [_part(Call(str(one["name"]), one.get("args") or {})) for one in fault.calls]
    return Reply([*([{"text": fault.text}] if fault.text else []), *calls])


def _part(step: Call | str) -> dict[str, Any]:
    if isinstance(step, str):
        return {"text": step}
    return {"functionCall": {"name": step.name, "args": dict(step.args)}}


async def _refuse_or_be_silent(fault: Fault | None, request: Request) -> None:
    if fault is None:
        return
    if fault.kind == "status":
        raise quota(fault.seconds) if fault.status == 429 else GeminiError(fault.status)
    if fault.kind == "hang":
        await _silence(fault, request)


async def _silence(fault: Fault, request: Request) -> None:
    """For so long, until it is forgotten, or until the client has enough of it."""
    ends = time.monotonic() + fault.seconds
    while time.monotonic() < ends and not fault.is_over:
        if await request.is_disconnected():
            raise GeminiError(504)
        await asyncio.sleep(min(0.05, max(ends - time.monotonic(), 0)))


async def _events(
    prompt: Prompt, reply: Reply, fault: Fault | None, visit: Visit, request: Request
) -> AsyncIterator[bytes]:
    kind = fault.kind if fault else None
    pieces = list(_pieces(reply.parts)) or [[]]
    said = 0
    for number, parts in enumerate(pieces, 1):
        if fault and number > 1:
            if kind == "slow":
                await asyncio.sleep(fault.seconds)
            elif kind == "stall":
                await _silence(fault, request)
            elif kind == "cut":
                raise ConnectionResetError("as a test ordered it")
            elif kind == "garbage":
                yield b'data: {"candidates": [{"content"\r\n\r\n'
                return
        visit.first_words_at = visit.first_words_at or time.monotonic()
        finish = reply.finish if number == len(pieces) else None
        said += _tokens(json.dumps(parts, ensure_ascii=False))
        yield _event(_response(prompt, parts, finish, said))
    visit.finished_at = time.monotonic()


def _event(response: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(response, ensure_ascii=False)}\r\n\r\n".encode()


def _pieces(parts: Parts) -> Iterator[Parts]:
    """A few words at a time; calls come whole."""
    for part in parts:
        if "text" not in part:
            yield [part]
            continue
        words = re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", part["text"])
        for at in range(0, len(words), WORDS_PER_PIECE):
            yield [{"text": "".join(words[at : at + WORDS_PER_PIECE])}]


def _response(
    prompt: Prompt, parts: Sequence[Any], finish: str | None, said: int
) -> dict[str, Any]:
    """`said` are the tokens of the answer so far, of all its pieces."""
    asked = _tokens(prompt.raw)
    response: dict[str, Any] = {
        "usageMetadata": {
            "promptTokenCount": asked,
            "candidatesTokenCount": said,
            "totalTokenCount": asked + said,
        },
        "modelVersion": MODEL,
        "responseId": f"simulated-{abs(hash(prompt.raw)) % 10**12:012d}",
    }
    if finish == "BLOCKED":
        return response | {"promptFeedback": {"blockReason": "OTHER"}}
    content = {"role": "model", **({"parts": parts} if parts else {})}
    candidate: dict[str, Any] = {"content": content, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **response}


def _tokens(text: str) -> int:
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def told(visit: Visit) -> dict[str, Any]:
    """For `/simulator/visits`."""
    return asdict(visit)
