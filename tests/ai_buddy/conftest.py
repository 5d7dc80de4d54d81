"""The socket's Lambdas, ready to be spoken to."""

import pytest

from support.sockets import Sockets


@pytest.fixture
def sockets(aws: None, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    return Sockets(monkeypatch)
