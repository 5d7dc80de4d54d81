"""A mail is sent once, not to suppressed addresses, and within the limit per hour."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from conftest import NOON
from notification import wiring
from notification.gateways import SesMailSender
from notification.model import WAITS_AT_MOST, Mail, MailBody, retry_wait
from notification.ports import MailRejected, SendInProgress
from notification.renderer import JinjaRenderer
from supermarket.events import SPARE_MILLISECONDS
from support.notification import (
    CORRELATION_ID,
    Desk,
    cart_abandoned,
    email_verification_requested,
    metadata,
    order_confirmed,
    order_shipped,
    password_reset_requested,
    user_registered,
)

MAILS_PER_HOUR = 3


@pytest.fixture
def desk() -> Desk:
    return Desk(mails_per_hour=MAILS_PER_HOUR)


def test_a_mail_is_sent_to_its_recipient(desk: Desk) -> None:
    desk.service.send_mail(order_confirmed(), metadata())
    (mail,) = desk.bag.mails
    assert (mail.to, mail.correlation_id) == ("asha@example.com", CORRELATION_ID)
    assert mail.subject == "Your order over ₹1,23,220.44 is confirmed"


def test_a_sent_mail_is_in_its_recipients_inbox_only(desk: Desk) -> None:
    desk.service.send_mail(order_confirmed(), metadata())
    (message,) = desk.inbox
    (mail,) = desk.bag.mails
    assert (message.kind, message.subject, message.text, message.read) == (
        "order_confirmed",
        mail.subject,
        mail.body.text,
        False,
    )
    assert desk.messages.list_messages("u2", None, 10).messages == ()


def test_a_repeated_event_sends_nothing(desk: Desk) -> None:
    for _ in range(3):
        desk.service.send_mail(order_confirmed(), metadata("event-1"))
    desk.service.send_mail(order_confirmed(), metadata("event-2"))
    assert len(desk.bag.mails) == len(desk.inbox) == 2


def test_two_kinds_of_mail_with_one_event_id_are_two_mails(desk: Desk) -> None:
    desk.service.send_mail(order_confirmed(), metadata("event-1"))
    desk.service.send_mail(order_shipped(), metadata("event-1"))
    assert len(desk.bag.mails) == 2


def test_a_failed_mail_is_sent_when_the_event_is_repeated(desk: Desk) -> None:
    desk.bag.is_out_of_order = True
    with pytest.raises(ConnectionError):
        desk.service.send_mail(order_confirmed(), metadata())
    assert desk.inbox == ()
    desk.bag.is_out_of_order = False
    desk.wait_for_redelivery()
    desk.service.send_mail(order_confirmed(), metadata())
    assert len(desk.bag.mails) == len(desk.inbox) == 1


def test_a_claimed_mail_is_not_sent_by_another_invocation(desk: Desk) -> None:
    assert desk.messages.claim("event-1.order_confirmed")
    with pytest.raises(SendInProgress):
        desk.service.send_mail(order_confirmed(), metadata("event-1"))
    assert desk.bag.mails == []
    desk.wait_for_redelivery()  # longer than the claim of an invocation that ended
    desk.service.send_mail(order_confirmed(), metadata("event-1"))
    assert len(desk.bag.mails) == 1


def test_a_refused_mail_is_not_counted_as_sent(desk: Desk) -> None:
    desk.bag.refuses = True
    for _ in range(MAILS_PER_HOUR + 1):
        with pytest.raises(MailRejected):
            desk.service.send_mail(order_confirmed(), metadata())
        desk.wait_for_redelivery()
    assert desk.inbox == ()


def test_a_mail_over_the_limit_waits_for_the_next_hour(desk: Desk) -> None:
    desk.clock.advance(timedelta(minutes=45))
    for number in range(MAILS_PER_HOUR):
        desk.service.send_mail(order_confirmed(), metadata(f"event-{number}"))
    desk.service.send_mail(order_confirmed(), metadata("one-more"))
    [waiting] = desk.waiting.mails.values()
    assert waiting.due == desk.clock() + timedelta(minutes=15)
    assert len(desk.bag.mails) == len(desk.inbox) == MAILS_PER_HOUR
    desk.clock.advance(timedelta(minutes=15))
    desk.service.send_mail(order_confirmed(), metadata("one-more"))
    assert len(desk.bag.mails) == MAILS_PER_HOUR + 1


@pytest.mark.parametrize("flooded", [order_confirmed, cart_abandoned])
def test_no_other_mails_use_up_the_allowance_of_security(desk: Desk, flooded: Any) -> None:
    for number in range(MAILS_PER_HOUR + 5):
        desk.service.send_mail(flooded(), metadata(f"event-{number}"))
    assert len(desk.bag.mails) == MAILS_PER_HOUR
    desk.service.send_mail(password_reset_requested(), metadata("reset"))
    assert desk.bag.mails[-1].subject == "Choose a new password"


def test_password_resets_are_limited_and_waiting_ones_have_no_link(desk: Desk) -> None:
    for number in range(MAILS_PER_HOUR + 1):
        desk.service.send_mail(password_reset_requested(), metadata(f"event-{number}"))
    assert len(desk.links.minted) == MAILS_PER_HOUR
    [waiting] = desk.waiting.mails.values()
    assert "token" not in waiting.body


def test_a_mail_that_waited_for_a_day_is_rejected_instead_of_waiting_on(desk: Desk) -> None:
    desk.bag.is_throttled = True
    desk.service.send_mail(order_confirmed(), metadata())
    desk.clock.advance(WAITS_AT_MOST)
    with pytest.raises(MailRejected):
        desk.service.send_mail(order_confirmed(), metadata())


def test_a_throttled_mail_waits_as_long_again_as_it_has_waited() -> None:
    waits = [retry_wait(NOON, NOON + timedelta(minutes=age)) for age in (0, 1, 2, 30, 600)]
    assert [wait / timedelta(minutes=1) for wait in waits] == [1, 1, 2, 30, 60]


@given(st.lists(st.sampled_from(["1", "2", "3", "4", "5", "6"]), max_size=40), st.data())
def test_each_mail_is_sent_once_in_any_order_of_events(
    order: list[str], data: st.DataObject
) -> None:
    desk = Desk(mails_per_hour=MAILS_PER_HOUR)
    expected = {*order}
    for event_id in order:
        desk.bag.is_out_of_order = data.draw(st.booleans())
        desk.bag.is_throttled = data.draw(st.booleans())
        try:
            desk.service.send_mail(order_confirmed(), metadata(event_id))
        except (ConnectionError, SendInProgress):
            desk.wait_for_redelivery()
    desk.bag.is_out_of_order = desk.bag.is_throttled = False
    for event_id in expected:  # the queue repeats what was not handled
        desk.clock.advance(timedelta(hours=1))
        desk.service.send_mail(order_confirmed(), metadata(event_id))
    assert len(desk.bag.mails) == len(desk.inbox) == len(expected)


def test_a_suppressed_address_gets_no_mail_and_no_link_but_an_inbox_message(desk: Desk) -> None:
    desk.suppressions.add("ASHA@example.com", "bounce", desk.clock())
    desk.service.send_mail(order_confirmed(), metadata("event-1"))
    desk.service.send_mail(password_reset_requested(), metadata("event-2"))
    desk.service.send_mail(order_confirmed(), metadata("event-1"))
    assert desk.bag.mails == []
    assert desk.links.minted == []
    texts = {message.kind: message.text for message in desk.inbox}
    assert texts.keys() == {"order_confirmed", "password_reset"}
    assert "was not sent" in texts["password_reset"]


def test_a_secret_link_is_in_the_mail_only(desk: Desk) -> None:
    desk.service.send_mail(user_registered(), metadata("event-1"))
    desk.service.send_mail(email_verification_requested(), metadata("event-2"))
    desk.service.send_mail(password_reset_requested(), metadata("event-3"))
    for mail, link in zip(desk.bag.mails, desk.links.minted, strict=True):
        assert link in mail.body.text
        assert link in mail.body.html
        assert "secret" not in repr(mail)
    assert len(desk.inbox) == 3
    texts = [one.text for one in desk.inbox if one.kind != "welcome"]
    assert all("The link is in the mail itself." in text for text in texts)
    assert "secret" not in repr(desk.inbox)
    assert "token" not in repr(desk.inbox)


def test_a_mail_without_its_required_link_is_not_sent(desk: Desk) -> None:
    desk.links.are_needed = False
    for _ in range(2):
        desk.service.send_mail(email_verification_requested(), metadata("event-1"))
        desk.service.send_mail(password_reset_requested(), metadata("event-2"))
    assert desk.bag.mails == []
    assert desk.inbox == ()


def test_the_welcome_mail_is_sent_with_or_without_a_link(desk: Desk) -> None:
    desk.links.are_needed = False
    desk.service.send_mail(user_registered(), metadata())
    assert "token" not in desk.bag.mails[0].body.html


def test_a_retried_mail_has_a_new_link(desk: Desk) -> None:
    desk.bag.is_out_of_order = True
    with pytest.raises(ConnectionError):
        desk.service.send_mail(password_reset_requested(), metadata())
    desk.bag.is_out_of_order = False
    desk.wait_for_redelivery()
    desk.service.send_mail(password_reset_requested(), metadata())
    (mail,) = desk.bag.mails
    assert desk.links.minted[-1] in mail.body.text


@pytest.mark.usefixtures("aws")
def test_ses_is_called_once_per_attempt() -> None:
    client = wiring._ses()
    requested: list[str] = []

    def time_out(request: AWSPreparedRequest, **_: Any) -> None:
        requested.append(request.url)
        raise ReadTimeoutError(endpoint_url=request.url)

    client.meta.events.register("before-send.sesv2.SendEmail", time_out)
    mail = Mail("asha@example.com", "Tea", MailBody("<p>Tea</p>", "Tea"), CORRELATION_ID)
    with pytest.raises(ReadTimeoutError):
        SesMailSender(client, "shop@supermarket.example", "supermarket-test").send(mail)
    assert len(requested) == 1
    timeout = client.meta.config.connect_timeout + client.meta.config.read_timeout
    assert timeout * 1000 < SPARE_MILLISECONDS


def test_no_mail_is_sent_whose_inbox_message_is_invalid() -> None:
    class OnlyWithALink(JinjaRenderer):
        def render(self, kind: str, facts: Mapping[str, Any]) -> MailBody:
            if facts["link"] is None:
                raise UndefinedError("link")
            return super().render(kind, facts)

    desk = Desk(renderer=OnlyWithALink("https://shop.example"))
    with pytest.raises(UndefinedError):
        desk.service.send_mail(password_reset_requested(), metadata())
    assert desk.bag.mails == []
