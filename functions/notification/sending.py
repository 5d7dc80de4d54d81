"""Sends a mail once, to an address that takes mails, and no more of them than people can bear."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from notification.model import LONGEST_SUBJECT, Mail, Message, one_line
from notification.ports import Allowance, Letters, Messages, Post, Suppressions
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import Metadata
from supermarket.people import Recipient

MAILED = "(The link is in the mail itself.)"
NOT_MAILED = "(There is none: your address takes no mails of ours, so this one was not sent.)"

type Link = Callable[[], str | None]


@dataclass(frozen=True)
class Note:
    """A mail that is to be written. `link` mints a secret one; where it is all that the mail is
    about (`needs_link`) and there is none, there is no mail.
    """

    kind: str
    recipient: Recipient
    subject: str
    facts: Mapping[str, Any] = field(repr=False)
    link: Link | None = None
    needs_link: bool = False


class Sender:
    """Claim, send, keep: an event that comes again sends nothing again.

    Only who dies between SES's word and the keeping leaves a mail that is sent a second time, when
    the claim has run out. SES knows no idempotency key, so nobody can close that gap; the other way
    round, a mail would be lost.
    """

    def __init__(
        self,
        *,
        letters: Letters,
        post: Post,
        messages: Messages,
        allowance: Allowance,
        suppressions: Suppressions,
        clock: Clock,
    ) -> None:
        self._letters = letters
        self._post = post
        self._messages = messages
        self._allowance = allowance
        self._suppressions = suppressions
        self._clock = clock

    def send(self, note: Note, metadata: Metadata) -> None:
        message_id = f"{metadata.event_id}.{note.kind}"
        if not self._messages.claim(message_id):
            return
        is_suppressed = self._suppressions.has(note.recipient.email)
        # before the mail: what failed after it would have it sent again and again
        message = self._message(message_id, note, NOT_MAILED if is_suppressed else MAILED)
        if is_suppressed:
            telemetry.count("MailsSuppressed", kind=note.kind)
        elif not self._mail(note, metadata):
            self._messages.drop(message_id)
            return
        self._messages.keep(message)

    def _mail(self, note: Note, metadata: Metadata) -> bool:
        """Whether there was anything to send. Once it is counted it is sent, or counted no more."""
        address = note.recipient.email
        self._allowance.take(address)
        try:
            # here, and not before: the time of a link should not run out while its mail waits
            link = note.link() if note.link else None
            if link is None and note.needs_link:
                self._allowance.give_back(address)
                return False
            letter = self._letters.write(note.kind, {**note.facts, "link": link})
            subject = one_line(note.subject, LONGEST_SUBJECT)
            self._post.send(Mail(address, subject, letter, metadata.correlation_id))
        except Exception:
            self._allowance.give_back(address)
            raise
        telemetry.count("MailsSent", kind=note.kind)
        return True

    def _message(self, message_id: str, note: Note, no_link: str) -> Message:
        """Written anew without the link, and with a word on where it is instead: whoever gets hold
        of a session must not get hold of it.
        """
        facts = {**note.facts, "link": None, "no_link": no_link}
        text = self._letters.write(note.kind, facts).text
        return Message(
            id=message_id,
            recipient_id=note.recipient.user_id,
            kind=note.kind,
            subject=one_line(note.subject, LONGEST_SUBJECT),
            text=text,
            sent_at=self._clock(),
        )
