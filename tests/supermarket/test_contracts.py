"""What all events have in common; each one's own schema is held by `tests/contracts`."""

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from supermarket.contracts import (
    EVENTS,
    Amount,
    Event,
    Metadata,
    OrderCancelled,
    OrderFacts,
    PaymentFacts,
    ProductFacts,
    UserRegistered,
)
from supermarket.money import Currency, Money
from supermarket.people import Recipient

ABSTRACT = {ProductFacts, OrderFacts, PaymentFacts}


def _all_events(base: type[Event] = Event) -> set[type[Event]]:
    return {
        event for child in base.__subclasses__() for event in ({child} | _all_events(child))
    } - ABSTRACT


def test_every_event_class_is_registered_under_its_name() -> None:
    kernel = {event for event in _all_events() if event.__module__ == Event.__module__}
    assert set(EVENTS.values()) == kernel
    assert all(name == event.__name__ for name, event in EVENTS.items())


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_event_has_a_source_a_version_and_a_subject(event: type[Event]) -> None:
    assert event.SOURCE.startswith("supermarket.")
    assert event.VERSION >= 1
    assert event.__doc__
    assert next(iter(event.model_fields)).endswith("_id")


def test_an_event_is_serialised_in_camel_case_and_read_back_unchanged() -> None:
    event = UserRegistered(
        user_id="u1",
        username="asha",
        email="asha@example.com",
        first_name="Asha",
        last_name="Rao",
        role="user",
    )
    sent = json.loads(event.model_dump_json())
    assert sent["userId"] == "u1"
    assert sent["firstName"] == "Asha"
    assert UserRegistered.model_validate(sent) == event


def test_an_event_cannot_be_changed() -> None:
    amount = Amount(minor=1, currency=Currency.INR)
    recipient = Recipient("u1", "asha@example.com", "Asha")
    with pytest.raises(ValidationError):
        amount.minor = 2  # type: ignore[misc] # the assignment under test
    with pytest.raises(FrozenInstanceError):
        recipient.email = "other@example.com"  # type: ignore[misc] # the assignment under test


def test_an_amount_is_serialised_as_an_integer_of_minor_units() -> None:
    money = Money(49950, Currency.INR)
    amount = Amount.of(money)
    assert json.loads(amount.model_dump_json()) == {"minor": 49950, "currency": "INR"}
    assert amount.money() == money
    with pytest.raises(ValidationError):
        Amount.model_validate({"minor": 499.5, "currency": "INR"})
    with pytest.raises(ValidationError):
        Amount.model_validate({"minor": 1, "currency": "EUR"})


def test_a_moment_is_serialised_in_utc_with_milliseconds() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 11, 22, 15, 0, 0, 7000, tzinfo=india)
    metadata = Metadata(event_id="e1", version=1, occurred_at=moment, correlation_id="r1")
    sent = json.loads(metadata.model_dump_json())
    assert sent["occurredAt"] == "2026-11-22T09:30:00.007Z"
    assert Metadata.model_validate(sent).occurred_at == moment.astimezone(UTC)


def test_an_order_event_needs_lines() -> None:
    with pytest.raises(ValidationError, match="lines"):
        OrderCancelled.model_validate({"orderId": "o1", "lines": []})
