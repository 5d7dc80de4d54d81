"""Turns of a conversation, the events an answer consists of, and proposals to confirm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from supermarket.caller import Caller
from supermarket.errors import Conflict, Unavailable

PROPOSAL_LIFETIME = timedelta(minutes=10)
REPEAT_PERIOD = timedelta(minutes=10)  # after expiry: an interrupted decision may be repeated
EXECUTION_TIME = timedelta(minutes=1)  # longer than the Lambda that executes a proposal may run

# an object that a frame carries besides text: JSON values under the names of the HTTP contract
type View = Mapping[str, Any]


class Speaker(StrEnum):
    """The author of an utterance."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True)
class DisplayedItems:
    """Products and an order that are displayed beside a text: "the second one" in the next question
    refers to one of these products. None means that there are no new ones.
    """

    products: tuple[View, ...] | None = None
    order: View | None = None

    def updated(self, newer: Self) -> Self:
        """Return the newer items, and these where there are no newer ones."""
        products = self.products if newer.products is None else newer.products
        return replace(newer, products=products, order=newer.order or self.order)

    @property
    def ids(self) -> frozenset[str]:
        orders = [self.order] if self.order else []
        return frozenset(str(view["id"]) for view in (*(self.products or ()), *orders))


@dataclass(frozen=True)
class Utterance:
    """One side's text and what the assistant displayed beside it."""

    role: Speaker
    text: str
    displayed: DisplayedItems = DisplayedItems()


@dataclass(frozen=True)
class Question:
    """A question to the agent. `history` holds the utterances before it, oldest first; `summary`
    covers what is older than `history`.
    """

    caller: Caller
    text: str
    summary: str
    history: tuple[Utterance, ...]


class ToolStatus(StrEnum):
    """The progress of a tool call."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Proposal:
    """A write that waits for the person's confirmation. `text` describes it; code writes it, never
    the model. `arguments` are JSON values and hold no id of a person.
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
    """A tool call started or ended."""

    name: str
    status: ToolStatus


@dataclass(frozen=True)
class Proposed:
    """The answer asks for a confirmation; the last proposal counts and contains earlier ones."""

    proposal: Proposal


@dataclass(frozen=True)
class TokensUsed:
    """The model's tokens for a part of the answer; the parts add up."""

    input: int = 0
    output: int = 0

    def __add__(self, more: "TokensUsed") -> "TokensUsed":
        return TokensUsed(self.input + more.input, self.output + more.output)

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True)
class AnsweredBy:
    """The name of the model that answers; comes before the first text."""

    model: str


type AnswerEvent = TextDelta | ToolUsed | DisplayedItems | Proposed | TokensUsed | AnsweredBy


@dataclass(frozen=True)
class Summary:
    """A summary of older turns and the tokens it took."""

    text: str
    tokens: TokensUsed


class ModelUnavailable(Unavailable):
    """The language model does not answer, or its answer is invalid."""

    code = "MODEL_UNAVAILABLE"


class ToolFailed(Unavailable):
    """A tool failed because of a defect or an outage in the shop; the answer ends."""

    code = "TOOL_BROKE"


class AlreadyDecided(Conflict):
    """The proposal was decided before, is being executed, or has expired."""

    code = "DECIDED"


class TurnState(StrEnum):
    """The state of a turn."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class ConversationKey:
    """A conversation is found by its owner and its id; with another person's id it is unknown."""

    user_id: str
    id: str


@dataclass(frozen=True)
class TurnKey:
    """The key of a turn. Its id, the message id, begins with the conversation's id."""

    conversation: ConversationKey
    id: str

    @classmethod
    def of(cls, user_id: str, message_id: str) -> Self:
        return cls(ConversationKey(user_id, message_id.partition("-")[0]), message_id)


class Decision(StrEnum):
    """A person's decision on a proposal."""

    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True)
class PendingProposal:
    """A proposal in its turn and the decision on it. `outcome_id` is the message with the result
    of the decision; without it, a decision is being executed or was interrupted.
    """

    proposal: Proposal
    expires_at: datetime
    decision: Decision | None = None
    decided_at: datetime | None = None
    outcome_id: str | None = None

    def decide(self, decision: Decision, now: datetime) -> Self:
        """Record a decision, or the same one again when its execution was interrupted.

        Raises AlreadyDecided.
        """
        is_open = self.decision is None and now < self.expires_at
        if not (is_open or self._was_interrupted(decision, now)):
            raise AlreadyDecided(self._reason(now))
        return replace(self, decision=decision, decided_at=now)

    def _was_interrupted(self, decision: Decision, now: datetime) -> bool:
        return (
            self.decided_at is not None
            and self.decision is decision
            and self.outcome_id is None
            and self.decided_at <= now - EXECUTION_TIME
            and now < self.expires_at + REPEAT_PERIOD
        )

    def _reason(self, now: datetime) -> str:
        if self.decision is None:
            return "This proposal has expired. Ask again if you still want it."
        if self.outcome_id or self.decision is Decision.DECLINED:
            return f"You {self.decision} this already"
        if now < self.expires_at + REPEAT_PERIOD:
            return "This is being carried out"
        return "This was interrupted. Check what came of it before you ask again."


@dataclass(frozen=True)
class Failure:
    """The reason why an answer is incomplete, as the person reads it."""

    code: str
    message: str


@dataclass(frozen=True)
class Turn:
    """A question and its answer. A turn that reports the result of a decision has no question."""

    key: TurnKey
    created_at: datetime
    question: str = ""
    client_message_id: str | None = None
    state: TurnState = TurnState.RUNNING
    answer: str = ""
    displayed: DisplayedItems = DisplayedItems()
    proposal: PendingProposal | None = None
    model: str = ""
    failure: Failure | None = None

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def utterances(self) -> Iterator[Utterance]:
        """Both sides of the turn; nothing while there is no answer."""
        if self.answer:
            if self.question:
                yield Utterance(Speaker.USER, self.question)
            yield Utterance(Speaker.ASSISTANT, self.answer, self.displayed)


@dataclass(frozen=True)
class Task:
    """The task of a worker: answer a turn."""

    key: TurnKey
    caller: Caller
