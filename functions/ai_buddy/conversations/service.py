"""Conversations: begin a turn, stop it, look back, decide what was proposed, delete all of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ai_buddy.model import (
    RESERVED_TOKENS,
    TIME_TO_REPEAT,
    Actions,
    Answered,
    Conversation,
    ConversationKey,
    ConversationUnknown,
    Decided,
    MessageUnknown,
    OpenProposal,
    Task,
    Turn,
    TurnKey,
    TurnState,
)
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId
from supermarket.errors import Conflict, DomainError, TooMany, Unavailable

NOTHING_TO_DECIDE = "There is nothing to decide in this message"
DECLINED = "All right, I have left everything as it is."
PAGE = 20


class TooManyMessages(TooMany):
    """More messages a minute than a person may send."""

    code = "TOO_MANY_MESSAGES"


class TooManyTokens(TooMany):
    """More of the model's words a day than a person may use."""

    code = "TOO_MANY_TOKENS"


class AlreadySent(Conflict):
    """The client's message began a turn before."""

    code = "ALREADY_SENT"


@dataclass(frozen=True)
class TurnPage:
    """Turns, the newest first, and where older ones go on."""

    turns: Sequence[Turn]
    older_than: str | None


class Conversations(Protocol):
    """Where conversations are kept; each is forgotten some time after it was last used."""

    def begin(self, turn: Turn, *, new: bool) -> None:
        """Keep a turn that waits for its answer and hold the conversation for it, or nothing.

        TurnRunning, ConversationUnknown; AlreadySent when its client message was kept before.
        """

    def sent(self, user_id: str, client_message_id: str) -> TurnKey | None:
        """The turn that a client's message began."""

    def latest(self, user_id: str) -> ConversationKey | None:
        """The conversation that this person last said something in."""

    def find(self, key: ConversationKey) -> Conversation | None:
        """What is known besides the turns."""

    def turn(self, key: TurnKey) -> Turn | None:
        """One turn."""

    def page(self, key: ConversationKey, limit: int, older_than: str | None = None) -> TurnPage:
        """Turns, the newest first."""

    def ask_to_stop(self, key: ConversationKey) -> bool:
        """Let the worker know; whether the conversation waits for an answer at all."""

    def finish(self, turn: Turn) -> bool:
        """Keep how the turn ended and let go of the conversation; whether it was still running."""

    def decide(self, key: TurnKey, answered: Answered, now: datetime) -> bool:
        """Take note of a decision, once; for a while once more, if it came to nothing."""

    def settle(self, decided: TurnKey, outcome: Turn) -> bool:
        """Keep the turn that tells what came of it; False when there is one already, or the
        conversation is gone.
        """

    def delete(self, key: ConversationKey) -> Sequence[Turn] | None:
        """Remove all of it. The turns that this has ended; None when there was nothing."""


class Usage(Protocol):
    """Counts what each person uses, by the minute and by the day."""

    def count_message(self, user_id: str) -> None:
        """One more, with tokens reserved for its answer; TooManyMessages or TooManyTokens when the
        person has had enough for now.
        """

    def spend_tokens(self, user_id: str, day: datetime, tokens: int) -> None:
        """Add to what a person used on that day; less than nothing gives some of it back."""


class Workers(Protocol):
    """Who does what takes longer than a request."""

    def start(self, task: Task) -> None:
        """Begin soon, and return at once."""


@dataclass(frozen=True)
class Begun:
    """A turn that was begun; again when the same message had come before."""

    turn: Turn
    again: bool = False


class ConversationService:
    """What people do with their conversations."""

    def __init__(
        self,
        conversations: Conversations,
        usage: Usage,
        workers: Workers,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._conversations = conversations
        self._usage = usage
        self._workers = workers
        self._clock = clock
        self._new_id = new_id

    def begin(
        self,
        caller: Caller,
        text: str,
        conversation_id: str | None = None,
        client_message_id: str | None = None,
    ) -> Begun:
        """A turn for what was said; `hand_over` gets it its answer."""
        if before := self._sent_before(caller, client_message_id):
            return before
        self._give_up_what_nobody_answers(caller, conversation_id)
        self._usage.count_message(caller.user_id)
        conversation = ConversationKey(caller.user_id, conversation_id or self._new_id())
        turn = Turn(
            self._new_turn(conversation), self._clock(), text, client_message_id=client_message_id
        )
        try:
            self._conversations.begin(turn, new=conversation_id is None)
        except DomainError as refusal:
            self._give_back(turn)
            if isinstance(refusal, AlreadySent) and (
                before := self._sent_before(caller, client_message_id)
            ):
                return before
            raise
        return Begun(turn)

    def hand_over(self, turn: Turn, caller: Caller) -> None:
        """Let a worker answer; the conversation is free again when none can be had."""
        try:
            self._workers.start(Task(turn.key, caller))
        except Exception:
            self._give_up(turn)
            raise

    def stop(self, caller: Caller, conversation_id: str | None) -> None:
        """End the running turn, without an id of the latest conversation; what was said stays."""
        key = self._named_or_latest(caller, conversation_id)
        if key is None or not self._conversations.ask_to_stop(key):
            raise MessageUnknown("Nothing is being said that could be stopped")

    def look_back(
        self, caller: Caller, conversation_id: str | None, older_than: str | None = None
    ) -> tuple[ConversationKey | None, TurnPage]:
        """A page of a conversation, without an id of the latest one; none when there is none."""
        key = self._named_or_latest(caller, conversation_id)
        if key is None:
            return None, TurnPage((), None)
        found = self._conversations.find(key)
        if found is None:
            raise ConversationUnknown("There is no such conversation")
        page = self._conversations.page(key, PAGE, older_than)
        return key, replace(page, turns=[self._as_it_stands(turn, found) for turn in page.turns])

    def by_now(self, turn: Turn) -> Turn:
        """The turn as it stands, which was running a moment ago."""
        # in this order: a worker ends its turn first, and then lets go of the conversation
        conversation = self._conversations.find(turn.key.conversation)
        current = self._conversations.turn(turn.key)
        if conversation is None or current is None:
            return replace(turn, state=TurnState.FAILED)
        return self._as_it_stands(current, conversation)

    def delete(self, caller: Caller, conversation_id: str) -> None:
        """Remove a conversation and all that was said in it."""
        ended = self._conversations.delete(ConversationKey(caller.user_id, conversation_id))
        if ended is None:
            raise ConversationUnknown("There is no such conversation")
        for turn in ended:
            self._give_back(turn)

    def decide(self, caller: Caller, message_id: str, accept: bool, actions: Actions) -> Turn:
        """Do what was proposed, or leave it; the turn that tells so.

        Whoever asks again is told the same. An acceptance whose execution was cut short is
        executed again, under the same key.
        """
        key = TurnKey.of(caller.user_id, message_id)
        answered = Answered.ACCEPTED if accept else Answered.DECLINED
        found = self._proposal(key)
        if found.outcome_id and found.answered is answered:
            return self._outcome(key, found.outcome_id)
        if not self._conversations.decide(key, answered, self._clock()):
            raise Decided(self._why_not(self._proposal(key)))
        said = self._carry_out(caller, key, found, actions) if accept else DECLINED
        return self._settle(key, said)

    def _give_up_what_nobody_answers(self, caller: Caller, conversation_id: str | None) -> None:
        """The turn before, whose worker died or never came: a new one takes its place."""
        key = ConversationKey(caller.user_id, conversation_id or "")
        found = self._conversations.find(key) if conversation_id else None
        if found and found.running and not found.waits_for(found.running, self._clock()):
            turn = self._conversations.turn(TurnKey(key, found.running))
            if turn:
                self._give_up(replace(turn, answer=found.draft))

    def _give_up(self, turn: Turn) -> None:
        """Whoever ends a turn settles what was reserved for it, and nobody else."""
        if self._conversations.finish(replace(turn, state=TurnState.FAILED)):
            self._give_back(turn)

    def _give_back(self, turn: Turn) -> None:
        """What was reserved for an answer that will never be."""
        user_id = turn.key.conversation.user_id
        self._usage.spend_tokens(user_id, turn.asked_at, -RESERVED_TOKENS)

    def _carry_out(
        self, caller: Caller, key: TurnKey, found: OpenProposal, actions: Actions
    ) -> str:
        try:
            return actions.execute(caller, found.proposal, key.id)
        except Unavailable:  # it may have happened or not: the same is tried again, if at all
            raise
        except DomainError as refusal:
            return refusal.message

    def _settle(self, key: TurnKey, said: str) -> Turn:
        outcome = Turn(
            self._new_turn(key.conversation), self._clock(), state=TurnState.DONE, answer=said
        )
        if self._conversations.settle(key, outcome):
            return outcome
        turn = self._conversations.turn(key)
        told = turn and turn.confirm and turn.confirm.outcome_id
        # without any, the conversation was deleted meanwhile: it is told, and kept nowhere
        return self._outcome(key, told) if told else outcome

    def _outcome(self, key: TurnKey, outcome_id: str) -> Turn:
        outcome = self._conversations.turn(TurnKey(key.conversation, outcome_id))
        if outcome is None:
            raise MessageUnknown(NOTHING_TO_DECIDE)
        return outcome

    def _proposal(self, key: TurnKey) -> OpenProposal:
        turn = self._conversations.turn(key)
        if turn is None or turn.confirm is None:
            raise MessageUnknown(NOTHING_TO_DECIDE)
        return turn.confirm

    def _why_not(self, found: OpenProposal) -> str:
        if found.answered is None:
            return "This offer has run out. Ask again if you still want it."
        if found.outcome_id is None and found.answered is Answered.ACCEPTED:
            if self._clock() >= found.expires_at + TIME_TO_REPEAT:
                return "This was cut short. Have a look at what came of it before you ask again."
            return "This is being carried out"
        return f"You {found.answered} this already"

    def _sent_before(self, caller: Caller, client_message_id: str | None) -> Begun | None:
        if client_message_id is None:
            return None
        key = self._conversations.sent(caller.user_id, client_message_id)
        turn = self._conversations.turn(key) if key else None
        return Begun(turn, again=True) if turn else None

    def _as_it_stands(self, turn: Turn, conversation: Conversation) -> Turn:
        """A running turn with its answer so far; one that nobody works on any more has failed."""
        if turn.state is not TurnState.RUNNING:
            return turn
        if conversation.waits_for(turn.id, self._clock()):
            return replace(turn, answer=conversation.draft)
        return replace(turn, state=TurnState.FAILED)

    def _named_or_latest(
        self, caller: Caller, conversation_id: str | None
    ) -> ConversationKey | None:
        if conversation_id:
            return ConversationKey(caller.user_id, conversation_id)
        return self._conversations.latest(caller.user_id)

    def _new_turn(self, conversation: ConversationKey) -> TurnKey:
        return TurnKey(conversation, f"{conversation.id}-{self._new_id()}")
