"""The frames that clients send, one class per action, and the responses of the HTTP routes."""

from typing import Annotated, Literal

from pydantic import Field

from supermarket.clock import ID_PATTERN
from supermarket.schemas import Body, View

MAX_TEXT = 4_000

type ConversationId = Annotated[str, Field(pattern=ID_PATTERN)]
type MessageId = Annotated[str, Field(pattern=rf"{ID_PATTERN[:-1]}-{ID_PATTERN[1:]}")]


class MessageRequest(Body):
    """A message to answer; without a conversation's id it begins a conversation. A message that is
    sent again under the same `clientMessageId` is answered once.
    """

    action: Literal["message"]
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    conversation_id: ConversationId | None = None
    # the length apart: pydantic compiles a counted `\w` for 20 ms, in every cold start
    client_message_id: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=r"^[\w.:-]+$"
    )


class ConfirmRequest(Body):
    """The decision on the proposal of a message."""

    action: Literal["confirm"]
    message_id: MessageId
    accept: bool


class HistoryRequest(Body):
    """A page of messages; without an id, of the latest conversation."""

    action: Literal["history"]
    conversation_id: ConversationId | None = None
    cursor: str | None = Field(default=None, max_length=2048)


class StopRequest(Body):
    """Stops the running answer; without an id, of the latest conversation."""

    action: Literal["stop"]
    conversation_id: ConversationId | None = None


class PingRequest(Body):
    """Checks that the connection is open."""

    action: Literal["ping"]


class TicketResponse(View):
    """A ticket that opens one connection, as `?ticket=`, within `expiresIn` seconds."""

    ticket: str
    expires_in: int
