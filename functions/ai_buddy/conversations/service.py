"""What people do with their conversations: ask, stop, read the history, decide and delete."""

from dataclasses import replace

from ai_buddy.conversations.model import (
    RESERVED_TOKENS,
    AlreadySent,
    Conversation,
    TurnPage,
    UnknownConversation,
    UnknownMessage,
)
from ai_buddy.conversations.ports import Conversations, ProposalExecutor, Usage, Workers
from ai_buddy.model import (
    ConversationKey,
    Decision,
    PendingProposal,
    Task,
    Turn,
    TurnKey,
    TurnState,
)
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock, NewId
from supermarket.errors import DomainError, Unavailable
from supermarket.retry import retry_on_conflict

NO_CONVERSATION = "Conversation not found"
NO_PROPOSAL = "This message has no proposal to confirm or decline"
DECLINED = "All right, I have left everything as it is."
PAGE = 20


class ConversationService:
    """The use cases of conversations."""

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
        self, caller: Caller, text: str, conversation_id: str | None, client_message_id: str | None
    ) -> tuple[Turn, bool]:
        """Begin a turn for a message; `hand_over` starts the worker that answers it. Returns the
        turn and whether the same message had begun it before.

        Raises TurnRunning, UnknownConversation, TooManyMessages and TooManyTokens.
        """
        if repeated := self._find_sent(caller, client_message_id):
            return repeated, True
        self._fail_abandoned_turn(caller, conversation_id)
        self._usage.count_message(caller.user_id)
        key = self._new_turn_key(ConversationKey(caller.user_id, conversation_id or self._new_id()))
        turn = Turn(key, self._clock(), text, client_message_id=client_message_id)
        try:
            self._conversations.begin(turn, new=conversation_id is None)
        except DomainError as refusal:
            self._return_reserved_tokens(turn)
            if isinstance(refusal, AlreadySent) and (
                repeated := self._find_sent(caller, client_message_id)
            ):
                return repeated, True
            raise
        return turn, False

    def hand_over(self, turn: Turn, caller: Caller) -> bool:
        """Start a worker for a turn; the turn fails and False is returned when none starts."""
        try:
            self._workers.start(Task(turn.key, caller))
        except Exception:
            telemetry.logger.exception("worker not started")
            self._fail(turn)
            return False
        return True

    def stop(self, caller: Caller, conversation_id: str | None) -> None:
        """Stop the running answer of a conversation, by default the latest one.

        Raises UnknownMessage when no answer is running.
        """
        key = self._key_or_latest(caller, conversation_id)
        if key is None or not self._conversations.request_stop(key):
            raise UnknownMessage("There is no running answer to stop")

    def history(
        self, caller: Caller, conversation_id: str | None, older_than: str | None
    ) -> tuple[ConversationKey | None, TurnPage]:
        """Return a page of a conversation, by default the latest one, and its key; the key is None
        when there is no conversation yet.
        """
        key = self._key_or_latest(caller, conversation_id)
        if key is None:
            return None, TurnPage((), None)
        found = self._conversations.find(key)
        if found is None:
            raise UnknownConversation(NO_CONVERSATION)
        page = self._conversations.list_turns(key, PAGE, older_than)
        return key, replace(page, turns=[self._with_draft(turn, found) for turn in page.turns])

    def current_state(self, turn: Turn) -> Turn:
        """Read again a turn that was running; it counts as failed when it was deleted."""
        # in this order: a worker ends its turn first and releases the conversation then
        conversation = self._conversations.find(turn.key.conversation)
        current = self._conversations.find_turn(turn.key)
        if conversation is None or current is None:
            return replace(turn, state=TurnState.FAILED)
        return self._with_draft(current, conversation)

    def delete(self, caller: Caller, conversation_id: str) -> None:
        """Delete a conversation with all its turns."""
        ended = self._conversations.delete(ConversationKey(caller.user_id, conversation_id))
        if ended is None:
            raise UnknownConversation(NO_CONVERSATION)
        for turn in ended:
            self._return_reserved_tokens(turn)

    def decide(
        self, caller: Caller, message_id: str, accept: bool, executor: ProposalExecutor
    ) -> Turn:
        """Execute a proposal or decline it; returns the turn with the result.

        The same decision gets the same result again. An acceptance whose execution was interrupted
        is executed again under the same key. Raises UnknownMessage and AlreadyDecided.
        """
        key = TurnKey.of(caller.user_id, message_id)
        decision = Decision.ACCEPTED if accept else Decision.DECLINED
        decided = retry_on_conflict(lambda: self._record(key, decision))
        if decided.outcome_id:
            return self._outcome(key, decided.outcome_id)
        text = DECLINED
        if accept:
            try:
                text = executor.execute(caller, decided.proposal, key.id)
            except Unavailable:  # it may have happened or not: the decision can be repeated
                raise
            except DomainError as refusal:
                text = refusal.message
        return self._save_outcome(key, decided, text)

    def _record(self, key: TurnKey, decision: Decision) -> PendingProposal:
        turn = self._conversations.find_turn(key)
        if turn is None or turn.proposal is None:
            raise UnknownMessage(NO_PROPOSAL)
        found = turn.proposal
        if found.outcome_id and found.decision is decision:
            return found
        decided = found.decide(decision, self._clock())
        self._conversations.save_decision(key, found, decided)
        return decided

    def _save_outcome(self, key: TurnKey, decided: PendingProposal, text: str) -> Turn:
        turn_key, now = self._new_turn_key(key.conversation), self._clock()
        outcome = Turn(turn_key, now, state=TurnState.DONE, answer=text)
        if self._conversations.save_outcome(key, decided, outcome):
            return outcome
        turn = self._conversations.find_turn(key)
        saved = turn and turn.proposal and turn.proposal.outcome_id
        # without one the conversation was deleted meanwhile: the result is sent and not stored
        return self._outcome(key, saved) if saved else outcome

    def _outcome(self, key: TurnKey, outcome_id: str) -> Turn:
        outcome = self._conversations.find_turn(TurnKey(key.conversation, outcome_id))
        if outcome is None:
            raise UnknownMessage(NO_PROPOSAL)
        return outcome

    def _fail_abandoned_turn(self, caller: Caller, conversation_id: str | None) -> None:
        """End the running turn if its worker died or never started: the new turn replaces it."""
        if conversation_id is None:
            return
        key = ConversationKey(caller.user_id, conversation_id)
        found = self._conversations.find(key)
        if found and found.running and not found.is_waiting_for(found.running, self._clock()):
            turn = self._conversations.find_turn(TurnKey(key, found.running))
            if turn:
                self._fail(replace(turn, answer=found.draft))

    def _fail(self, turn: Turn) -> None:
        # only who ends a turn returns its reserved tokens
        if self._conversations.finish(replace(turn, state=TurnState.FAILED)):
            self._return_reserved_tokens(turn)

    def _return_reserved_tokens(self, turn: Turn) -> None:
        user_id = turn.key.conversation.user_id
        self._usage.spend_tokens(user_id, turn.created_at, -RESERVED_TOKENS)

    def _find_sent(self, caller: Caller, client_message_id: str | None) -> Turn | None:
        if client_message_id is None:
            return None
        key = self._conversations.find_sent(caller.user_id, client_message_id)
        return self._conversations.find_turn(key) if key else None

    def _with_draft(self, turn: Turn, conversation: Conversation) -> Turn:
        """A running turn gets its answer so far; without a living worker it has failed."""
        if turn.state is not TurnState.RUNNING:
            return turn
        if conversation.is_waiting_for(turn.id, self._clock()):
            return replace(turn, answer=conversation.draft)
        return replace(turn, state=TurnState.FAILED)

    def _key_or_latest(self, caller: Caller, conversation_id: str | None) -> ConversationKey | None:
        if conversation_id:
            return ConversationKey(caller.user_id, conversation_id)
        return self._conversations.find_latest(caller.user_id)

    def _new_turn_key(self, conversation: ConversationKey) -> TurnKey:
        return TurnKey(conversation, f"{conversation.id}-{self._new_id()}")
