"""The use cases of the inbox: list messages and mark them as read."""

from dataclasses import dataclass

from notification.model import Message
from notification.ports import Inbox, MessagePage
from supermarket.clock import Clock
from supermarket.errors import NotFound

# a higher count would cost more reads without a use for clients
MAX_UNREAD = 100


@dataclass(frozen=True)
class InboxService:
    """The inbox of the caller."""

    inbox: Inbox
    clock: Clock

    def list_messages(
        self, user_id: str, before: str | None, limit: int
    ) -> tuple[MessagePage, int]:
        """Return a page, and the number of unread messages of all pages."""
        page = self.inbox.list_messages(user_id, before, limit)
        return page, len(self.inbox.unread(user_id, MAX_UNREAD))

    def read(self, user_id: str, message_id: str) -> Message:
        message = self.inbox.mark_read(user_id, message_id, self.clock())
        if message is None:
            raise NotFound("Notification not found")
        return message

    def read_all(self, user_id: str) -> bool:
        """Mark up to a hundred messages as read; returns whether none is left unread."""
        found = self.inbox.unread(user_id, MAX_UNREAD)
        if found:
            self.inbox.mark_all_read(found, self.clock())
        return len(found) < MAX_UNREAD
