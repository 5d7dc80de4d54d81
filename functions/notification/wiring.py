"""Composition root of notification."""

from functools import cache
from typing import Any, cast

import botocore.session
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from botocore.config import Config

from notification.gateways import PowertoolsOnce, SesPost
from notification.letters import TemplateLetters
from notification.service import NotificationService
from supermarket.config import settings, table_name
from supermarket.dynamo.rows import database

# a mail that SES does not take in time is tried again by the queue
TIMEOUTS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 2})


@cache
def notification_service() -> NotificationService:
    # any botocore client does, whatever the annotation says; a second one would cost a cold start
    client = cast("Any", database().client)
    store = DynamoDBPersistenceLayer(
        table_name("idempotency"), expiry_attr="expiresAt", boto3_client=client
    )
    return NotificationService(
        letters=TemplateLetters(settings().storefront_url),
        post=SesPost(_ses(), settings().mail_sender),
        once=PowertoolsOnce(store),
    )


def _ses() -> Any:
    return botocore.session.get_session().create_client("sesv2", config=TIMEOUTS)
