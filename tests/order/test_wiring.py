"""The composition root of orders."""

import pytest

from order import wiring
from supermarket.clock import new_id
from supermarket.config import ConfigurationError, Settings
from supermarket.errors import NotFound


def no_settings() -> Settings:
    raise ConfigurationError("A command outside of Lambda has none")


@pytest.mark.usefixtures("aws")
def test_a_command_without_settings_can_confirm_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("order", "auth", "product"):
        monkeypatch.setattr(f"{module}.wiring.settings", no_settings)
    with pytest.raises(NotFound):
        wiring.order_service.__wrapped__().confirm_if_pending(new_id())
