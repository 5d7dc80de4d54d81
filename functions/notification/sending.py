"""Sends each mail once: within its class's share of SES's rate, within its recipient's allowance,
and not to suppressed addresses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from notification.model import Mail, MailClass, Message
from notification.ports import (
    Allowances,
    Links,
    MailSender,
    Messages,
    SendingRate,
    Suppressions,
    TemplateRenderer,
)
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.people import Recipient

LINK_IN_MAIL = "(The link is in the mail itself.)"
NOT_MAILED = "(There is no link: mails to your address are suppressed, so it was not sent.)"


@dataclass(frozen=True)
class Draft:
    """A mail before it is rendered. `link` is the purpose of its secret link; a mail that
    `needs_link` is not sent without one.
    """

    id: str
    kind: str
    mail_class: MailClass
    recipient: Recipient
    subject: str
    correlation_id: str
    facts: Mapping[str, Any] = field(repr=False)
    link: str | None = None
    needs_link: bool = False


@dataclass(frozen=True)
class Mailer:
    """Claims, sends and stores a mail, so that a repeated draft sends nothing again.

    A crash between SES's answer and storing the mail sends it a second time when the claim expires:
    SES has no idempotency key. The reverse order would lose mails.
    """

    renderer: TemplateRenderer
    sender: MailSender
    messages: Messages
    allowances: Allowances
    rate: SendingRate
    suppressions: Suppressions
    links: Links
    clock: Clock

    def send(self, draft: Draft) -> None:
        """Send a mail once. Raises what `MailSender` does, and RetryLater when the recipient or
        the class has no mail left.
        """
        if not self.messages.claim(draft.id):
            return
        is_suppressed = self.suppressions.has(draft.recipient.email)
        # before sending: a failure here after sending would send the mail again and again
        message = self._message(draft, NOT_MAILED if is_suppressed else LINK_IN_MAIL)
        if is_suppressed:
            telemetry.count("MailsSuppressed", kind=draft.kind)
        elif not self._send(draft):
            self.messages.save_skipped(draft.id)
            return
        self.messages.save_sent(message)

    def _send(self, draft: Draft) -> bool:
        """Send the mail; returns False when there is nothing to send."""
        address = draft.recipient.email
        self.allowances.acquire(draft.mail_class, address)
        try:
            self.rate.wait_for_turn(draft.mail_class)
            # created here: a link must not expire while its mail waits
            link = draft.link and self.links.create(draft.link, draft.recipient.user_id, address)
            if link is None and draft.needs_link:
                self.allowances.release(draft.mail_class, address)
                return False
            body = self.renderer.render(draft.kind, {**draft.facts, "link": link})
            self.sender.send(Mail(address, draft.subject, body, draft.correlation_id))
        except Exception:
            self.allowances.release(draft.mail_class, address)
            raise
        telemetry.count("MailsSent", kind=draft.kind)
        return True

    def _message(self, draft: Draft, no_link: str) -> Message:
        """Return the inbox entry, without the link: a stolen session must not reveal it."""
        facts = {**draft.facts, "link": None, "no_link": no_link}
        text = self.renderer.render(draft.kind, facts).text
        user_id = draft.recipient.user_id
        return Message(draft.id, user_id, draft.kind, draft.subject, text, self.clock())
