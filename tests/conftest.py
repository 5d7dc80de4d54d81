"""Fixtures for every test; the environment is set before anything of the platform is imported."""

import gc
import os

os.environ.update(
    STAGE="test",
    AWS_REGION="ap-south-1",
    AWS_DEFAULT_REGION="ap-south-1",
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_LAMBDA_FUNCTION_NAME="tests",
    LAMBDA_TASK_ROOT="tests",
    STOREFRONT_URL="https://shop.example",
    ALLOWED_ORIGINS="https://shop.example",
    MAIL_SENDER="shop@supermarket.example",
    RAZORPAY_BASE_URL="http://127.0.0.1:9/razorpay",
    IMAGEKIT_BASE_URL="http://127.0.0.1:9/imagekit",
    IMAGEKIT_URL_ENDPOINT="http://127.0.0.1:9/imagekit",
    BCRYPT_ROUNDS="4",
    TIME_ZONE="Asia/Kolkata",
    RESERVATION_MINUTES="15",
    OPEN_ORDERS_PER_PERSON="3",
    RESERVED_PIECES_PER_PERSON="200",
    OPEN_ORDERS_UNVERIFIED="3",
    RESERVED_PIECES_UNVERIFIED="100",
    GUESSES_PER_ACCOUNT_AND_CLIENT="10",
    GUESSES_PER_ACCOUNT="50",
    GUESSES_PER_CLIENT="10000",
    MAIL_LINKS_PER_CLIENT="10000",
    REGISTRATIONS_PER_CLIENT="10000",
    SELLERS_NEED_APPROVAL="false",
    ADMINS_NEED_SECOND_FACTOR="false",
    PRODUCTS_PER_PERSON="10000",
    PRODUCTS_PER_CLIENT="10000",
    ORDERS_PER_PERSON="10000",
    ORDERS_PER_CLIENT="10000",
    PAYMENTS_PER_PERSON="10000",
    PAYMENTS_PER_CLIENT="10000",
    TICKETS_PER_PERSON="10000",
    TICKETS_PER_CLIENT="10000",
    EXPIRY_LONGEST_LAG_SECONDS="60",
    ORDER_QUEUE="OrderQueue",
    LARGEST_PAYMENT_PAISE="50000000",
    LARGEST_PAYMENT_CENTS="600000",
    TAX_PERCENT="0",
    SHIPPING_FEE_PAISE="0",
    SHIPPING_FEE_CENTS="0",
    CONNECTIONS_URL="http://127.0.0.1:9/connections",
    AI_MESSAGES_PER_MINUTE="20",
    AI_TOKENS_PER_DAY="100000",
    AI_CONNECTIONS_PER_USER="5",
    AI_TOOL_CALLS="8",
    GEMINI_BASE_URL="http://127.0.0.1:9/gemini",
    GEMINI_MODEL="gemini-3.5-flash",
    GEMINI_TEMPERATURE="1",
    GEMINI_THINKING="low",
    GEMINI_TIMEOUT_SECONDS="5",
    GEMINI_RETRIES="1",
    RAZORPAY_CALLS_PER_SECOND="1000",
    MAILS_PER_SECOND="100",
    SECURITY_MAILS_PER_HOUR="50",
    ORDER_MAILS_PER_HOUR="50",
    BULK_MAILS_PER_HOUR="50",
    PAYMENT_REMINDER_MINUTES="5",
    SELLER_DIGEST_MINUTES="60",
    POWERTOOLS_SERVICE_NAME="supermarket",
)
os.environ.pop("AWS_ENDPOINT_URL", None)

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings as hypothesis_settings

from support.cloud import aws_in_memory

pytest_plugins = ["support.local_cloud", "support.serving"]

hypothesis_settings.register_profile("project", deadline=None)
hypothesis_settings.load_profile("project")

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FrozenClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


def pytest_collection_finish() -> None:
    """Exclude what is imported from garbage collections, and make them seldom: they take a tenth
    of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def aws() -> Iterator[None]:
    """AWS in memory, with the template's own tables and secrets (moto: one thread at a time)."""
    with aws_in_memory():
        yield
