"""What notification needs from the outside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from notification.model import (
    Digest,
    DigestLine,
    Mail,
    MailBody,
    MailClass,
    Message,
    WaitingMail,
)
from supermarket.errors import PermanentFailure, RetryLater


class SendInProgress(RetryLater):
    """Another invocation is sending the mail, or crashed while sending it; retry soon."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"{message_id} is being sent", timedelta(seconds=10))


class MailRejected(PermanentFailure):
    """The mail cannot be sent for good."""


@dataclass(frozen=True)
class MessagePage:
    """A page of messages, newest first; `next_before` is the position of the next page."""

    messages: tuple[Message, ...]
    next_before: str | None


class TemplateRenderer(Protocol):
    """Renders mails."""

    def render(self, kind: str, facts: Mapping[str, Any]) -> MailBody:
        """Return the mail of this kind about these facts."""


class MailSender(Protocol):
    """Sends mails."""

    def send(self, mail: Mail) -> None:
        """Send a mail. Raises MailRejected when it is rejected for good, RetryLater when too many
        were sent before it, and other errors when a retry may succeed.
        """


class Links(Protocol):
    """Creates links with a secret token."""

    def create(self, purpose: str, user_id: str, email: str) -> str | None:
        """Return a link with this purpose (of auth's) for a mail to `email`; None when there is
        nothing to link to.
        """


class Messages(Protocol):
    """Stores sent mails, which are also the inbox."""

    def claim(self, message_id: str) -> bool:
        """Claim the sending of a mail for a while; returns False when it was sent already. Raises
        SendInProgress while another claim holds.
        """

    def save_sent(self, message: Message) -> None:
        """Store a sent mail in the inbox of its recipient."""

    def save_skipped(self, message_id: str) -> None:
        """Store that there was nothing to send."""


class Inbox(Protocol):
    """The messages of people. Lists may lag behind changes."""

    def list_messages(self, recipient_id: str, before: str | None, limit: int) -> MessagePage: ...

    def unread(self, recipient_id: str, limit: int) -> list[str]:
        """Return the ids of at most `limit` unread messages."""

    def mark_read(self, recipient_id: str, message_id: str, at: datetime) -> Message | None:
        """Mark a message as read and return it; None when the person has no such message."""

    def mark_all_read(self, message_ids: list[str], at: datetime) -> None: ...


class Allowances(Protocol):
    """Limits the mails of a class to one address."""

    def acquire(self, mail_class: MailClass, address: str) -> None:
        """Count one mail. Raises RetryLater when the limit is reached."""

    def release(self, mail_class: MailClass, address: str) -> None:
        """Undo the count of a mail that was not sent."""


class SendingRate(Protocol):
    """Limits the mails a second of a class to its share of SES's rate."""

    def wait_for_turn(self, mail_class: MailClass) -> None:
        """Wait until the class may send a mail. Raises RetryLater when that takes longer than a
        few seconds.
        """


class WaitingMails(Protocol):
    """The mails that are due later."""

    def add(self, mail: WaitingMail) -> None:
        """Store a mail; a repetition changes nothing."""

    def list_due(self, until: datetime) -> Iterator[Sequence[WaitingMail]]:
        """Yield the mails that are due at `until` page by page, the oldest of each shard first."""

    def remove(self, mails: Sequence[WaitingMail]) -> None: ...

    def find_oldest(self) -> datetime | None:
        """Return when the first of all mails is due."""


class MailQueues(Protocol):
    """The queues of the classes."""

    def send(self, mails: Sequence[WaitingMail]) -> Sequence[WaitingMail]:
        """Send the events of mails of one class to its queue; returns those that were sent."""


class Digests(Protocol):
    """The digests that are due later, and their lines."""

    def add(self, digest: Digest, line: DigestLine) -> None:
        """Store a line of a digest, and the digest if it is new."""

    def list_due(self, until: datetime) -> Iterator[Sequence[Digest]]:
        """Yield the digests that are due at `until` page by page."""

    def list_lines(self, digest: Digest, limit: int) -> Sequence[DigestLine]:
        """Return at most `limit` lines, in the order of the topics."""

    def remove(self, digest: Digest) -> None:
        """Remove the digest; its lines expire."""


class Orders(Protocol):
    """The orders of the shop."""

    def can_be_paid(self, order_id: str, customer_id: str) -> bool:
        """Return whether the customer's order waits for its payment and its stock is reserved."""


class Suppressions(Protocol):
    """The addresses that receive no mail."""

    def has(self, address: str) -> bool: ...

    def add(self, address: str, why: str, at: datetime) -> None: ...

    def remove(self, address: str) -> bool:
        """Remove an address; returns whether it was suppressed."""
