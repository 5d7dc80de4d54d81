"""What is said in a conversation, what an answer is made of, and who answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from supermarket.caller import Caller
from supermarket.errors import Unavailable

# what a frame carries besides text: JSON values under the names of the HTTP contract
type View = Mapping[str, Any]


class Speaker(StrEnum):
    """Who said it."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True)
class Utterance:
    """What one side said, as memory holds it, and what the assistant showed with it: "the second
    one" of the next question means a product of these.
    """

    role: Speaker
    text: str
    products: tuple[View, ...] = ()
    order: View | None = None


@dataclass(frozen=True)
class Question:
    """What the agent is asked: the words of now, and what was said before (oldest first, without
    the words of now). `summary` tells what is older than `history`.
    """

    caller: Caller
    conversation_id: str
    message_id: str
    text: str
    summary: str
    history: tuple[Utterance, ...]


class ToolStatus(StrEnum):
    """How far a tool is."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Proposal:
    """A write that waits for the person's word. `text` says what will happen: made by code, never
    by the model. `arguments` are JSON values and hold no id of a person.
    """

    action: str
    arguments: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True)
class ToolUsed:
    """A tool was begun, or has ended."""

    name: str
    status: ToolStatus


@dataclass(frozen=True)
class ShownProducts:
    """Products that the answer is about; the last ones count."""

    products: tuple[View, ...]


@dataclass(frozen=True)
class ShownOrder:
    """The order that the answer is about; the last one counts."""

    order: View


@dataclass(frozen=True)
class Proposed:
    """The answer asks for a confirmation; the last proposal counts."""

    proposal: Proposal


@dataclass(frozen=True)
class TokensUsed:
    """What one call of the model cost; there may be several in an answer, they add up."""

    input: int
    output: int

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True)
class AnsweredBy:
    """Which model answers, as it calls itself; told before its first words. A simulator says so
    here.
    """

    model: str


type AnswerEvent = (
    TextDelta | ToolUsed | ShownProducts | ShownOrder | Proposed | TokensUsed | AnsweredBy
)


class ModelUnavailable(Unavailable):
    """The language model does not answer, or not with sense."""


class Agent(Protocol):
    """Who answers. It never writes what has to be confirmed."""

    def answer(self, question: Question) -> Iterator[AnswerEvent]:
        """The answer as it comes. A caller may stop listening at any time and then closes the
        iterator. ModelUnavailable when the model is at fault; whatever tools do wrong is told to
        the model.
        """

    def summarise(self, summary: str, older: Sequence[Utterance]) -> str:
        """`summary` and what was said after it, in few words."""


class Actions(Protocol):
    """Does what was proposed, once the person said yes."""

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        """A sentence on what was done; DomainError when the shop refuses. `key` is the same
        whenever the same confirmation is executed again: doing it twice has one effect.
        """
