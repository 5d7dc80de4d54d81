"""Each event is told of once, to the right person."""

import pytest

from notification.letters import TemplateLetters
from notification.service import NotificationService
from support.notification import (
    CORRELATION_ID,
    InMemoryOnce,
    Mailbag,
    metadata,
    order_placed,
    payment_completed,
)


@pytest.fixture
def bag() -> Mailbag:
    return Mailbag()


@pytest.fixture
def service(bag: Mailbag) -> NotificationService:
    return NotificationService(TemplateLetters("https://shop.example"), bag, InMemoryOnce())


def test_a_mail_goes_to_the_person_it_is_about(service: NotificationService, bag: Mailbag) -> None:
    service.order_placed(order_placed(), metadata())
    (mail,) = bag.mails
    assert (mail.to, mail.correlation_id) == ("asha@example.com", CORRELATION_ID)
    assert mail.subject == "We have your order over ₹1,23,220.44"


def test_an_event_that_comes_again_sends_nothing(
    service: NotificationService, bag: Mailbag
) -> None:
    for _ in range(3):
        service.order_placed(order_placed(), metadata("event-1"))
    service.order_placed(order_placed(), metadata("event-2"))
    assert len(bag.mails) == 2


def test_two_mails_about_events_of_the_same_id_are_two(
    service: NotificationService, bag: Mailbag
) -> None:
    service.order_placed(order_placed(), metadata("event-1"))
    service.payment_completed(payment_completed(), metadata("event-1"))
    assert len(bag.mails) == 2


def test_a_mail_that_was_not_taken_is_sent_when_the_event_comes_again(
    service: NotificationService, bag: Mailbag
) -> None:
    bag.is_out_of_order = True
    with pytest.raises(ConnectionError):
        service.order_placed(order_placed(), metadata())
    bag.is_out_of_order = False
    service.order_placed(order_placed(), metadata())
    assert len(bag.mails) == 1
