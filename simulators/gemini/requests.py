"""What Gemini accepts in a request: contents, tools and the order in which they may stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.gemini.errors import invalid


@dataclass(frozen=True)
class Call:
    """A function call of the model."""

    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """What a called function answered."""

    name: str
    response: Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One of text, call or response."""

    text: str = ""
    call: Call | None = None
    answered: Answered | None = None
    is_signed: bool = False


@dataclass(frozen=True)
class Content:
    """What one side said at once."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts if part.text)

    @property
    def calls(self) -> list[Call]:
        return [part.call for part in self.parts if part.call]

    @property
    def is_signed(self) -> bool:
        """Whether the first of its calls is, if it has any."""
        return next((part.is_signed for part in self.parts if part.call), True)

    @property
    def answers(self) -> list[Answered]:
        return [part.answered for part in self.parts if part.answered]


@dataclass(frozen=True)
class Prompt:
    """A whole request: the conversation, and the functions that were declared for it."""

    contents: tuple[Content, ...]
    functions: Mapping[str, Mapping[str, Any]]
    instruction: str
    raw: str

    @property
    def asked(self) -> str:
        """The person's last words."""
        said = (one.text for one in reversed(self.contents) if one.role == "user" and one.text)
        return next(said, "")

    @property
    def this_turn(self) -> Sequence[Content]:
        """What came after the person's last words."""
        asked_at = max(
            (at for at, one in enumerate(self.contents) if one.role == "user" and one.text),
            default=-1,
        )
        return self.contents[asked_at + 1 :]

    @property
    def called(self) -> list[Call]:
        """The calls of this turn."""
        return [call for content in self.this_turn for call in content.calls]

    @property
    def answered(self) -> list[Answered]:
        """What they answered."""
        return [answer for content in self.this_turn for answer in content.answers]

    @property
    def answered_ever(self) -> list[Answered]:
        """Every answer of a function in the conversation."""
        return [answer for content in self.contents for answer in content.answers]


def parse(body: bytes) -> Prompt:
    """The request, or Google's refusal of it."""
    try:
        sent = json.loads(body)
    except ValueError:
        raise invalid("Invalid JSON payload received.") from None
    if not isinstance(sent, dict):
        raise invalid("Invalid JSON payload received. Expected an object.")
    contents = sent.get("contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    said = tuple(_content(content, at) for at, content in enumerate(contents))
    _require_order(said)
    instruction = sent.get("systemInstruction")
    prompt = Prompt(
        said,
        _functions(sent.get("tools") or []),
        _content({"role": "system", **instruction}, -1).text if instruction else "",
        body.decode(errors="replace"),
    )
    _require_signatures(prompt.this_turn)
    return prompt


def _content(sent: Any, at: int) -> Content:
    if not isinstance(sent, dict):
        raise invalid(f"Invalid value at 'contents[{at}]'")
    role, parts = sent.get("role", "user"), sent.get("parts")
    if role not in {"user", "model", "system", "function"}:
        raise invalid("Please use a valid role: user, model.")
    if not isinstance(parts, list) or not parts:
        raise invalid(f"* GenerateContentRequest.contents[{at}].parts: contents.parts is required")
    return Content("user" if role == "function" else role, tuple(map(_part, parts)))


def _part(sent: Any) -> Part:
    if not isinstance(sent, dict):
        raise invalid("Invalid value at 'contents[].parts[]'")
    if call := sent.get("functionCall"):
        called = Call(str(call.get("name")), call.get("args") or {})
        return Part(call=called, is_signed=bool(sent.get("thoughtSignature")))
    if answer := sent.get("functionResponse"):
        return Part(answered=Answered(str(answer.get("name")), answer.get("response") or {}))
    return Part(text=str(sent.get("text", "")))


def _require_signatures(this_turn: Sequence[Content]) -> None:
    """As Gemini 3 does, of what was called since the person spoke."""
    if not all(content.is_signed for content in this_turn):
        raise invalid(
            "Function call is missing a thought_signature in functionCall parts. This is required"
            " for tools to work correctly, and missing thought_signature may lead to degraded model"
            " performance."
        )


def _functions(tools: Any) -> Mapping[str, Mapping[str, Any]]:
    functions: dict[str, Mapping[str, Any]] = {}
    for tool in tools:
        for declared in tool.get("functionDeclarations") or []:
            name = declared.get("name")
            if not name or name in functions:
                raise invalid(f"Duplicate or missing function declaration: {name}")
            schema = declared.get("parameters") or declared.get("parametersJsonSchema") or {}
            functions[str(name)] = schema.get("properties") or {}
    return functions


def _require_order(contents: Sequence[Content]) -> None:
    """Calls follow the person or a response, and each is answered at once."""
    before = None
    for content in contents:
        if content.calls and (before is None or before.role != "user"):
            raise invalid(
                "Please ensure that function call turn comes immediately after a user turn or"
                " after a function response turn."
            )
        called = len(before.calls) if before else 0
        if len(content.answers) != called:
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number"
                " of function call parts of the function call turn."
            )
        before = content
    if contents[-1].calls:
        raise invalid("Please ensure that function call turn is followed by its responses.")
