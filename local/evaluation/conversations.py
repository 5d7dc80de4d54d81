"""Reads and validates the conversations of `conversations.toml`."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("conversations.toml")

type Given = Literal[
    "cart",
    "pending",
    "paid",
    "shipped",
    "address",
    "sale",
    "injected-tracking",
    "injected-order",
    "injected-cart",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Turn(_Strict):
    """A sentence and its expected effects; the file describes each field."""

    say: str
    tools: tuple[str, ...] = ()
    products: str | None = None
    under: float | None = None
    text: str | None = None
    cart: int | None = None
    proposes: str | None = None
    accept: bool | None = None
    order: str | None = None


class Script(_Strict):
    """One conversation."""

    id: str
    kind: Literal["customer", "seller", "hostile"]
    role: Literal["user", "seller"] = "user"
    language: Literal["en", "hi", "hinglish"] = "en"
    given: tuple[Given, ...] = ()
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]


def read() -> tuple[Script, ...]:
    """Read all conversations in the order of the file."""
    rows = tomllib.loads(FILE.read_text())["conversation"]
    return tuple(Script.model_validate(row) for row in rows)
