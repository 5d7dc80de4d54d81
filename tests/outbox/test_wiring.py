"""The probes of readiness as they are wired."""

from collections.abc import Callable, Iterator

import pytest

from outbox import gateways, wiring
from supermarket.config import settings


@pytest.fixture(autouse=True)
def _fresh_wiring() -> Iterator[None]:
    wiring.readiness.cache_clear()
    settings.cache_clear()
    yield
    wiring.readiness.cache_clear()
    settings.cache_clear()


def test_imagekit_is_probed_at_its_own_address_when_none_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probed: list[str] = []

    def web_probe(address: str) -> Callable[[], None]:
        probed.append(address)
        return lambda: None

    monkeypatch.setenv("IMAGEKIT_BASE_URL", "")
    monkeypatch.setattr(gateways, "web_probe", web_probe)
    wiring.readiness()
    assert probed[-1].startswith("https://")
