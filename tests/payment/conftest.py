"""Fixtures of payment: fakes of Razorpay and of orders, and services made for each test."""

from collections.abc import Iterator

import pytest

from payment import wiring
from support.payment import FakeOrders, FakeRazorpay

CACHED = (
    *(wiring.payment_service, wiring.background_service, wiring.webhooks),
    *(wiring.razorpay_client, wiring.razorpay_session, wiring.settlements),
    *(wiring.reconciliation, wiring.refund_driver, wiring.settlement_sync),
)


@pytest.fixture(autouse=True)
def fresh_wiring() -> Iterator[None]:
    """Make new services and clients, since each test has a cloud of its own."""
    _clear_caches()
    yield
    _clear_caches()


def _clear_caches() -> None:
    for factory in CACHED:
        factory.cache_clear()


@pytest.fixture
def orders() -> FakeOrders:
    return FakeOrders()


@pytest.fixture
def razorpay() -> FakeRazorpay:
    return FakeRazorpay()
