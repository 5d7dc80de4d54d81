"""The control API for tests: faults, an obedient model, and a log of the requests.

An obedient model follows the instructions in any text of a request, such as a product's title:
`CALL track_order {"order_id": "..."}`, or `SAY` with a text up to the end of the line. The
shop's own checks must hold against such a model.
"""

import json
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulators.gemini.errors import error
from simulators.gemini.requests import Prompt
from simulators.gemini.wording import without_marks

MODEL = "supermarket-simulator-1 (rules, no language model)"

type Kind = Literal[
    "status",  # an error with this `status`
    "hang",  # no response for `seconds`
    "stall",  # the first words, then nothing for `seconds` or until the fault is removed
    "cut",  # the first words, then the connection is closed
    "garbage",  # the first words, then something that is not JSON
    "malformed",  # finish reason MALFORMED_FUNCTION_CALL
    "blocked",  # the prompt is blocked: no candidate
    "safety",  # finish reason SAFETY
    "max_tokens",  # finish reason MAX_TOKENS, after `text`
    "slow",  # `seconds` between two chunks of the answer
    "script",  # `calls` and `text` in place of the rules' answer
]
KINDS = get_args(Kind.__value__)
STREAM_FAULTS = {"stall", "cut", "garbage", "slow"}  # they need an answer with text

_CALL = re.compile(r"CALL (\w+) (\{[^{}]*\})")
_SAY = re.compile(r"SAY ([^\n]+)")


class Fault(BaseModel):
    """What happens to the next `times` requests with the text `about` in them."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    times: int = 1
    about: str = ""
    status: int = 429
    seconds: float = 60.0
    calls: Sequence[Mapping[str, Any]] = ()
    text: str = ""

    def concerns(self, request: str, *, has_text: bool) -> bool:
        return self.about in request and (has_text or self.kind not in STREAM_FAULTS)


@dataclass
class LoggedRequest:
    """The times of a request in seconds of the monotonic clock; its content is not logged."""

    method: str
    received_at: float
    first_words_at: float | None = None
    finished_at: float | None = None
    status: int = 200
    fault: str = ""  # `about` of the fault that concerned it


class Control:
    """`/simulator/...`, which Gemini does not have."""

    def __init__(self) -> None:
        self.log: deque[LoggedRequest] = deque(maxlen=500)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._applied: deque[Fault] = deque(maxlen=500)
        self._obeyed: set[str] = set()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.describe, methods=["GET"]),
            Route("/simulator/faults", self.add_fault, methods=["POST"]),
            Route("/simulator/faults", self.remove_faults, methods=["DELETE"]),
            Route("/simulator/obedience", self.add_obedience, methods=["POST"]),
            Route("/simulator/requests", self.list_requests, methods=["GET"]),
        ]

    async def describe(self, _: Request) -> Response:
        return JSONResponse({"model": MODEL, "faults": KINDS})

    async def add_fault(self, request: Request) -> Response:
        try:
            fault = Fault.model_validate_json(await request.body())
        except ValidationError as invalid:
            raise error(400, str(invalid)) from None
        with self._lock:
            self._faults.append(fault)
        return JSONResponse(fault.model_dump())

    async def remove_faults(self, request: Request) -> Response:
        """Remove the faults and the obedience that are `about` a text, or all of them."""
        about = request.query_params.get("about")
        with self._lock:
            for fault in (*self._faults, *self._applied):
                if about in (None, fault.about):
                    fault.times, fault.seconds = 0, 0  # no more waiting either
            self._faults = [fault for fault in self._faults if fault.times > 0]
            self._obeyed = set() if about is None else self._obeyed - {about}
        return JSONResponse({})

    async def add_obedience(self, request: Request) -> Response:
        """Make the model obedient in requests with the text `about`, which may be empty."""
        about = (await request.json()).get("about")
        if not isinstance(about, str):
            raise error(400, "`about` must be a text")
        with self._lock:
            self._obeyed.add(about)
        return JSONResponse({"about": about})

    async def list_requests(self, _: Request) -> Response:
        return JSONResponse({"requests": [asdict(request) for request in self.log]})

    def take_fault(self, request: str, *, has_text: bool) -> Fault | None:
        """Return the next fault for a request whose answer has text or has none."""
        with self._lock:
            concerned = (f for f in self._faults if f.concerns(request, has_text=has_text))
            if fault := next(concerned, None):
                fault.times -= 1
                self._applied.append(fault)
                self._faults = [one for one in self._faults if one.times > 0]
            return fault

    def injected_parts(self, prompt: Prompt) -> list[dict[str, Any]]:
        """Return the parts that instructions in the request demand, if the model is obedient."""
        with self._lock:
            is_obedient = any(about in prompt.raw for about in self._obeyed)
        return list(_demanded(prompt)) if is_obedient else []


def _demanded(prompt: Prompt) -> Iterator[dict[str, Any]]:
    """Calls come first; the text follows when each of them was made in this turn."""
    texts = [prompt.question, *_texts([one.response for one in prompt.all_results])]
    instructions = str(without_marks("\n".join(texts)))
    made = {call.name for call in prompt.calls}
    calls = [
        {"functionCall": {"name": name, "args": args}}
        for name, text in _CALL.findall(instructions)
        if name not in made and (args := _json(text)) is not None
    ]
    yield from calls or ({"text": text} for text in _SAY.findall(instructions)[:1])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _json(text: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return found
