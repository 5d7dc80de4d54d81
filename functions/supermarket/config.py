"""Settings from the environment: typed, read on first use, with errors that name the variable."""

import os
from decimal import Decimal
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from supermarket.money import Currency


class ConfigurationError(RuntimeError):
    """A variable is missing or invalid; the message names it."""


class Settings(BaseModel):
    """All environment variables of the functions, which `template.yaml` sets in Globals."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, extra="ignore")

    stage: str = Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")
    allowed_origins: str = ""
    storefront_url: str
    time_zone: str
    mail_sender: str
    razorpay_base_url: str
    razorpay_calls_per_second: float = Field(gt=0)
    imagekit_base_url: str
    imagekit_url_endpoint: str
    bcrypt_rounds: int = Field(ge=4, le=16)
    reservation_minutes: int = Field(ge=1)
    open_orders_per_person: int = Field(ge=1)
    reserved_pieces_per_person: int = Field(ge=1)
    open_orders_unverified: int = Field(ge=1)
    reserved_pieces_unverified: int = Field(ge=1)
    guesses_per_account_and_client: int = Field(ge=0)
    guesses_per_account: int = Field(ge=0, le=200)
    guesses_per_client: int = Field(ge=0)
    mail_links_per_client: int = Field(ge=0)
    registrations_per_client: int = Field(ge=0)
    sellers_need_approval: bool
    admins_need_second_factor: bool
    products_per_person: int = Field(ge=0)
    products_per_client: int = Field(ge=0)
    orders_per_person: int = Field(ge=0)
    orders_per_client: int = Field(ge=0)
    payments_per_person: int = Field(ge=0)
    payments_per_client: int = Field(ge=0)
    tickets_per_person: int = Field(ge=0)
    tickets_per_client: int = Field(ge=0)
    expiry_longest_lag_seconds: int = Field(ge=1)
    largest_payment_paise: int = Field(ge=100)
    largest_payment_cents: int = Field(ge=100)
    tax_percent: Decimal = Field(ge=0, le=100)
    shipping_fee_paise: int = Field(ge=0)
    shipping_fee_cents: int = Field(ge=0)
    connections_url: str
    ai_messages_per_minute: int = Field(ge=1)
    ai_tokens_per_day: int = Field(ge=1)
    ai_connections_per_user: int = Field(ge=1)
    ai_tool_calls: int = Field(ge=1)
    gemini_base_url: str
    gemini_model: str
    gemini_temperature: float = Field(ge=0, le=2)
    gemini_thinking: Literal["", "minimal", "low", "medium", "high"]
    gemini_timeout_seconds: float = Field(gt=0)
    gemini_retries: int = Field(ge=0, le=5)
    mails_per_second: int = Field(ge=1)
    security_mails_per_hour: int = Field(ge=1)
    order_mails_per_hour: int = Field(ge=1)
    bulk_mails_per_hour: int = Field(ge=1)
    payment_reminder_minutes: int = Field(ge=1)
    seller_digest_minutes: int = Field(ge=1)

    @property
    def origins(self) -> frozenset[str]:
        """Origins that browsers may call from, besides the API's own."""
        return frozenset(filter(None, (part.strip() for part in self.allowed_origins.split(","))))

    @property
    def has_https(self) -> bool:
        """Whether the shop's own address is https, which the local cloud's is not."""
        return self.storefront_url.startswith("https://")

    @property
    def shipping_fees(self) -> dict[Currency, int]:
        """The fee of an order by currency, in minor units."""
        return {Currency.INR: self.shipping_fee_paise, Currency.USD: self.shipping_fee_cents}

    @property
    def largest_payments(self) -> dict[Currency, int]:
        """The largest payment that Razorpay takes by currency, in minor units."""
        return {Currency.INR: self.largest_payment_paise, Currency.USD: self.largest_payment_cents}

    @property
    def turn_worker(self) -> str:
        """The name of the Lambda that runs the assistant's turns."""
        return f"supermarket-{self.stage}-RunTurn"


@cache
def settings() -> Settings:
    """Return the settings, read once per process. Raises ConfigurationError."""
    try:
        return Settings.model_validate(dict(os.environ))
    except ValidationError as invalid:
        faults = ", ".join(f"{error['loc'][0]}: {error['msg']}" for error in invalid.errors())
        raise ConfigurationError(f"Invalid environment variables: {faults}") from None


def table_name(table: str) -> str:
    """Return `supermarket-<stage>-<table>`. Needs only the stage, which commands have."""
    return f"supermarket-{os.environ['STAGE']}-{table}"


def mail_queue_name(mail_class: str) -> str:
    """Return `supermarket-<stage>-<class>-mails`."""
    return f"supermarket-{os.environ['STAGE']}-{mail_class}-mails"


def event_bus_name() -> str:
    """Return `supermarket-<stage>`, which is also the name of the bus's archive."""
    return f"supermarket-{os.environ['STAGE']}"


def log_group_name() -> str:
    """Return `/supermarket/<stage>`, the log group of all functions of a stage."""
    return f"/supermarket/{os.environ['STAGE']}"


def order_queue_name() -> str:
    """Return the name of the queue of orders, which only the job that watches its age has."""
    return os.environ["ORDER_QUEUE"]


def secret_name(secret: str) -> str:
    """Return `supermarket/<stage>/<secret>`."""
    return f"supermarket/{os.environ['STAGE']}/{secret}"
