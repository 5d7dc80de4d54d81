"""Gemini's REST API as Google's SDKs use it: generateContent, whole or as server-sent events."""

import asyncio
import json
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from simulators.gemini.control import MODEL, Control, Fault, LoggedRequest
from simulators.gemini.errors import error, invalid_key, quota_exceeded
from simulators.gemini.requests import Call, Prompt, parse
from simulators.gemini.rules import next_step
from simulators.http import ApiError

METHODS = ("generateContent", "streamGenerateContent", "countTokens")
CHARACTERS_PER_TOKEN = 4
WORDS_PER_CHUNK = 3
FINISH_REASONS = {
    "malformed": "MALFORMED_FUNCTION_CALL",
    "blocked": "BLOCKED",
    "safety": "SAFETY",
    "max_tokens": "MAX_TOKENS",
}
SIGNATURE = b64encode(b"a thought of the simulator").decode()

type Parts = list[dict[str, Any]]


@dataclass(frozen=True)
class Reply:
    """A whole answer of the model and its finish reason."""

    parts: Parts
    finish: str = "STOP"

    def __post_init__(self) -> None:
        """Sign the first call: clients must send the signature back with it."""
        if call := next((part for part in self.parts if "functionCall" in part), None):
            call["thoughtSignature"] = SIGNATURE


class Api:
    """`/v1beta/models/...`."""

    def __init__(self, api_key: str, control: Control) -> None:
        self._api_key = api_key
        self._control = control

    def routes(self) -> list[BaseRoute]:
        return [Route("/{version}/models/{call}", self.call, methods=["POST"])]

    async def call(self, request: Request) -> Response:
        method = request.path_params["call"].partition(":")[2]
        logged = LoggedRequest(method, time.monotonic())
        self._control.log.append(logged)
        try:
            return await self._answer(request, method, logged)
        except ApiError as refusal:
            logged.status, logged.finished_at = refusal.status, time.monotonic()
            raise

    async def _answer(self, request: Request, method: str, logged: LoggedRequest) -> Response:
        self._check_key(request)
        prompt = parse(await request.body())
        if method not in METHODS:
            raise error(404, f"Method {method} is not found.")
        if method == "countTokens":
            return JSONResponse({"totalTokens": _tokens(prompt.raw)})
        reply = Reply(self._control.injected_parts(prompt) or [_part(next_step(prompt))])
        has_text = any("text" in part for part in reply.parts)
        fault = self._control.take_fault(prompt.raw, has_text=has_text)
        if fault:
            logged.fault = fault.about
            await _refuse_or_hang(fault, request)
            reply = _faulty_reply(fault) or reply
        if method == "generateContent":
            logged.first_words_at = logged.finished_at = time.monotonic()
            return JSONResponse(_response(prompt, reply.parts, reply.finish, reply.parts))
        events = _events(prompt, reply, fault, logged, request)
        return StreamingResponse(events, media_type="text/event-stream")

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if not key:
            raise error(403)
        if key != self._api_key:
            raise invalid_key()


def _faulty_reply(fault: Fault) -> Reply | None:
    text: Parts = [{"text": fault.text}] if fault.text else []
    if fault.kind == "script":
        calls = (Call(str(call["name"]), call.get("args") or {}) for call in fault.calls)
        return Reply([*text, *map(_part, calls)])
    if fault.kind in FINISH_REASONS:
        return Reply(text, FINISH_REASONS[fault.kind])
    return None


def _part(step: Call | str) -> dict[str, Any]:
    if isinstance(step, str):
        return {"text": step}
    return {"functionCall": {"name": step.name, "args": dict(step.args)}}


async def _refuse_or_hang(fault: Fault, request: Request) -> None:
    if fault.kind == "status":
        raise quota_exceeded(fault.seconds) if fault.status == 429 else error(fault.status)
    if fault.kind == "hang":
        await _wait(fault, request)


async def _wait(fault: Fault, request: Request) -> None:
    """Wait for the fault's seconds, or until the fault is removed or the client disconnects."""
    began = time.monotonic()
    while (left := began + fault.seconds - time.monotonic()) > 0:
        if await request.is_disconnected():
            raise error(504)
        await asyncio.sleep(min(0.05, left))


async def _events(
    prompt: Prompt, reply: Reply, fault: Fault | None, logged: LoggedRequest, request: Request
) -> AsyncIterator[bytes]:
    chunks = list(_chunks(reply.parts)) or [[]]
    so_far: Parts = []
    for number, parts in enumerate(chunks, 1):
        if fault and number > 1:
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "stall":
                await _wait(fault, request)
            elif fault.kind == "cut":
                raise ConnectionResetError("a test has ordered this")
            elif fault.kind == "garbage":
                yield b'data: {"candidates": [{"content"\r\n\r\n'
                return
        logged.first_words_at = logged.first_words_at or time.monotonic()
        finish = reply.finish if number == len(chunks) else None
        so_far += parts
        response = _response(prompt, parts, finish, so_far)
        yield f"data: {json.dumps(response, ensure_ascii=False)}\r\n\r\n".encode()
    logged.finished_at = time.monotonic()


def _chunks(parts: Parts) -> Iterator[Parts]:
    """Divide texts into a few words each; calls stay whole."""
    for part in parts:
        if "text" not in part:
            yield [part]
            continue
        words = re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", part["text"])
        for at in range(0, len(words), WORDS_PER_CHUNK):
            yield [{"text": "".join(words[at : at + WORDS_PER_CHUNK])}]


def _response(prompt: Prompt, parts: Parts, finish: str | None, so_far: Parts) -> Mapping[str, Any]:
    """Return one response; `so_far` are all parts of the answer up to this response."""
    asked, said = _tokens(prompt.raw), _tokens(json.dumps(so_far, ensure_ascii=False))
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
    candidate = {"content": content, "index": 0, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], **response}


def _tokens(text: str) -> int:
    return max(1, len(text) // CHARACTERS_PER_TOKEN)
