"""Configuration: typed, read once, and validated."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from supermarket.config import (
    ConfigurationError,
    Settings,
    event_bus_name,
    log_group_name,
    settings,
    table_name,
)
from support.template import template


@pytest.fixture(autouse=True)
def _clear_settings() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_values_have_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAX_PERCENT", "12.5")
    monkeypatch.setenv("RESERVATION_MINUTES", "20")
    assert settings().tax_percent == Decimal("12.5")
    assert settings().reservation_minutes == 20


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings()
    monkeypatch.setenv("TAX_PERCENT", "99")
    assert settings() is before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STAGE", None),
        ("STAGE", ""),
        ("STAGE", "Prod"),
        ("STAGE", "a" * 21),
        ("STOREFRONT_URL", None),
        ("BCRYPT_ROUNDS", "3"),
        ("BCRYPT_ROUNDS", "many"),
        ("RESERVATION_MINUTES", "0"),
        ("TAX_PERCENT", "-1"),
        ("TAX_PERCENT", "101"),
        ("SHIPPING_FEE_PAISE", "1.5"),
        ("SHIPPING_FEE_CENTS", "-1"),
        ("RAZORPAY_CALLS_PER_SECOND", "0"),
        ("MAILS_PER_SECOND", "0"),
    ],
)
def test_the_error_names_a_missing_or_invalid_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        settings()


def test_one_error_names_all_invalid_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAIL_SENDER")
    monkeypatch.setenv("TAX_PERCENT", "much")
    with pytest.raises(ConfigurationError, match="MAIL_SENDER") as raised:
        settings()
    assert "TAX_PERCENT" in str(raised.value)


@pytest.mark.parametrize(
    ("listed", "origins"),
    [
        ("", set()),
        ("https://a.example", {"https://a.example"}),
        ("https://a.example, https://b.example,", {"https://a.example", "https://b.example"}),
    ],
)
def test_origins_are_a_comma_separated_list(
    monkeypatch: pytest.MonkeyPatch, listed: str, origins: set[str]
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", listed)
    assert settings().origins == origins


def test_names_derive_from_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "dev")
    assert table_name("order") == "supermarket-dev-order"
    assert event_bus_name() == "supermarket-dev"
    assert log_group_name() == "/supermarket/dev"


def test_the_template_sets_every_variable_for_all_functions() -> None:
    given = set(template()["Globals"]["Function"]["Environment"]["Variables"])
    assert {name.upper() for name in Settings.model_fields} <= given
