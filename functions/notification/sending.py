"""Sends each mail once, within the rate limit, and not to suppressed addresses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from notification.model import MAX_SUBJECT, Mail, Message, one_line
from notification.ports import MailSender, Messages, RateLimit, Suppressions, TemplateRenderer
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import Metadata
from supermarket.people import Recipient

LINK_IN_MAIL = "(The link is in the mail itself.)"
NOT_MAILED = "(There is no link: mails to your address are suppressed, so it was not sent.)"

type Link = Callable[[], str | None]


@dataclass(frozen=True)
class MailRequest:
    """A mail to send. `link` creates its secret link; a mail that `needs_link` is not sent without
    one.
    """

    kind: str
    recipient: Recipient
    subject: str
    facts: Mapping[str, Any] = field(repr=False)
    link: Link | None = None
    needs_link: bool = False


class Mailer:
    """Claims, sends and stores a mail, so that a repeated event sends nothing again.

    A crash between SES's answer and storing the mail sends it a second time when the claim expires:
    SES has no idempotency key. The reverse order would lose mails.
    """

    def __init__(
        self,
        *,
        renderer: TemplateRenderer,
        sender: MailSender,
        messages: Messages,
        rate_limit: RateLimit,
        suppressions: Suppressions,
        clock: Clock,
    ) -> None:
        self._renderer = renderer
        self._sender = sender
        self._messages = messages
        self._rate_limit = rate_limit
        self._suppressions = suppressions
        self._clock = clock

    def send(self, request: MailRequest, metadata: Metadata) -> None:
        message_id = f"{metadata.event_id}.{request.kind}"
        if not self._messages.claim(message_id):
            return
        is_suppressed = self._suppressions.has(request.recipient.email)
        # before sending: a failure here after sending would send the mail again and again
        message = self._message(message_id, request, NOT_MAILED if is_suppressed else LINK_IN_MAIL)
        if is_suppressed:
            telemetry.count("MailsSuppressed", kind=request.kind)
        elif not self._mail(request, metadata):
            self._messages.save_skipped(message_id)
            return
        self._messages.save_sent(message)

    def _mail(self, request: MailRequest, metadata: Metadata) -> bool:
        """Send the mail; returns False when there is nothing to send."""
        address = request.recipient.email
        self._rate_limit.acquire(address)
        try:
            # created here: a link must not expire while its mail waits
            link = request.link() if request.link else None
            if link is None and request.needs_link:
                self._rate_limit.release(address)
                return False
            body = self._renderer.render(request.kind, {**request.facts, "link": link})
            subject = one_line(request.subject, MAX_SUBJECT)
            self._sender.send(Mail(address, subject, body, metadata.correlation_id))
        except Exception:
            self._rate_limit.release(address)
            raise
        telemetry.count("MailsSent", kind=request.kind)
        return True

    def _message(self, message_id: str, request: MailRequest, no_link: str) -> Message:
        """Return the inbox entry, without the link: a stolen session must not reveal it."""
        facts = {**request.facts, "link": None, "no_link": no_link}
        text = self._renderer.render(request.kind, facts).text
        return Message(
            id=message_id,
            recipient_id=request.recipient.user_id,
            kind=request.kind,
            subject=one_line(request.subject, MAX_SUBJECT),
            text=text,
            sent_at=self._clock(),
        )
