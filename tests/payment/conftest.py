"""Payment's services over fakes or over moto, and the Razorpay simulator on a real server."""

from collections.abc import Iterator

import pytest

from payment import wiring
from support.payment import FakeOrders, FakeRazorpay

CACHED = (wiring.payment_service, wiring.razorpay_client, wiring.razorpay_session, wiring.webhooks)


@pytest.fixture(autouse=True)
def fresh_wiring() -> Iterator[None]:
    """No service or client outlives the cloud that it was made for."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for factory in CACHED:
        factory.cache_clear()


@pytest.fixture
def orders() -> FakeOrders:
    return FakeOrders()


@pytest.fixture
def razorpay() -> FakeRazorpay:
    return FakeRazorpay()
