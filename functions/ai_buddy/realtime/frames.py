"""The frames that clients get: one function per type."""

from collections.abc import Iterator, Sequence
from typing import Any

from ai_buddy.model import Failure, PendingProposal, ToolUsed, Turn, TurnState
from supermarket.clock import iso

type Frame = dict[str, Any]

UNANSWERED = Failure("INTERNAL", "This question was not answered in full. Ask it again.")


def started(turn: Turn) -> Frame:
    return {**_head("started", turn), "conversationId": turn.key.conversation.id}


def token(turn: Turn, text: str) -> Frame:
    """The next piece of the answer; every connection gets each piece once."""
    return {**_head("token", turn), "text": text}


def tool(turn: Turn, used: ToolUsed) -> Frame:
    return {**_head("tool", turn), "name": used.name, "status": used.status.value}


def message(turn: Turn) -> Frame:
    """The whole answer with what it displays and proposes."""
    return {**_head("message", turn), "text": turn.answer, **_displayed(turn)}


def done(turn: Turn) -> Frame:
    return {**_head("done", turn), "status": turn.state.value}


def failed(turn: Turn, failure: Failure) -> Frame:
    """The answer ends here; the connection stays open."""
    return {**_head("error", turn), "code": failure.code, "message": failure.message}


def ended(turn: Turn) -> Iterator[Frame]:
    """How a turn ended; nothing while it is running."""
    if turn.state is TurnState.FAILED:
        yield failed(turn, turn.failure or UNANSWERED)
    elif turn.state is not TurnState.RUNNING:
        yield message(turn)
        yield done(turn)


def decided(outcome: Turn, message_id: str, accepted: bool) -> Iterator[Frame]:
    """The result of a decision on the proposal of a message."""
    yield {**message(outcome), "confirms": message_id, "accepted": accepted}
    yield done(outcome)


def pong() -> Frame:
    return {"type": "pong"}


def history(conversation_id: str | None, turns: Sequence[Turn], next_cursor: str | None) -> Frame:
    """A page of messages, oldest first; the cursor leads to older ones."""
    return {
        "type": "history",
        "conversationId": conversation_id,
        "messages": [message for turn in reversed(turns) for message in messages(turn)],
        "nextCursor": next_cursor,
    }


def messages(turn: Turn) -> Iterator[Frame]:
    """A turn as the messages of both sides."""
    head = {"messageId": turn.id, "createdAt": iso(turn.created_at)}
    if turn.question:
        own = {"clientMessageId": turn.client_message_id} if turn.client_message_id else {}
        yield {**head, "role": "user", "text": turn.question, **own}
    status = {"status": turn.state.value}
    yield {**head, "role": "assistant", "text": turn.answer, **status, **_displayed(turn)}


def _head(kind: str, turn: Turn) -> Frame:
    return {"type": kind, "messageId": turn.id}


def _displayed(turn: Turn) -> Frame:
    displayed = {
        "products": turn.displayed.products,
        "order": turn.displayed.order,
        "confirm": turn.proposal and _confirm(turn.proposal),
        "model": turn.model,
    }
    return {name: value for name, value in displayed.items() if value}


def _confirm(pending: PendingProposal) -> Frame:
    return {
        "action": pending.proposal.action,
        "text": pending.proposal.text,
        "expiresAt": iso(pending.expires_at),
        "answered": pending.decision,
    }
