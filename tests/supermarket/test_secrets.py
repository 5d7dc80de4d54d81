"""Secrets by name, for Lambdas and for commands that have only the stage."""

import pytest

from supermarket.config import settings
from supermarket.secrets import secret
from support.cloud import RAZORPAY_KEYS


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
