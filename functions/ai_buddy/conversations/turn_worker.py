"""Answers a turn: runs the agent, sends its answer to the connections, and saves it.

The agent runs on a thread of its own, so that the worker notices in time that a silent model takes
too long, that the person stops the answer, or that a connection comes back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from traceback import extract_tb

from ai_buddy.conversations.background import BackgroundIterator, Finished
from ai_buddy.conversations.model import MAX_ANSWER, RESERVED_TOKENS, WINDOW, Conversation
from ai_buddy.conversations.ports import Agent, Conversations, Usage
from ai_buddy.model import (
    PROPOSAL_LIFETIME,
    AnsweredBy,
    AnswerEvent,
    DisplayedItems,
    Failure,
    PendingProposal,
    Proposed,
    Question,
    Summary,
    Task,
    TextDelta,
    TokensUsed,
    ToolUsed,
    Turn,
    TurnState,
    Utterance,
)
from ai_buddy.realtime import frames
from ai_buddy.realtime.broadcaster import Broadcaster
from ai_buddy.realtime.ports import ConnectionSender, OpenConnections
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.errors import FAILED, DomainError
from supermarket.sessions import NOT_SIGNED_IN, Sessions
from supermarket.telemetry import warn_on_failure

MAX_HISTORY = 4 * WINDOW  # turns, when summaries failed again and again

INTERNAL = Failure("INTERNAL", FAILED)
SIGNED_OUT = Failure("SIGNED_OUT", NOT_SIGNED_IN)
TOO_SLOW = Failure("TOO_SLOW", "The answer takes too long. Ask again, perhaps for less at a time.")
CONVERSATION_GONE = Failure("CONVERSATION_GONE", "The conversation went on without this answer.")


@dataclass(frozen=True)
class Intervals:
    """How often a worker does things, in seconds; tests take shorter ones."""

    frame: float = 0.1  # at most ten frames of text a second
    save: float = 1.0  # save the draft, look for a stop, and refresh the connections
    silence: float = 90.0  # of the model, until the turn fails
    end: float = 10.0  # for a tool that began before its turn was ended


@dataclass(frozen=True)
class TurnReport:
    """The figures of a turn, without any of its text."""

    state: TurnState
    tokens: TokensUsed
    seconds: float
    first_token_seconds: float | None


class TurnWorker:
    """Answers one turn after another."""

    def __init__(
        self,
        agent: Agent,
        conversations: Conversations,
        connections: OpenConnections,
        sender: ConnectionSender,
        usage: Usage,
        sessions: Sessions,
        clock: Clock,
        monotonic: Callable[[], float],
        intervals: Intervals | None = None,
    ) -> None:
        self._agent = agent
        self._conversations = conversations
        self._connections = connections
        self._sender = sender
        self._usage = usage
        self._sessions = sessions
        self._clock = clock
        self._monotonic = monotonic
        self._intervals = intervals or Intervals()

    def answer(self, task: Task, seconds: float) -> TurnReport | None:
        """Answer a turn within so many seconds; None when another worker answers it or the
        conversation was deleted.
        """
        turn = self._conversations.find_turn(task.key)
        if turn is None:
            return None
        now = self._monotonic()
        broadcaster = Broadcaster(self._connections, self._sender, task.key)
        answer = _Answer(turn, task.caller, broadcaster, now, now, now + seconds)
        if turn.state is not TurnState.RUNNING:
            self._send_saved(answer)
            return None
        conversation = self._conversations.claim(task.key)
        if conversation is None:
            return self._fail_abandoned(answer)
        self._refresh(answer)
        with ExitStack() as ending:
            if self._is_signed_out(answer):
                answer.fail(SIGNED_OUT)
            else:
                self._run_agent(answer, conversation, ending)
            self._finish(answer)
            with warn_on_failure("conversation not summarised"):  # a later answer summarises
                self._summarise(answer, conversation)
        return answer.report(self._monotonic())

    def _run_agent(self, answer: "_Answer", conversation: Conversation, ending: ExitStack) -> None:
        with closing(BackgroundIterator(self._events(answer, conversation))) as events:
            ending.callback(self._wait_for, events)
            saved = sent = self._monotonic()
            while not answer.has_ended:
                try:
                    event = events.next(self._intervals.frame)
                except Exception as failure:
                    answer.fail(_explain(failure))
                    return
                now = self._monotonic()
                self._apply(event, answer, now)
                if now - sent >= self._intervals.frame or answer.has_unsent_first_text:
                    answer.broadcaster.send_new_text(answer.turn)
                    answer.note_first_text(now)
                    sent = now
                if now - saved >= self._intervals.save:
                    self._save_draft(answer)
                    saved = now
                if now > answer.deadline or now - answer.last_event > self._intervals.silence:
                    answer.fail(TOO_SLOW)

    def _events(self, answer: "_Answer", conversation: Conversation) -> Iterator[AnswerEvent]:
        """Read the history and answer, both on the agent's thread."""
        before = (turn for turn in self._history(conversation) if turn.id != answer.turn.id)
        history, text = _utterances(before), answer.turn.question
        question = Question(answer.caller, text, conversation.summary, history)
        yield from self._agent.answer(question, lambda: answer.has_ended)

    def _wait_for(self, events: BackgroundIterator[AnswerEvent]) -> None:
        """Wait until the agent's thread has ended: Lambda freezes the process after the invocation,
        and a tool would go on in the next one.
        """
        if not events.join(self._intervals.end):
            telemetry.logger.warning("agent still running")

    def _apply(self, event: AnswerEvent | Finished | None, answer: "_Answer", now: float) -> None:
        if event is None:
            return
        answer.last_event = now
        if isinstance(event, Finished):
            answer.end(TurnState.DONE)
        elif isinstance(event, ToolUsed):
            answer.broadcaster.send_new_text(answer.turn)
            answer.broadcaster.send(frames.tool(answer.turn, event))
        elif isinstance(event, Proposed):
            expires = self._clock() + PROPOSAL_LIFETIME
            answer.turn = replace(answer.turn, proposal=PendingProposal(event.proposal, expires))
        else:
            answer.add(event)

    def _save_draft(self, answer: "_Answer") -> None:
        """Save the draft, which renews the lease, and end the answer if something ended it."""
        with warn_on_failure("draft not saved"):  # the lease lasts until the next attempts
            current = self._conversations.renew_lease(answer.turn.key, answer.turn.answer)
            if current is None:
                answer.fail(CONVERSATION_GONE)
                return
            self._refresh(answer)
            if self._is_signed_out(answer):
                answer.fail(SIGNED_OUT)
            elif current.stopping:
                answer.end(TurnState.STOPPED)

    def _refresh(self, answer: "_Answer") -> None:
        with warn_on_failure("connections not refreshed"):  # those known so far get the answer
            answer.broadcaster.refresh()

    def _is_signed_out(self, answer: "_Answer") -> bool:
        """Whether no device that shows the conversation has an open session. After a failed read
        the answer goes on until the next one.
        """
        caller = answer.caller
        sessions = (caller.session_id, *answer.broadcaster.sessions - {caller.session_id})
        with warn_on_failure("sessions not read"):
            return not any(self._sessions.is_open(each, caller.user_id) for each in sessions)
        return False

    def _finish(self, answer: "_Answer") -> None:
        """Save the turn and send how it ended. Only who ends a turn returns its reserved tokens;
        the tokens it used count in any case.
        """
        turn = answer.turn
        is_ended_here = self._conversations.finish(turn)
        self._spend(turn, answer.tokens.total - (RESERVED_TOKENS if is_ended_here else 0))
        if is_ended_here:
            self._refresh(answer)
            answer.broadcaster.send_new_text(turn)
            answer.broadcaster.send(*frames.ended(turn))

    def _send_saved(self, answer: "_Answer") -> None:
        """Send an answer whose worker died after it saved the turn and before it sent the end."""
        if self._conversations.release_lease(answer.turn.key):
            self._refresh(answer)
            answer.broadcaster.send(*frames.ended(answer.turn))

    def _fail_abandoned(self, answer: "_Answer") -> TurnReport | None:
        """Fail a turn whose worker died: Lambda invokes again when the lease has run out."""
        turn = answer.turn
        conversation = self._conversations.find(turn.key.conversation)
        if conversation is None or conversation.is_waiting_for(turn.id, self._clock()):
            return None
        if conversation.running == turn.id:
            answer.turn = replace(turn, answer=conversation.draft)
        answer.fail(INTERNAL)
        self._finish(answer)
        return answer.report(self._monotonic())

    def _spend(self, turn: Turn, tokens: int) -> None:
        """Count tokens on the day on which the question reserved them."""
        with warn_on_failure("tokens not counted"):  # the answer matters more
            self._usage.spend_tokens(turn.key.conversation.user_id, turn.created_at, tokens)

    def _summarise(self, answer: "_Answer", conversation: Conversation) -> None:
        """When the agent's window is full, summarise all but its latest turns; what does not fit
        in the time left is summarised after a later answer.
        """
        turns = self._history(conversation)
        left = answer.deadline - self._monotonic()
        if len(turns) < WINDOW or left <= 0:
            return
        older = turns[: -WINDOW // 2]

        def run() -> Iterator[Summary]:
            yield self._agent.summarise(conversation.summary, _utterances(older))

        with closing(BackgroundIterator(run())) as summaries:
            summary = summaries.next(left)
        if isinstance(summary, Summary):
            answer.tokens += summary.tokens
            self._spend(answer.turn, summary.tokens.total)
            self._conversations.save_summary(conversation.key, summary.text, older[-1].id)

    def _history(self, conversation: Conversation) -> Sequence[Turn]:
        """All turns that the summary does not cover."""
        covered = conversation.summarised_up_to
        return self._conversations.list_recent(conversation.key, covered, MAX_HISTORY)


@dataclass
class _Answer:
    """A turn while it is being answered; times are monotonic seconds."""

    turn: Turn
    caller: Caller
    broadcaster: Broadcaster
    began: float
    last_event: float
    deadline: float
    tokens: TokensUsed = field(default_factory=TokensUsed)
    first_text: float | None = None

    def add(self, event: TextDelta | DisplayedItems | TokensUsed | AnsweredBy) -> None:
        match event:
            case TextDelta(text):
                self.turn = replace(self.turn, answer=(self.turn.answer + text)[:MAX_ANSWER])
            case DisplayedItems():
                self.turn = replace(self.turn, displayed=self.turn.displayed.updated(event))
            case AnsweredBy(model):
                self.turn = replace(self.turn, model=model)
            case TokensUsed():
                self.tokens += event

    @property
    def has_ended(self) -> bool:
        return self.turn.state is not TurnState.RUNNING

    def end(self, state: TurnState) -> None:
        self.turn = replace(self.turn, state=state)

    def fail(self, failure: Failure) -> None:
        self.turn = replace(self.turn, state=TurnState.FAILED, failure=failure)

    @property
    def has_unsent_first_text(self) -> bool:
        return bool(self.turn.answer) and self.first_text is None

    def note_first_text(self, now: float) -> None:
        if self.has_unsent_first_text:
            self.first_text = now

    def report(self, now: float) -> TurnReport:
        waited = self.first_text - self.began if self.first_text is not None else None
        return TurnReport(self.turn.state, self.tokens, now - self.began, waited)


def _utterances(turns: Iterable[Turn]) -> tuple[Utterance, ...]:
    return tuple(utterance for turn in turns for utterance in turn.utterances)


def _explain(failure: Exception) -> Failure:
    """Return what the person reads. The log gets a defect's place, and none of its text."""
    if isinstance(failure, DomainError):
        telemetry.logger.warning("agent gave up", extra={"reason": failure.code})
        return Failure(failure.code, failure.message)
    where = [f"{step.name}:{step.lineno}" for step in extract_tb(failure.__traceback__)]
    reason = type(failure).__name__
    telemetry.logger.error("agent failed", extra={"reason": reason, "where": where})
    return INTERNAL
