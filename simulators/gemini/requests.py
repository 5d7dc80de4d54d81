"""Parses a request and refuses what Gemini refuses: contents, tools and the order of turns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulators.gemini.errors import error


@dataclass(frozen=True)
class Call:
    """A function call of the model."""

    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What a called function has returned."""

    name: str
    response: Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """One turn of the user, with function results, or of the model, with function calls."""

    role: str
    text: str
    calls: Sequence[Call]
    results: Sequence[Result]
    is_signed: bool  # the first call, if there is any, has a thought signature

    @property
    def is_question(self) -> bool:
        return self.role == "user" and bool(self.text)


@dataclass(frozen=True)
class Prompt:
    """A whole request: the conversation, and the names of the functions declared for it."""

    contents: tuple[Content, ...]
    functions: frozenset[str]
    instruction: str
    raw: str

    @property
    def question(self) -> str:
        """The user's last text."""
        return next((one.text for one in reversed(self.contents) if one.is_question), "")

    @property
    def this_turn(self) -> Sequence[Content]:
        """What follows the user's last text."""
        asked = [at for at, content in enumerate(self.contents) if content.is_question]
        return self.contents[asked[-1] + 1 :] if asked else self.contents

    @property
    def calls(self) -> list[Call]:
        """The calls of this turn."""
        return [call for content in self.this_turn for call in content.calls]

    @property
    def results(self) -> list[Result]:
        """The results of this turn."""
        return [result for content in self.this_turn for result in content.results]

    @property
    def all_results(self) -> list[Result]:
        """The results of the whole conversation."""
        return [result for content in self.contents for result in content.results]


def parse(body: bytes) -> Prompt:
    """Parse a request; raises Google's refusal as an `ApiError`."""
    try:
        sent = json.loads(body)
    except ValueError:
        raise error(400, "Invalid JSON payload received.") from None
    if not isinstance(sent, dict):
        raise error(400, "Invalid JSON payload received. Expected an object.")
    sent_contents = sent.get("contents")
    if not isinstance(sent_contents, list) or not sent_contents:
        raise error(400, "* GenerateContentRequest.contents: contents is not specified")
    contents = tuple(_content(content, at) for at, content in enumerate(sent_contents))
    _check_order(contents)
    instruction = sent.get("systemInstruction")
    prompt = Prompt(
        contents,
        frozenset(_functions(sent.get("tools") or [])),
        _content({"role": "system", **instruction}, -1).text if instruction else "",
        body.decode(errors="replace"),
    )
    # Gemini 3 requires the signatures of the calls of this turn only
    if not all(content.is_signed for content in prompt.this_turn):
        raise error(
            400,
            "Function call is missing a thought_signature in functionCall parts. This is required"
            " for tools to work correctly, and missing thought_signature may lead to degraded model"
            " performance.",
        )
    return prompt


def _content(sent: Any, at: int) -> Content:
    if not isinstance(sent, dict):
        raise error(400, f"Invalid value at 'contents[{at}]'")
    role, parts = sent.get("role", "user"), sent.get("parts")
    if role not in {"user", "model", "system", "function"}:
        raise error(400, "Please use a valid role: user, model.")
    if not isinstance(parts, list) or not parts:
        where = f"GenerateContentRequest.contents[{at}].parts"
        raise error(400, f"* {where}: contents.parts is required")
    if not all(isinstance(part, dict) for part in parts):
        raise error(400, "Invalid value at 'contents[].parts[]'")
    called = [part for part in parts if part.get("functionCall")]
    answered = [part["functionResponse"] for part in parts if part.get("functionResponse")]
    calls = [part["functionCall"] for part in called]
    return Content(
        role="user" if role == "function" else role,
        text=" ".join(str(part["text"]) for part in parts if part.get("text")),
        calls=[Call(str(call.get("name")), call.get("args") or {}) for call in calls],
        results=[Result(str(one.get("name")), one.get("response") or {}) for one in answered],
        is_signed=not called or bool(called[0].get("thoughtSignature")),
    )


def _functions(tools: Any) -> list[str]:
    declarations = (d for tool in tools for d in tool.get("functionDeclarations") or [])
    names = [str(declared.get("name") or "") for declared in declarations]
    for name in names:
        if not name or names.count(name) > 1:
            raise error(400, f"Duplicate or missing function declaration: {name}")
    return names


def _check_order(contents: Sequence[Content]) -> None:
    """Calls must follow the user or a result, and the next content must have their results."""
    before = None
    for content in contents:
        if content.calls and (before is None or before.role != "user"):
            raise error(
                400,
                "Please ensure that function call turn comes immediately after a user turn or"
                " after a function response turn.",
            )
        if len(content.results) != (len(before.calls) if before else 0):
            raise error(
                400,
                "Please ensure that the number of function response parts is equal to the number"
                " of function call parts of the function call turn.",
            )
        before = content
    if before and before.calls:
        raise error(400, "Please ensure that function call turn is followed by its responses.")
