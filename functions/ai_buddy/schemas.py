"""What clients send: frames by their action; and what the HTTP routes answer."""

from typing import Annotated, Literal

from pydantic import Field

from supermarket.clock import ID_PATTERN
from supermarket.schemas import Body, View

MAX_TEXT = 4_000

type ConversationId = Annotated[str, Field(pattern=ID_PATTERN)]
type MessageId = Annotated[str, Field(pattern=rf"{ID_PATTERN[:-1]}-{ID_PATTERN[1:]}")]


class SendMessage(Body):
    """Something to be answered; without a conversation's id it begins one. A client's own id makes
    sure that a message that is sent twice is said once.
    """

    action: Literal["message"]
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    conversation_id: ConversationId | None = None
    client_message_id: str | None = Field(default=None, pattern=r"^[\w.:-]{1,64}$")


class Confirm(Body):
    """Yes or no to what a message proposed."""

    action: Literal["confirm"]
    message_id: MessageId
    accept: bool


class AskHistory(Body):
    """A page of what was said; without an id, in the latest conversation."""

    action: Literal["history"]
    conversation_id: ConversationId | None = None
    cursor: str | None = Field(default=None, max_length=2048)


class Stop(Body):
    """No more of the answer that is being given; without an id, in the latest conversation."""

    action: Literal["stop"]
    conversation_id: ConversationId | None = None


class Ping(Body):
    """Is anybody there?"""

    action: Literal["ping"]


class TicketAnswer(View):
    """Opens one connection, as `?ticket=`, within so many seconds."""

    ticket: str
    expires_in: int
