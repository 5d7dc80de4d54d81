"""A bus in memory behind the wired relay, and rows in the outbox."""

import json
from collections.abc import Callable

import pytest

from outbox import wiring
from outbox.repository import DynamoOutbox
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from support.contracts import sample_event
from support.outbox import InMemoryBus, a_relay


@pytest.fixture
def bus(aws: None, monkeypatch: pytest.MonkeyPatch) -> InMemoryBus:
    """The bus that the wired relay sends to."""
    bus = InMemoryBus()
    relay = a_relay(bus, DynamoOutbox())
    monkeypatch.setattr(wiring, "outbox_relay", lambda: relay)
    return bus


@pytest.fixture
def emit(aws: None) -> Callable[[int], list[OutboxRow]]:
    """Writes events to the outbox as every use case does."""

    def emit(count: int) -> list[OutboxRow]:
        for _ in range(count):
            transaction = DynamoTransaction()
            transaction.emit(sample_event("ProductCreated"))
            transaction.commit()
        return list(OutboxRow.scan())

    return emit


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, list[float]]]:
    """Returns the last values of each metric by name."""

    def metrics() -> dict[str, list[float]]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {
            metric["Name"]: line[metric["Name"]]
            for line in lines
            if "_aws" in line
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        }

    return metrics
