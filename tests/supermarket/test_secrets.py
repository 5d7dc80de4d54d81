"""Secrets by name, for Lambdas and for commands that have only the stage."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ReadTimeoutError

from supermarket import secrets
from supermarket.config import settings
from supermarket.secrets import (
    FIRST_RETRY_AFTER_SECONDS,
    REMEMBERED_FOR_SECONDS,
    RETRY_AFTER_SECONDS,
    secret,
)
from support.cloud import RAZORPAY_KEYS
from support.template import template


@pytest.mark.usefixtures("aws")
def test_a_command_finds_its_secrets_with_the_stage_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("STOREFRONT_URL")
    settings.cache_clear()
    try:
        assert secret("razorpay") == RAZORPAY_KEYS
    finally:
        settings.cache_clear()


class Store:
    """Secrets Manager, which may be down."""

    def __init__(self) -> None:
        self.value = "first"
        self.is_down = False
        self.calls = 0

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        self.calls += 1
        if self.is_down:
            raise ReadTimeoutError(endpoint_url="https://secrets.example")
        return {"SecretString": f'{{"id": "{SecretId}", "key": "{self.value}"}}'}


@dataclass
class Time:
    seconds: float = 1000.0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr("supermarket.secrets.time.monotonic", lambda: time.seconds)
    return time


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, time: Time) -> Iterator[Store]:
    store = Store()
    monkeypatch.setattr(secrets, "client", lambda: store)
    secrets._remembered.clear()
    yield store
    secrets._remembered.clear()


def key() -> str:
    return secret("cursor-keys")["key"]


def test_a_secret_is_fetched_every_five_minutes(store: Store, time: Time) -> None:
    assert [key(), key()] == ["first", "first"]
    store.value = "rotated"
    time.seconds += REMEMBERED_FOR_SECONDS - 1
    assert key() == "first"
    time.seconds += 1
    assert key() == "rotated"
    assert store.calls == 2


def test_the_last_value_is_used_while_the_store_is_down(store: Store, time: Time) -> None:
    assert key() == "first"
    store.is_down = True
    for _ in range(100):
        time.seconds += REMEMBERED_FOR_SECONDS
        assert key() == "first"
    store.is_down, store.value = False, "rotated"
    time.seconds += RETRY_AFTER_SECONDS
    assert key() == "rotated"


def test_an_outage_of_the_store_delays_few_requests(store: Store, time: Time) -> None:
    store.is_down = True
    for _ in range(600):  # a minute with ten requests a second
        with pytest.raises(ReadTimeoutError):
            key()
        time.seconds += 0.1
    assert 19 <= store.calls <= 21
    store.is_down, store.calls = False, 0
    time.seconds += FIRST_RETRY_AFTER_SECONDS
    assert key() == "first"
    store.is_down = True
    time.seconds += REMEMBERED_FOR_SECONDS
    for _ in range(600):
        assert key() == "first"
        time.seconds += 0.1
    assert store.calls == 1 + 2


def test_the_store_gets_less_time_than_a_request_has() -> None:
    config = secrets.client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    globals_ = template()["Globals"]["Function"]
    per_attempt = config.connect_timeout + config.read_timeout
    assert config.retries["total_max_attempts"] * per_attempt < globals_["Timeout"]
