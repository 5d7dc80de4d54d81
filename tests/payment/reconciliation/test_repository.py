"""Checkpoints and drift in DynamoDB and in memory, with the same tests."""

from dataclasses import replace

import pytest

from conftest import NOON, FrozenClock
from payment.reconciliation.model import PAGE, Agenda, Checkpoint, Phase, Window
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
    return DynamoDriftStore(FrozenClock())


def test_a_checkpoint_is_stored_completely(store: InMemoryDriftStore | DynamoDriftStore) -> None:
    assert store.find_checkpoint("x") is None
    first = Checkpoint("x", 1, Phase.REFUNDS, 100, 1, 2, 3, 4, version=1, sums={"setl_1": -5})
    store.save_checkpoint(first)
    assert store.find_checkpoint("x") == first
    moved = replace(first.moved(PAGE), version=2)
    store.save_checkpoint(moved)
    assert store.find_checkpoint("x") == moved


def test_a_stale_checkpoint_is_rejected(store: InMemoryDriftStore | DynamoDriftStore) -> None:
    first = Checkpoint("x", version=1)
    store.save_checkpoint(first)
    with pytest.raises(StaleWrite):
        store.save_checkpoint(first)
    second = replace(first.moved(PAGE), version=2)
    store.save_checkpoint(second)
    with pytest.raises(StaleWrite):
        store.save_checkpoint(replace(second, position=200))
    assert store.find_checkpoint("x") == second


def test_an_agenda_is_stored_completely_and_a_stale_one_is_rejected(
    store: InMemoryDriftStore | DynamoDriftStore,
) -> None:
    assert store.find_agenda("x") is None
    windows = (Window(OPENED_AT, NOON), Window(OPENED_AT, NOON, compared=2))
    first = Agenda("x", NOON, windows, plan=3, found=4)
    store.save_agenda(first)
    assert store.find_agenda("x") == first
    with pytest.raises(StaleWrite):
        store.save_agenda(first)
    second = replace(first, windows=(), version=2)
    store.save_agenda(second)
    assert store.find_agenda("x") == second
    with pytest.raises(StaleWrite):
        store.save_agenda(replace(first, version=2))


@pytest.mark.usefixtures("aws")
def test_drift_is_stored_once_in_dynamodb(clock: FrozenClock) -> None:
    shop = ReconciledShop(clock)
    shop.add_payment()
    shop.records.orders.clear()
    shop.reconciliation = replace(
        shop.reconciliation, store=DynamoDriftStore(clock), begin=DynamoTransaction
    )
    for _ in range(2):
        report = shop.reconciliation.reconcile(OPENED_AT, NOON, lambda: True)
        assert (report.is_finished, report.counts["drift"]) == (True, 1)
    assert [row.detail_type for row in OutboxRow.scan()] == ["PaymentDriftFound"]
