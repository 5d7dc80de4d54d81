"""Run the commands in this process on the stage of the tests, with AWS in memory."""

from collections.abc import Iterator

import pytest

from ops import aws, cli
from support.ops import TEST_STAGE


@pytest.fixture(autouse=True)
def _stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_stage", lambda *_: TEST_STAGE)


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    aws.client.cache_clear()
    yield
    aws.client.cache_clear()
