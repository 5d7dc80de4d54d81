"""The use case of mails: send the mail of an event."""

from functools import partial

from notification.mails import MAILS
from notification.model import greeting_name
from notification.ports import Links
from notification.sending import Mailer, MailRequest
from supermarket.contracts import Event, Metadata


class NotificationService:
    """Sends the mail that `MAILS` defines for an event."""

    def __init__(self, mailer: Mailer, links: Links) -> None:
        self._mailer = mailer
        self._links = links

    def send_mail(self, event: Event, metadata: Metadata) -> None:
        """Send the mail of `event` once, however often the event is delivered."""
        template = MAILS[type(event)]
        recipient = template.recipient(event)
        shown = template.prepare(event)
        facts = {
            "event": shown,
            "name": greeting_name(recipient.first_name),
            "correlation_id": metadata.correlation_id,
        }
        link = None
        if template.link:
            link = partial(getattr(self._links, template.link), recipient.user_id)
        subject = template.subject(shown)
        request = MailRequest(template.kind, recipient, subject, facts, link, template.needs_link)
        self._mailer.send(request, metadata)
