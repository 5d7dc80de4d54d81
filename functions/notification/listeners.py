"""The events that are mailed: those of `MAILS`."""

from notification import wiring
from notification.mails import MAILS
from supermarket.contracts import Event, Metadata
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

event_handlers = EventHandlers("notification")


def send_mail(event: Event, metadata: Metadata) -> None:
    wiring.notification_service().send_mail(event, metadata)


for kind in MAILS:
    event_handlers.on(kind)(send_mail)


prepare(__name__)
