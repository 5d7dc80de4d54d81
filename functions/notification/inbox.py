"""The messages that a person was sent, to be read and marked as read."""

from dataclasses import dataclass

from notification.model import Message
from notification.ports import Inbox, MessagePage
from supermarket.clock import Clock
from supermarket.errors import NotFound

# more than that is "a hundred or more": counting on would cost ever more
COUNTED_AT_MOST = 100


@dataclass(frozen=True)
class Opened:
    """A page of an inbox, and how many of all its messages nobody has read."""

    page: MessagePage
    unread: int


class InboxService:
    """Everything is the caller's own."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock

    def open(self, user_id: str, before: str | None, limit: int) -> Opened:
        page = self._inbox.page_of(user_id, before, limit)
        return Opened(page, len(self._inbox.unread(user_id, COUNTED_AT_MOST)))

    def read(self, user_id: str, message_id: str) -> Message:
        message = self._inbox.mark_read(user_id, message_id, self._clock())
        if message is None:
            raise NotFound("There is no such notification")
        return message

    def read_all(self, user_id: str) -> bool:
        """The newest hundred in one go; whether that was all."""
        found = self._inbox.unread(user_id, COUNTED_AT_MOST)
        if found:
            self._inbox.mark_all_read(found, self._clock())
        return len(found) < COUNTED_AT_MOST
