"""The events that are mailed: each class of mails has a consumer with its own queue and Lambda."""

from notification import wiring
from notification.mails import events_of
from notification.model import MailClass
from supermarket.contracts import Event, Metadata, ProductCreated, StockRanLow
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

# one mail may wait for its turn (4 s) before SES is called (4 s)
MAIL_MILLISECONDS = 9_000


def send_mail(event: Event, metadata: Metadata) -> None:
    wiring.notification_service().send_mail(event, metadata)


def _consumer_of(mail_class: MailClass) -> EventHandlers:
    consumer = EventHandlers(f"{mail_class}_mails", MAIL_MILLISECONDS)
    for event in events_of(mail_class):
        consumer.on(event)(send_mail)
    return consumer


security_mails = _consumer_of(MailClass.SECURITY)
order_mails = _consumer_of(MailClass.ORDER)
bulk_mails = _consumer_of(MailClass.BULK)


def add_to_digest(event: ProductCreated | StockRanLow, metadata: Metadata) -> None:
    wiring.digest_service().add(event, metadata)


bulk_mails.on(ProductCreated)(add_to_digest)
bulk_mails.on(StockRanLow)(add_to_digest)


prepare(__name__)
