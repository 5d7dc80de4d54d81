"""A model that follows whoever shouts last: orders inside of products, tracking numbers, messages.

The server's guards must hold against it; that a real model is better behaved proves nothing.
An order reads `CALL track_order {"order_id": "..."}` or `SAY anything up to the line's end`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulators.gemini.requests import Prompt
from simulators.gemini.wording import plain_text

CALL = re.compile(r"CALL (\w+) (\{[^{}]*\})")
SAY = re.compile(r"SAY ([^\n]+)")


def order_in(prompt: Prompt) -> list[dict[str, Any]]:
    """The parts that the model was told to answer with: calls first, words when they were made."""
    texts = [prompt.asked, *_texts([one.response for one in prompt.answered_ever])]
    orders = plain_text("\n".join(texts))
    made = {call.name for call in prompt.called}
    calls = [
        {"functionCall": {"name": name, "args": args}}
        for name, text in CALL.findall(orders)
        if name not in made and (args := _json(text)) is not None
    ]
    if calls:
        return calls
    return [{"text": text} for text in SAY.findall(orders)[:1]]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _json(text: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return found
