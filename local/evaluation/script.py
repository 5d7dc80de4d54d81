"""The conversations of `conversations.toml`, read and checked."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).parent / "conversations.toml"

type Given = Literal[
    "cart",
    "pending",
    "paid",
    "shipped",
    "trapped",
    "address",
    "sale",
    "hungry-cart",
    "hungry-order",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Turn(_Strict):
    """What is said, and what must come of it; the file tells what each field means."""

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


def scripts() -> tuple[Script, ...]:
    """All of them, in the order of the file."""
    read = tomllib.loads(FILE.read_text())["conversation"]
    return tuple(Script.model_validate(one) for one in read)
