"""The use case of mails: send the mail of an event, now or when it is due."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notification.mails import MAILS
from notification.model import (
    MAX_SUBJECT,
    WAITS_AT_MOST,
    WaitingMail,
    greeting_name,
    one_line,
    retry_wait,
)
from notification.ports import (
    MailQueues,
    MailRejected,
    Orders,
    SendInProgress,
    WaitingMails,
)
from notification.sending import Draft, Mailer
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.contracts import Envelope, Event, Metadata
from supermarket.errors import RetryLater

UNREACHABLE = "SES has not accepted the mail for a day"


@dataclass(frozen=True)
class NotificationService:
    """Sends the mail that `MAILS` defines for an event. A mail that cannot be sent now is stored
    with the time at which it is due; its event then passes its queue again.
    """

    mailer: Mailer
    waiting: WaitingMails
    orders: Orders
    payment_reminder_after: timedelta
    clock: Clock

    def send_mail(self, event: Event, metadata: Metadata) -> None:
        """Send the mail of `event` once, however often the event is delivered. Raises MailRejected
        when it cannot be sent for good.
        """
        template = MAILS[type(event)]
        if not template.applies(event):
            return
        if template.if_unpaid:
            due = metadata.occurred_at + self.payment_reminder_after
            if self.clock() < due:
                self._wait(event, metadata, due)
                return
            if not self.orders.can_be_paid(event.order_id, event.customer.user_id):  # type: ignore[attr-defined] # the events with an order
                return
        try:
            self.mailer.send(_draft(event, metadata))
        except SendInProgress:
            raise  # the queue repeats the event in a few seconds
        except RetryLater as early:
            now = self.clock()
            if early.wait is None and now - metadata.occurred_at >= WAITS_AT_MOST:
                raise MailRejected(f"{UNREACHABLE}: {early}") from early
            telemetry.logger.warning("mail postponed", extra={"reason": str(early)})
            self._wait(event, metadata, now + (early.wait or retry_wait(metadata.occurred_at, now)))

    def _wait(self, event: Event, metadata: Metadata, due: datetime) -> None:
        envelope = Envelope(metadata=metadata, data=event.model_dump(mode="json"))
        body = json.dumps({"detail-type": event.NAME, "detail": envelope.model_dump(mode="json")})
        mail_class = MAILS[type(event)].mail_class
        self.waiting.add(WaitingMail(metadata.event_id, mail_class, due, body))


@dataclass(frozen=True)
class DueMails:
    """Sends the events of waiting mails to their queues when they are due.

    A crash between sending and removing sends an event again, which sends no second mail.
    """

    waiting: WaitingMails
    queues: MailQueues

    def requeue(self, until: datetime, has_time: Callable[[], bool]) -> Counter[str]:
        """Send what is due at `until`; returns how many were sent, failed, or were left."""
        outcomes = Counter(requeued=0, failed=0, unfinished=0)
        for page in self.waiting.list_due(until):
            if not has_time():
                outcomes["unfinished"] = 1
                break
            sent = self._send(page)
            self.waiting.remove(sent)
            outcomes.update(requeued=len(sent), failed=len(page) - len(sent))
        return outcomes

    def overdue(self, now: datetime) -> timedelta:
        """Return for how long the oldest waiting mail has been due."""
        return max(now - (self.waiting.find_oldest() or now), timedelta())

    def _send(self, page: Sequence[WaitingMail]) -> list[WaitingMail]:
        by_class: dict[str, list[WaitingMail]] = {}
        for mail in page:
            by_class.setdefault(mail.mail_class, []).append(mail)
        return [mail for mails in by_class.values() for mail in self.queues.send(mails)]


def _draft(event: Event, metadata: Metadata) -> Draft:
    template = MAILS[type(event)]
    recipient, shown = template.recipient(event), template.prepare(event)
    return Draft(
        id=f"{metadata.event_id}.{template.kind}",
        kind=template.kind,
        mail_class=template.mail_class,
        recipient=recipient,
        subject=one_line(template.subject(shown), MAX_SUBJECT),
        correlation_id=metadata.correlation_id,
        facts={
            "event": shown,
            "name": greeting_name(recipient),
            "correlation_id": metadata.correlation_id,
        },
        link=template.link,
        needs_link=template.needs_link,
    )
