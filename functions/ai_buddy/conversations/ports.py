"""What conversations need: storage, usage limits, workers, the agent and the shop's writes."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from ai_buddy.conversations.model import Conversation, TurnPage
from ai_buddy.model import (
    AnswerEvent,
    ConversationKey,
    PendingProposal,
    Proposal,
    Question,
    Summary,
    Task,
    Turn,
    TurnKey,
    Utterance,
)
from supermarket.caller import Caller


class Conversations(Protocol):
    """Stores conversations; each is deleted some time after its last use."""

    def begin(self, turn: Turn, *, new: bool) -> None:
        """Store a running turn and make its conversation wait for it, in one transaction.

        Raises TurnRunning, UnknownConversation, and AlreadySent for a known client message.
        """

    def find_sent(self, user_id: str, client_message_id: str) -> TurnKey | None:
        """Return the turn that a client's message began."""

    def find_latest(self, user_id: str) -> ConversationKey | None:
        """Return the conversation of the person's last message."""

    def find(self, key: ConversationKey) -> Conversation | None:
        """Return a conversation without its turns."""

    def find_turn(self, key: TurnKey) -> Turn | None:
        """Return one turn."""

    def list_turns(self, key: ConversationKey, limit: int, older_than: str | None) -> TurnPage:
        """Return a page of turns, newest first."""

    def list_recent(self, key: ConversationKey, after: str, limit: int) -> Sequence[Turn]:
        """Return the latest turns after one, oldest first."""

    def request_stop(self, key: ConversationKey) -> bool:
        """Mark the running turn to be stopped; returns whether there is one."""

    def claim(self, key: TurnKey) -> Conversation | None:
        """Take the lease of a turn for the first worker that asks; None for any other."""

    def renew_lease(self, key: TurnKey, draft: str) -> Conversation | None:
        """Save the answer so far; None when the conversation no longer waits for the turn."""

    def release_lease(self, key: TurnKey) -> bool:
        """Make the conversation wait no longer; returns whether it waited for this turn."""

    def finish(self, turn: Turn) -> bool:
        """Save a turn as it ended and release its lease; returns whether it was still running."""

    def save_summary(self, key: ConversationKey, summary: str, up_to: str) -> None:
        """Save the summary of all turns up to one."""

    def save_decision(self, key: TurnKey, read: PendingProposal, decided: PendingProposal) -> None:
        """Save a decision; raises StaleWrite when the proposal is no longer as it was read."""

    def save_outcome(self, key: TurnKey, decided: PendingProposal, outcome: Turn) -> bool:
        """Save the result of a decision; False if there is one, or the conversation is deleted."""

    def delete(self, key: ConversationKey) -> Sequence[Turn] | None:
        """Delete a conversation; returns the running turns that this ended, None if unknown."""


class Usage(Protocol):
    """Counts what each person uses, per minute and per day."""

    def count_message(self, user_id: str) -> None:
        """Count a message and reserve tokens; raises TooManyMessages or TooManyTokens."""

    def spend_tokens(self, user_id: str, day: datetime, tokens: int) -> None:
        """Add to the tokens a person used on that day; a negative number gives some back."""


class Workers(Protocol):
    """Runs what takes longer than a request."""

    def start(self, task: Task) -> None:
        """Start a task in the background."""


class Agent(Protocol):
    """Answers questions. It proposes writes that need a confirmation, and never does them."""

    def answer(
        self, question: Question, has_ended: Callable[[], bool] = lambda: False
    ) -> Iterator[AnswerEvent]:
        """Yield the answer's events as they arise; a caller may close the iterator at any time. No
        tool begins when the turn `has_ended`, which is asked on any thread.

        Raises ModelUnavailable, and ToolFailed when a tool breaks.
        """

    def summarise(self, summary: str, older: Sequence[Utterance]) -> Summary:
        """Condense `summary` and the utterances after it. Raises ModelUnavailable."""


class ProposalExecutor(Protocol):
    """Executes confirmed proposals."""

    def execute(self, caller: Caller, proposal: Proposal, key: str) -> str:
        """Execute a proposal and return a sentence about the result. With the same `key`, a second
        execution has no further effect.

        Raises DomainError when the shop refuses.
        """
