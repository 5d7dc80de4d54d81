"""Answers a turn: listens to the agent, tells the listeners, keeps what was said.

The agent runs on a thread of its own, so that a silent model keeps nobody from noticing that time
is up, that a person said stop, or that somebody came back.
"""

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event, Thread
from traceback import extract_tb
from typing import Any, Protocol

from ai_buddy.model import (
    MAX_ANSWER,
    PROPOSAL_LIFETIME,
    RESERVED_TOKENS,
    WINDOW,
    Agent,
    AnsweredBy,
    AnswerEvent,
    Conversation,
    ConversationKey,
    Failure,
    Listener,
    OpenProposal,
    Proposed,
    Question,
    ShownOrder,
    ShownProducts,
    Summary,
    Task,
    TextDelta,
    TokensUsed,
    ToolUsed,
    Turn,
    TurnKey,
    TurnState,
    Utterance,
)
from ai_buddy.realtime import frames
from ai_buddy.realtime.connections import LineGone, Lines
from supermarket import telemetry
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.errors import DomainError
from supermarket.sessions import Sessions
from supermarket.tokens import NOT_SIGNED_IN
from supermarket.websocket import FAILED, to_json

FRAME_SECONDS = 0.1  # at most ten frames of text a second
NOTE_SECONDS = 1.0  # how often the answer so far is kept, and stop and listeners are looked for
MOST_REMEMBERED = 4 * WINDOW  # turns, where summing up failed again and again
PATIENCE_SECONDS = 90.0  # for a model that says nothing at all

BROKEN = Failure("INTERNAL", FAILED)
SIGNED_OUT = Failure("SIGNED_OUT", NOT_SIGNED_IN)
TOO_SLOW = Failure("TOO_SLOW", "The answer takes too long. Ask again, perhaps for less at a time.")
GONE = Failure("CONVERSATION_GONE", "The conversation went on without this answer.")


class Memory(Protocol):
    """What a worker needs of where conversations are kept."""

    def claim(self, key: TurnKey) -> Conversation | None:
        """The conversation that waits for this turn, for the first worker who asks."""

    def go_on(self, key: TurnKey, draft: str) -> Conversation | None:
        """Still at work, and this is the answer so far; None when nobody waits for it any more."""

    def finish(self, turn: Turn) -> bool:
        """Keep how the turn ended and let go of the conversation; whether it was still running."""

    def let_go(self, key: TurnKey) -> bool:
        """Let the conversation wait for this turn no longer; whether it did."""

    def find(self, key: ConversationKey) -> Conversation | None:
        """What is known besides the turns."""

    def turn(self, key: TurnKey) -> Turn | None:
        """One turn."""

    def recent(self, key: ConversationKey, after: str, limit: int) -> Sequence[Turn]:
        """The latest turns after one, oldest first."""

    def summarise(self, key: ConversationKey, summary: str, up_to: str) -> None:
        """Keep what is to be remembered of everything up to a turn."""


class Listeners(Protocol):
    """Who listens."""

    def listeners(self, user_id: str, conversation_id: str) -> Iterable[Listener]:
        """The connections of a person that show a conversation."""

    def close(self, connection_id: str, user_id: str) -> None:
        """Forget one."""


class Spending(Protocol):
    """Keeps account of the model's words."""

    def spend_tokens(self, user_id: str, day: datetime, tokens: int) -> None:
        """Add to what a person used on that day; less than nothing gives some of it back."""


@dataclass(frozen=True)
class Pace:
    """How often things are done, in seconds; tests are in a hurry."""

    frame: float = FRAME_SECONDS
    note: float = NOTE_SECONDS
    patience: float = PATIENCE_SECONDS


@dataclass(frozen=True)
class Report:
    """What a turn came to, without a word of what was said in it."""

    state: TurnState
    tokens: TokensUsed
    seconds: float
    first_token_seconds: float | None


class Answering:
    """One worker's way of answering."""

    def __init__(
        self,
        agent: Agent,
        memory: Memory,
        listeners: Listeners,
        lines: Lines,
        spending: Spending,
        sessions: Sessions,
        clock: Clock,
        ticks: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self._agent = agent
        self._memory = memory
        self._listeners = listeners
        self._lines = lines
        self._spending = spending
        self._sessions = sessions
        self._clock = clock
        self._ticks = ticks
        self._pace = pace or Pace()

    def answer(self, task: Task, seconds: float) -> Report | None:
        """Answer within so many seconds. None when there is nothing to do: another worker does it,
        or the conversation is gone.
        """
        turn = self._memory.turn(task.key)
        if turn is None:
            return None
        audience = Audience(self._listeners, self._lines, task.key)
        if turn.state is not TurnState.RUNNING:
            self._tell_what_was_kept(turn, audience)
            return None
        conversation = self._memory.claim(task.key)
        if conversation is None:
            return self._end_what_nobody_answers(turn, audience)
        answer = _Answer(turn, self._ticks(), self._ticks() + seconds)
        self._look(audience)
        if self._is_signed_out(task.caller, audience):
            answer.fail(SIGNED_OUT)
        else:
            self._listen(task, conversation, answer, audience)
        self._settle(answer, audience)
        self._remember(conversation, answer)
        return answer.report(self._ticks())

    def _listen(
        self, task: Task, conversation: Conversation, answer: "_Answer", audience: "Audience"
    ) -> None:
        with closing(Stream(self._events(task, answer.turn, conversation))) as stream:
            noted = told = self._ticks()
            while answer.turn.state is TurnState.RUNNING:
                try:
                    event = stream.next(self._pace.frame)
                except Exception as failure:
                    answer.fail(_explained(failure))
                    return
                now = self._ticks()
                self._take(event, answer, audience, now)
                if now - told >= self._pace.frame or answer.is_first_text:
                    audience.tell(answer.turn)
                    answer.first_text_was_told(now)
                    told = now
                if now - noted >= self._pace.note:
                    self._note(task.caller, answer, audience)
                    noted = now
                if now > answer.deadline or now - answer.heard_at > self._pace.patience:
                    answer.fail(TOO_SLOW)

    def _take(
        self,
        event: "AnswerEvent | Ended | None",
        answer: "_Answer",
        audience: "Audience",
        now: float,
    ) -> None:
        if event is None:
            return
        answer.heard_at = now
        if isinstance(event, Ended):
            answer.end(TurnState.DONE)
        elif isinstance(event, ToolUsed):
            audience.tell(answer.turn)
            audience.say(frames.tool(answer.turn, event))
        elif isinstance(event, Proposed):
            expires = self._clock() + PROPOSAL_LIFETIME
            answer.turn = replace(answer.turn, confirm=OpenProposal(event.proposal, expires))
        else:
            answer.take(event)

    def _note(self, caller: Caller, answer: "_Answer", audience: "Audience") -> None:
        try:
            going_on = self._memory.go_on(answer.turn.key, answer.turn.answer)
        except Exception as failure:  # the next note is a second away, the end of the lease thirty
            _warn("not noted this time", failure)
            return
        if going_on is None:
            answer.fail(GONE)
            return
        self._look(audience)
        if self._is_signed_out(caller, audience):
            answer.fail(SIGNED_OUT)
        elif going_on.stopping:
            answer.end(TurnState.STOPPED)

    def _look(self, audience: "Audience") -> None:
        try:
            audience.look()
        except Exception as failure:  # whoever was there before is told all the same
            _warn("nobody was looked for this time", failure)

    def _is_signed_out(self, caller: Caller, audience: "Audience") -> bool:
        """On every device that shows the conversation; what cannot be told now is asked again with
        the next note.
        """
        sessions = (caller.session_id, *audience.sessions - {caller.session_id})
        try:
            return not any(self._sessions.is_open(one, caller.user_id) for one in sessions)
        except Exception as failure:
            _warn("no session was looked for this time", failure)
            return False

    def _settle(self, answer: "_Answer", audience: "Audience") -> None:
        """Keep what came of it and tell. Whoever ended the turn settles what was reserved for it;
        the model's words were used at any rate.
        """
        turn = answer.turn
        is_ended_here = self._memory.finish(turn)
        self._spend(turn, answer.tokens.total - (RESERVED_TOKENS if is_ended_here else 0))
        if is_ended_here:
            self._look(audience)
            audience.tell(turn)
            audience.say_all(frames.ended(turn))

    def _tell_what_was_kept(self, turn: Turn, audience: "Audience") -> None:
        """A worker that died before it let go of the conversation has told nobody."""
        if self._memory.let_go(turn.key):
            self._look(audience)
            audience.say_all(frames.ended(turn))

    def _end_what_nobody_answers(self, turn: Turn, audience: "Audience") -> Report | None:
        """A worker died over it: Lambda asks again some time later, when its lease is over."""
        conversation = self._memory.find(turn.key.conversation)
        if conversation is None or conversation.waits_for(turn.id, self._clock()):
            return None
        answer = _Answer(replace(turn, answer=self._draft(conversation, turn)), 0, 0)
        answer.fail(BROKEN)
        self._settle(answer, audience)
        return answer.report(0)

    def _draft(self, conversation: Conversation, turn: Turn) -> str:
        return conversation.draft if conversation.running == turn.id else ""

    def _events(self, task: Task, turn: Turn, conversation: Conversation) -> Iterator[AnswerEvent]:
        yield from self._agent.answer(self._question(task, turn, conversation))

    def _question(self, task: Task, turn: Turn, conversation: Conversation) -> Question:
        before = self._turns(conversation)
        return Question(
            caller=task.caller,
            conversation_id=conversation.key.id,
            message_id=turn.id,
            text=turn.question,
            summary=conversation.summary,
            history=tuple(_utterances(each for each in before if each.id != turn.id)),
        )

    def _spend(self, turn: Turn, tokens: int) -> None:
        """On the day of the question, which was reserved for it."""
        try:
            self._spending.spend_tokens(turn.key.conversation.user_id, turn.asked_at, tokens)
        except Exception as failure:  # what was reserved stays spent; the answer is worth more
            _warn("tokens not accounted for", failure)

    def _remember(self, conversation: Conversation, answer: "_Answer") -> None:
        try:
            self._sum_up(conversation, answer)
        except Exception as failure:  # the answer is given, and its report is still to be
            _warn("not summed up this time", failure)

    def _sum_up(self, conversation: Conversation, answer: "_Answer") -> None:
        """Once more was said than the agent is to be told word for word, all but the latest is.
        What does not fit in the time that is left is summed up after a later answer.
        """
        turns = self._turns(conversation)
        left = answer.deadline - self._ticks()
        if len(turns) < WINDOW or left <= 0:
            return
        older = turns[: -WINDOW // 2]
        summary = self._within(left, conversation.summary, list(_utterances(older)))
        if not isinstance(summary, Summary):
            return
        answer.take(summary.tokens)
        self._spend(answer.turn, summary.tokens.total)
        self._memory.summarise(conversation.key, summary.text, older[-1].id)

    def _within(
        self, seconds: float, summary: str, older: Sequence[Utterance]
    ) -> "Summary | Ended | None":
        def summing_up() -> Iterator[Summary]:
            yield self._agent.summarise(summary, older)

        with closing(Stream(summing_up())) as stream:
            return stream.next(seconds)

    def _turns(self, conversation: Conversation) -> Sequence[Turn]:
        """All that the summary does not tell of: nothing falls between the two."""
        return self._memory.recent(conversation.key, conversation.summarised_up_to, MOST_REMEMBERED)


class _Answer:
    """A turn while it is being answered."""

    def __init__(self, turn: Turn, began: float, deadline: float) -> None:
        self.turn = turn
        self.began = self.heard_at = began
        self.deadline = deadline
        self.tokens = TokensUsed()
        self._first_text_at: float | None = None

    def take(self, event: TextDelta | ShownProducts | ShownOrder | TokensUsed | AnsweredBy) -> None:
        match event:
            case TextDelta(text):
                self.turn = replace(self.turn, answer=(self.turn.answer + text)[:MAX_ANSWER])
            case ShownProducts(products):
                self.turn = replace(self.turn, products=products)
            case ShownOrder(order):
                self.turn = replace(self.turn, order=order)
            case AnsweredBy(model):
                self.turn = replace(self.turn, model=model)
            case TokensUsed():
                self.tokens += event

    def end(self, state: TurnState) -> None:
        self.turn = replace(self.turn, state=state)

    def fail(self, why: Failure) -> None:
        self.turn = replace(self.turn, state=TurnState.FAILED, failure=why)

    @property
    def is_first_text(self) -> bool:
        return bool(self.turn.answer) and self._first_text_at is None

    def first_text_was_told(self, now: float) -> None:
        if self.is_first_text:
            self._first_text_at = now

    def report(self, now: float) -> Report:
        first = self._first_text_at
        waited = first - self.began if first is not None else None
        return Report(self.turn.state, self.tokens, now - self.began, waited)


class Audience:
    """The connections that show the conversation; each is told every word once, wherever it came
    in.
    """

    def __init__(self, listeners: Listeners, lines: Lines, key: TurnKey) -> None:
        self._listeners = listeners
        self._lines = lines
        self._key = key
        self._heard: dict[str, int] = {}
        self.sessions: frozenset[str] = frozenset()

    def look(self) -> None:
        """See who came and who went."""
        conversation = self._key.conversation
        present = list(self._listeners.listeners(conversation.user_id, conversation.id))
        self.sessions = frozenset(each.session_id for each in present)
        self._heard = {
            each.connection_id: self._heard.get(each.connection_id, self._heard_before(each))
            for each in present
        }

    def tell(self, turn: Turn) -> None:
        """Each gets what it has not heard yet."""
        for connection_id, heard in list(self._heard.items()):
            news = turn.answer[heard:]
            if news and self._send(connection_id, frames.token(turn, news)):
                self._heard[connection_id] = len(turn.answer)

    def say(self, frame: dict[str, Any]) -> None:
        """The same to all."""
        for connection_id in list(self._heard):
            self._send(connection_id, frame)

    def say_all(self, frames: Iterable[dict[str, Any]]) -> None:
        for frame in frames:
            self.say(frame)

    def _heard_before(self, listener: Listener) -> int:
        return listener.heard if listener.message_id == self._key.id else 0

    def _send(self, connection_id: str, frame: dict[str, Any]) -> bool:
        try:
            return self._lines.send(connection_id, to_json(frame))
        except LineGone:
            self._heard.pop(connection_id, None)
            self._forget(connection_id)
            return False

    def _forget(self, connection_id: str) -> None:
        try:
            self._listeners.close(connection_id, self._key.conversation.user_id)
        except Exception as failure:  # others are still to be told
            _warn("a line that is gone is kept", failure)


class Ended:
    """The agent has nothing more to say."""


class Stream[Heard]:
    """The agent's events from a thread of its own."""

    def __init__(self, events: Iterator[Heard]) -> None:
        self._events = events
        self._arrived: queue.SimpleQueue[Heard | Ended | Exception] = queue.SimpleQueue()
        self._closed = Event()
        # the ids that logs carry go along
        Thread(target=copy_context().run, args=(self._run,), daemon=True).start()

    def next(self, patience: float) -> Heard | Ended | None:
        """The next event; None when there was none in time. Raises what the agent raised."""
        try:
            arrived = self._arrived.get(timeout=patience)
        except queue.Empty:
            return None
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

    def close(self) -> None:
        """No more is wanted; the agent is told at its next event."""
        self._closed.set()

    def _run(self) -> None:
        try:
            for event in self._events:
                self._arrived.put(event)
                if self._closed.is_set():
                    break
        except Exception as failure:
            self._arrived.put(failure)
        else:
            self._arrived.put(Ended())
        finally:
            close = getattr(self._events, "close", None)
            if close:
                close()


def _utterances(turns: Iterable[Turn]) -> Iterator[Utterance]:
    for turn in turns:
        yield from turn.utterances


def _explained(failure: Exception) -> Failure:
    """What the person is told; a fault of ours goes to the log, where no word of theirs is."""
    if isinstance(failure, DomainError):
        telemetry.logger.warning("the agent gave up", extra={"reason": failure.code})
        return Failure(failure.code, failure.message)
    where = [f"{step.name}:{step.lineno}" for step in extract_tb(failure.__traceback__)]
    telemetry.logger.error("the agent failed", extra={"reason": _kind(failure), "where": where})
    return BROKEN


def _warn(what: str, failure: Exception) -> None:
    telemetry.logger.warning(what, extra={"reason": _kind(failure)})


def _kind(failure: Exception) -> str:
    return type(failure).__name__
