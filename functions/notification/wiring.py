"""Composition root of notification."""

from functools import cache
from typing import TYPE_CHECKING, Any

from notification.inbox import InboxService
from notification.repository import DynamoAllowance, DynamoMessages, DynamoSuppressions
from notification.suppression import FeedbackService
from supermarket.clock import utc_now
from supermarket.config import settings

if TYPE_CHECKING:
    from notification.gateways import SesSuppressions
    from notification.service import NotificationService


@cache
def notification_service() -> "NotificationService":
    # templates, SES and auth are for the listener alone: an inbox opens without them
    from notification.gateways import SesPost, StorefrontLinks
    from notification.letters import TemplateLetters
    from notification.sending import Sender
    from notification.service import NotificationService

    known = settings()
    sender = Sender(
        letters=TemplateLetters(known.storefront_url),
        post=SesPost(_ses(), known.mail_sender, f"supermarket-{known.stage}"),
        messages=DynamoMessages(utc_now),
        allowance=DynamoAllowance(utc_now, known.mails_per_recipient_per_hour),
        suppressions=DynamoSuppressions(),
        clock=utc_now,
    )
    return NotificationService(sender, StorefrontLinks(_link_minter, known.storefront_url))


@cache
def inbox() -> InboxService:
    return InboxService(DynamoMessages(utc_now), utc_now)


@cache
def feedback() -> FeedbackService:
    return FeedbackService(DynamoSuppressions(), utc_now)


def suppressions() -> tuple["SesSuppressions", DynamoSuppressions]:
    """Only for commands: both lists, since each keeps mails away by itself."""
    from notification.gateways import SesSuppressions

    return SesSuppressions(_ses()), DynamoSuppressions()


def _link_minter() -> Any:
    from auth.wiring import token_links

    return token_links()


def _ses() -> Any:
    from botocore.config import Config

    from supermarket import aws

    # Asked once: SES may have taken a mail that it does not answer for, so another try is left to
    # the queue. It ends within the time that the listener keeps for one event.
    patience = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
    return aws.client("sesv2", patience)
