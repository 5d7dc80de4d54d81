"""Base classes of request bodies, queries and views: camelCase, strict, no unknown fields."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from supermarket.clock import iso
from supermarket.field_types import PLAIN_INTEGER, Day
from supermarket.money import Currency, Money

type Timestamp = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Body(BaseModel):
    """A JSON request body: exact types, no unknown fields, surrounding white space removed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        str_strip_whitespace=True,
    )


class Query(BaseModel):
    """A query string: text is converted, no unknown parameters."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", validate_by_name=True, frozen=True
    )


class Page(Query):
    """The paging parameters of every list."""

    limit: Annotated[int, Field(ge=1, le=100), PLAIN_INTEGER] = 20
    cursor: str | None = Field(default=None, max_length=2048)


class DayPage(Page):
    """A page of a list of days in UTC, both included: `?from=2026-11-01&to=2026-11-30`."""

    first: Day | None = Field(default=None, alias="from")
    last: Day | None = Field(default=None, alias="to")


class View(BaseModel):
    """What a client receives: an explicit copy of the model, never the model itself.
    `model_validate` copies attributes of the same names.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, frozen=True, from_attributes=True
    )


class Message(View):
    """A response that holds only a message."""

    message: str


class MoneyView(View):
    """`{"amount": 499.5, "currency": "INR"}`: a decimal with at most two places."""

    amount: Annotated[Decimal, PlainSerializer(float, return_type=float)]
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> Self:
        return cls(amount=money.amount, currency=money.currency)
