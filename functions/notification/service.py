"""The use case of mails: send the mail of an event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from notification.mails import MAILS, MailTemplate
from notification.model import MAX_SUBJECT, Mail, Message, greeting_name, one_line
from notification.ports import (
    Links,
    MailSender,
    Messages,
    RateLimit,
    Suppressions,
    TemplateRenderer,
)
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import Event, Metadata
from supermarket.people import Recipient

LINK_IN_MAIL = "(The link is in the mail itself.)"
NOT_MAILED = "(There is no link: mails to your address are suppressed, so it was not sent.)"


@dataclass(frozen=True)
class Draft:
    """The mail of an event before it is rendered."""

    template: MailTemplate
    recipient: Recipient
    subject: str
    facts: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, event: Event, metadata: Metadata) -> "Draft":
        template = MAILS[type(event)]
        recipient, shown = template.recipient(event), template.prepare(event)
        facts = {
            "event": shown,
            "name": greeting_name(recipient.first_name),
            "correlation_id": metadata.correlation_id,
        }
        return cls(template, recipient, one_line(template.subject(shown), MAX_SUBJECT), facts)


@dataclass(frozen=True)
class NotificationService:
    """Sends the mail that `MAILS` defines for an event, within the rate limit and not to suppressed
    addresses.

    It claims, sends and stores a mail, so that a repeated event sends nothing again. A crash
    between SES's answer and storing the mail sends it a second time when the claim expires: SES has
    no idempotency key. The reverse order would lose mails.
    """

    renderer: TemplateRenderer
    sender: MailSender
    messages: Messages
    rate_limit: RateLimit
    suppressions: Suppressions
    links: Links
    clock: Clock

    def send_mail(self, event: Event, metadata: Metadata) -> None:
        """Send the mail of `event` once, however often the event is delivered."""
        draft = Draft.of(event, metadata)
        kind = draft.template.kind
        message_id = f"{metadata.event_id}.{kind}"
        if not self.messages.claim(message_id):
            return
        is_suppressed = self.suppressions.has(draft.recipient.email)
        # before sending: a failure here after sending would send the mail again and again
        message = self._message(message_id, draft, NOT_MAILED if is_suppressed else LINK_IN_MAIL)
        if is_suppressed:
            telemetry.count("MailsSuppressed", kind=kind)
        elif not self._send(draft, metadata.correlation_id):
            self.messages.save_skipped(message_id)
            return
        self.messages.save_sent(message)

    def _send(self, draft: Draft, correlation_id: str) -> bool:
        """Send the mail; returns False when there is nothing to send."""
        template, address = draft.template, draft.recipient.email
        self.rate_limit.acquire(address)
        try:
            # created here: a link must not expire while its mail waits
            link = template.link and self.links.create(template.link, draft.recipient.user_id)
            if link is None and template.needs_link:
                self.rate_limit.release(address)
                return False
            body = self.renderer.render(template.kind, {**draft.facts, "link": link})
            self.sender.send(Mail(address, draft.subject, body, correlation_id))
        except Exception:
            self.rate_limit.release(address)
            raise
        telemetry.count("MailsSent", kind=template.kind)
        return True

    def _message(self, message_id: str, draft: Draft, no_link: str) -> Message:
        """Return the inbox entry, without the link: a stolen session must not reveal it."""
        kind, recipient_id = draft.template.kind, draft.recipient.user_id
        text = self.renderer.render(kind, {**draft.facts, "link": None, "no_link": no_link}).text
        return Message(message_id, recipient_id, kind, draft.subject, text, self.clock())
