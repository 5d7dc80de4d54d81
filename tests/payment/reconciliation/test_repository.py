"""Checkpoints and drift in DynamoDB and in memory, with the same tests."""

from dataclasses import replace
from datetime import timedelta

import pytest

from conftest import NOON, FrozenClock
from payment.reconciliation.model import Checkpoint, Phase
from payment.reconciliation.repository import DynamoDriftStore
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.retry import StaleWrite
from support.reconciliation import OPENED_AT, InMemoryDriftStore, ReconciledShop


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> InMemoryDriftStore | DynamoDriftStore:
    if request.param == "memory":
        return InMemoryDriftStore()
    request.getfixturevalue("aws")
    return DynamoDriftStore()


def test_a_checkpoint_is_stored_completely(store: InMemoryDriftStore | DynamoDriftStore) -> None:
    assert store.find_checkpoint("x") is None
    first = Checkpoint("x", OPENED_AT, OPENED_AT - timedelta(minutes=1), NOON)
    store.save_checkpoint(first)
    assert store.find_checkpoint("x") == first
    moved = first.moved("100", found=3)
    store.save_checkpoint(moved)
    assert store.find_checkpoint("x") == moved
    assert (moved.phase, moved.moved("").phase) == (Phase.ATTEMPTS, Phase.REFUNDS)
    assert (moved.found, moved.moved("", found=2).found) == (3, 5)


def test_a_stale_checkpoint_is_rejected(store: InMemoryDriftStore | DynamoDriftStore) -> None:
    first = Checkpoint("x", OPENED_AT, OPENED_AT, NOON)
    store.save_checkpoint(first)
    with pytest.raises(StaleWrite):
        store.save_checkpoint(first)
    store.save_checkpoint(first.moved("100"))
    with pytest.raises(StaleWrite):
        store.save_checkpoint(first.moved("200"))
    assert store.find_checkpoint("x") == first.moved("100")


@pytest.mark.usefixtures("aws")
def test_drift_is_stored_once_in_dynamodb(clock: FrozenClock) -> None:
    shop = ReconciledShop(clock)
    shop.add_payment(NOON - timedelta(minutes=2))
    shop.records.orders.clear()
    shop.reconciliation = replace(
        shop.reconciliation, store=DynamoDriftStore(), begin=DynamoTransaction
    )
    for _ in range(2):
        report = shop.run()
        assert (report.is_finished, report.counts["drift"]) == (True, 1)
        clock.advance(timedelta(minutes=1))
    assert [row.detail_type for row in OutboxRow.scan()] == ["PaymentDriftFound"]
