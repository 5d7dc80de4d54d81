"""The fixture for tests of the socket's Lambdas."""

import pytest

from support.sockets import Sockets


@pytest.fixture
def sockets(aws: None, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets(monkeypatch)
