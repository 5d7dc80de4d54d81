"""Fixtures of reconciliation."""

import pytest

from conftest import FrozenClock
from support.reconciliation import ReconciledShop


@pytest.fixture
def shop(clock: FrozenClock) -> ReconciledShop:
    return ReconciledShop(clock)
