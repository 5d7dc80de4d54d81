"""Composition root of notification."""

from functools import cache
from typing import TYPE_CHECKING, Any

from notification.inbox import InboxService
from notification.repository import DynamoMessages, DynamoRateLimit, DynamoSuppressions
from notification.suppression import FeedbackService
from supermarket.clock import utc_now
from supermarket.config import settings

if TYPE_CHECKING:
    from notification.gateways import SesSuppressions
    from notification.service import NotificationService


@cache
def notification_service() -> "NotificationService":
    # imported here: only the listener needs templates, SES and auth
    from notification.gateways import SesMailSender, StorefrontLinks
    from notification.renderer import JinjaRenderer
    from notification.service import NotificationService

    known = settings()
    return NotificationService(
        renderer=JinjaRenderer(known.storefront_url),
        sender=SesMailSender(_ses(), known.mail_sender, f"supermarket-{known.stage}"),
        messages=DynamoMessages(utc_now),
        rate_limit=DynamoRateLimit(utc_now, known.mails_per_recipient_per_hour),
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


def _create_token(purpose: str, user_id: str) -> str | None:
    from auth.model import Purpose
    from auth.wiring import token_links

    return token_links().create(Purpose(purpose), user_id)


def _ses() -> Any:
    from botocore.config import Config

    from supermarket import aws

    # one attempt: SES may have sent a mail without answering, so the queue retries; the timeouts
    # fit into the time that the listener keeps for one event
    config = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
    return aws.client("sesv2", config)
