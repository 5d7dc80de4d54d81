"""What is said in a conversation, what an answer is made of, and who answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from supermarket.caller import Caller
from supermarket.errors import Conflict, NotFound, Unavailable

MEMORY = timedelta(days=30)  # how long a conversation is kept after it began or was last used
TICKET_SECONDS = 60
PROPOSAL_LIFETIME = timedelta(minutes=10)
TIME_TO_REPEAT = timedelta(minutes=10)  # after that, for a decision that was cut short
EXECUTION_TIME = timedelta(minutes=1)  # longer than the Lambda that executes may take
TIME_TO_BEGIN = timedelta(minutes=1)  # how long a conversation waits for a worker
LEASE = timedelta(seconds=30)  # how long it waits for one that went silent
WINDOW = 12  # turns that the agent is told word for word; the older ones are summed up
RESERVED_TOKENS = 10_000  # of a day's, for a question while it is being answered
MAX_ANSWER = 16_000  # characters

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
    """The answer asks for a confirmation; the last proposal counts, and holds those before it."""

    proposal: Proposal


@dataclass(frozen=True)
class TokensUsed:
    """What a piece of the model's words cost, and what it read before; they add up."""

    input: int = 0
    output: int = 0

    def __add__(self, more: "TokensUsed") -> "TokensUsed":
        return TokensUsed(self.input + more.input, self.output + more.output)

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


@dataclass(frozen=True)
class Summary:
    """What is to be remembered of a conversation, and what it cost to sum it up."""

    text: str
    tokens: TokensUsed


class ModelUnavailable(Unavailable):
    """The language model does not answer, or not with sense."""

    code = "MODEL_UNAVAILABLE"


class ToolBroke(Unavailable):
    """The shop failed at what the model wanted of it: a fault of ours, and no word on it of the
    model's would be worth hearing.
    """

    code = "TOOL_BROKE"


class Agent(Protocol):
    """Who answers. It never writes what has to be confirmed."""

    def answer(self, question: Question) -> Iterator[AnswerEvent]:
        """The answer as it comes. A caller may stop listening at any time and then closes the
        iterator. ModelUnavailable when the model is at fault, ToolBroke when a tool is; what a tool
        refuses is told to the model.
        """

    def summarise(self, summary: str, older: Sequence[Utterance]) -> Summary:
        """`summary` and what was said after it, in few words."""


class Actions(Protocol):
    """Does what was proposed, once the person said yes."""

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        """A sentence on what was done; DomainError when the shop refuses. `key` is the same
        whenever the same confirmation is executed again: doing it twice has one effect.
        """


class ConversationUnknown(NotFound):
    """There is no such conversation of this person."""

    code = "CONVERSATION_UNKNOWN"


class MessageUnknown(NotFound):
    """There is no such message, or nothing in it to decide."""

    code = "MESSAGE_UNKNOWN"


class TurnRunning(Conflict):
    """The conversation still waits for an answer: one at a time."""

    code = "TURN_RUNNING"


class Decided(Conflict):
    """The proposal was decided before, is being carried out, or came too late."""

    code = "DECIDED"


class TurnState(StrEnum):
    """How a turn stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class ConversationKey:
    """A conversation is found by its owner and its id: another person's id leads nowhere."""

    user_id: str
    id: str


@dataclass(frozen=True)
class TurnKey:
    """A message's id begins with its conversation's, so that it is found with one read."""

    conversation: ConversationKey
    id: str

    @classmethod
    def of(cls, user_id: str, message_id: str) -> "TurnKey":
        return cls(ConversationKey(user_id, message_id.partition("-")[0]), message_id)


class Answered(StrEnum):
    """What a person said to a proposal."""

    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True)
class OpenProposal:
    """A proposal in its turn, and what became of it. `outcome_id` is the message that tells."""

    proposal: Proposal
    expires_at: datetime
    answered: Answered | None = None
    outcome_id: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why there is no whole answer: what the person was told."""

    code: str
    message: str


@dataclass(frozen=True)
class Turn:
    """What a person said and what came of it. A turn that tells of a decision has no question."""

    key: TurnKey
    asked_at: datetime
    question: str = ""
    client_message_id: str | None = None
    state: TurnState = TurnState.RUNNING
    answer: str = ""
    products: tuple[View, ...] = ()
    order: View | None = None
    confirm: OpenProposal | None = None
    model: str = ""
    failure: Failure | None = None

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def utterances(self) -> Iterator[Utterance]:
        """What memory holds of it: nothing while there is no answer."""
        if self.answer:
            if self.question:
                yield Utterance(Speaker.USER, self.question)
            yield Utterance(Speaker.ASSISTANT, self.answer, self.products, self.order)


@dataclass(frozen=True)
class Conversation:
    """What is known of a conversation besides its turns."""

    key: ConversationKey
    summary: str = ""
    summarised_up_to: str = ""  # the last turn that the summary tells of
    running: str | None = None  # the turn that waits for its answer
    lease_ends: datetime | None = None
    draft: str = ""  # the answer so far
    stopping: bool = False

    def waits_for(self, turn_id: str, now: datetime) -> bool:
        """Whether somebody is, as far as one can tell, working on that turn."""
        alive = self.lease_ends is not None and self.lease_ends > now
        return self.running == turn_id and alive


@dataclass(frozen=True)
class Listener:
    """An open connection that shows the conversation; of the message named it has this much."""

    connection_id: str
    message_id: str = ""
    heard: int = 0
    session_id: str = ""


@dataclass(frozen=True)
class Task:
    """What a worker is asked to do: answer a turn."""

    key: TurnKey
    caller: Caller
