"""Composition root of notification."""

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from notification.inbox import InboxService
from notification.repository import (
    DynamoAllowances,
    DynamoDigests,
    DynamoMessages,
    DynamoSendingRate,
    DynamoSuppressions,
    DynamoWaitingMails,
)
from notification.suppression import FeedbackService
from supermarket.clock import utc_now
from supermarket.config import settings

if TYPE_CHECKING:
    from notification.digests import DigestService
    from notification.gateways import SesSuppressions
    from notification.sending import Mailer
    from notification.service import DueMails, NotificationService
    from order.service import OrderService


@cache
def notification_service() -> "NotificationService":
    # imported here: only the listeners need templates, SES and auth
    from notification.gateways import ShopOrders
    from notification.service import NotificationService

    return NotificationService(
        mailer=_mailer(),
        waiting=DynamoWaitingMails(),
        orders=ShopOrders(_order_service),
        payment_reminder_after=timedelta(minutes=settings().payment_reminder_minutes),
        clock=utc_now,
    )


@cache
def digest_service() -> "DigestService":
    from notification.digests import DigestService

    period = timedelta(minutes=settings().seller_digest_minutes)
    return DigestService(_mailer(), DynamoDigests(), period, utc_now)


@cache
def due_mails() -> "DueMails":
    from notification.gateways import SqsMailQueues
    from notification.service import DueMails
    from supermarket import aws

    return DueMails(DynamoWaitingMails(), SqsMailQueues(aws.client("sqs")))


@cache
def _mailer() -> "Mailer":
    from notification.gateways import SesMailSender, StorefrontLinks
    from notification.model import MailClass
    from notification.renderer import JinjaRenderer
    from notification.sending import Mailer

    known = settings()
    mails_per_hour = {
        MailClass.SECURITY: known.security_mails_per_hour,
        MailClass.ORDER: known.order_mails_per_hour,
        MailClass.BULK: known.bulk_mails_per_hour,
    }
    return Mailer(
        renderer=JinjaRenderer(known.storefront_url),
        sender=SesMailSender(_ses(), known.mail_sender, f"supermarket-{known.stage}"),
        messages=DynamoMessages(utc_now),
        allowances=DynamoAllowances(utc_now, mails_per_hour),
        rate=DynamoSendingRate(utc_now, known.mails_per_second),
        suppressions=DynamoSuppressions(),
        links=StorefrontLinks(_create_token, known.storefront_url),
        clock=utc_now,
    )


@cache
def inbox() -> InboxService:
    return InboxService(DynamoMessages(utc_now), utc_now)


@cache
def feedback() -> FeedbackService:
    return FeedbackService(DynamoSuppressions(), utc_now)


def suppressions() -> tuple["SesSuppressions", DynamoSuppressions]:
    """Return both suppression lists, for commands."""
    from notification.gateways import SesSuppressions

    return SesSuppressions(_ses()), DynamoSuppressions()


def _create_token(purpose: str, user_id: str, email: str) -> str | None:
    from auth.model import Purpose
    from auth.wiring import token_links

    return token_links().create(Purpose(purpose), user_id, email)


def _order_service() -> "OrderService":
    from order.wiring import order_service

    return order_service()


def _ses() -> Any:
    from botocore.config import Config

    from supermarket import aws

    # one attempt: SES may have sent a mail without answering, so the queue retries; the timeouts
    # fit into the time that the listener keeps for one event
    config = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
    return aws.client("sesv2", config)
