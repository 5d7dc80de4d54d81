"""What goes over the wire to a client: one function per type of frame."""

from collections.abc import Iterator, Sequence
from typing import Any

from ai_buddy.model import Failure, OpenProposal, ToolUsed, Turn, TurnState
from supermarket.clock import iso

type Frame = dict[str, Any]

UNANSWERED = Failure("INTERNAL", "There is no whole answer to this. Ask again.")


def started(turn: Turn) -> Frame:
    return {**_head("started", turn), "conversationId": turn.key.conversation.id}


def token(turn: Turn, text: str) -> Frame:
    """The next piece of the answer; every connection gets each piece once."""
    return {**_head("token", turn), "text": text}


def tool(turn: Turn, used: ToolUsed) -> Frame:
    return {**_head("tool", turn), "name": used.name, "status": used.status.value}


def message(turn: Turn) -> Frame:
    """The whole answer, and what it shows or asks."""
    return {**_head("message", turn), "text": turn.answer, **_shown(turn)}


def done(turn: Turn) -> Frame:
    return {**_head("done", turn), "status": turn.state.value}


def failed(turn: Turn, why: Failure) -> Frame:
    """The answer ends here; the conversation goes on."""
    return {**_head("error", turn), "code": why.code, "message": why.message}


def ended(turn: Turn) -> Iterator[Frame]:
    """How an answer ended, for whoever did not hear it; nothing while it is being given."""
    if turn.state is TurnState.FAILED:
        yield failed(turn, turn.failure or UNANSWERED)
    elif turn.state is not TurnState.RUNNING:
        yield message(turn)
        yield done(turn)


def decided(outcome: Turn, message_id: str, accepted: bool) -> Iterator[Frame]:
    """What came of a decision on what that message had proposed."""
    yield {**message(outcome), "confirms": message_id, "accepted": accepted}
    yield done(outcome)


def pong() -> Frame:
    return {"type": "pong"}


def history(conversation_id: str | None, turns: Sequence[Turn], next_cursor: str | None) -> Frame:
    """A page of messages, oldest first; the cursor leads to older ones."""
    return {
        "type": "history",
        "conversationId": conversation_id,
        "messages": [message for turn in reversed(turns) for message in spoken(turn)],
        "nextCursor": next_cursor,
    }


def spoken(turn: Turn) -> Iterator[Frame]:
    """A turn as the messages of both sides."""
    said = {"messageId": turn.id, "createdAt": iso(turn.asked_at)}
    if turn.question:
        own = {"clientMessageId": turn.client_message_id} if turn.client_message_id else {}
        yield {**said, "role": "user", "text": turn.question, **own}
    status = {"status": turn.state.value}
    yield {**said, "role": "assistant", "text": turn.answer, **status, **_shown(turn)}


def _head(kind: str, turn: Turn) -> Frame:
    return {"type": kind, "messageId": turn.id}


def _shown(turn: Turn) -> Frame:
    shown: Frame = {}
    if turn.products:
        shown["products"] = list(turn.products)
    if turn.order:
        shown["order"] = turn.order
    if turn.confirm:
        shown["confirm"] = _confirm(turn.confirm)
    if turn.model:
        shown["model"] = turn.model
    return shown


def _confirm(asked: OpenProposal) -> Frame:
    return {
        "action": asked.proposal.action,
        "text": asked.proposal.text,
        "expiresAt": iso(asked.expires_at),
        "answered": asked.answered.value if asked.answered else None,
    }
