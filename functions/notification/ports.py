"""What notification needs from elsewhere: letters, a post, a memory of what was sent, and links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from notification.model import Letter, Mail, Message
from supermarket.errors import RetryLater


class BeingSent(RetryLater):
    """Somebody is sending this very mail, or died over it a moment ago. Look again in a moment."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"{message_id} is being sent", timedelta(seconds=10))


class Refused(Exception):
    """SES will not take this mail, however often it is asked."""


@dataclass(frozen=True)
class MessagePage:
    """Some of a person's messages, newest first; `next_before` is where the next page begins."""

    messages: tuple[Message, ...]
    next_before: str | None


class Letters(Protocol):
    """Writes letters."""

    def write(self, kind: str, facts: Mapping[str, Any]) -> Letter:
        """The letter of this kind about these facts."""


class Post(Protocol):
    """Takes mails to people."""

    def send(self, mail: Mail) -> None:
        """Send a mail. Raises Refused when it is rejected for good, RetryLater when too many were
        sent before it, and other errors when a retry may succeed.
        """


class Links(Protocol):
    """Links that hold a secret, minted when they are asked for; None when there is nothing to link
    to, say because the account is gone.
    """

    def email_verification(self, user_id: str) -> str | None: ...

    def password_reset(self, user_id: str) -> str | None: ...


class Messages(Protocol):
    """The memory of what was sent, which is also what people read in their inbox."""

    def claim(self, message_id: str) -> bool:
        """Take the sending of a mail upon oneself for a while; False when it was sent already,
        BeingSent when somebody else has it.
        """

    def keep(self, message: Message) -> None:
        """It was sent: never again, and its recipient can read it."""

    def drop(self, message_id: str) -> None:
        """There was nothing to send: never again, and nothing to read."""


class Inbox(Protocol):
    """What people read. A change of this very moment may be missing from what is listed."""

    def page_of(self, recipient_id: str, before: str | None, limit: int) -> MessagePage: ...

    def unread(self, recipient_id: str, limit: int) -> list[str]:
        """Ids of messages that were not read, no more than `limit` of them."""

    def mark_read(self, recipient_id: str, message_id: str, at: datetime) -> Message | None:
        """The message as it is now; None when this person has none of this id."""

    def mark_all_read(self, message_ids: list[str], at: datetime) -> None: ...


class Allowance(Protocol):
    """How many mails one address may get."""

    def take(self, address: str) -> None:
        """Use up one; RetryLater when none is left."""

    def give_back(self, address: str) -> None:
        """The mail was not sent after all."""


class Suppressions(Protocol):
    """Addresses that no mail is sent to."""

    def has(self, address: str) -> bool: ...

    def add(self, address: str, why: str, at: datetime) -> None: ...

    def remove(self, address: str) -> bool:
        """Whether it was there."""
