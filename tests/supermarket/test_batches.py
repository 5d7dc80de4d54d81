"""Batches of writes: everything is written, also when DynamoDB leaves some of it out."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from supermarket.dynamo import batches
from supermarket.dynamo.batches import MAX_WRITES, delete_many, put_many
from supermarket.dynamo.idempotency import IdempotencyRow
from supermarket.dynamo.rows import database
from supermarket.dynamo.writes import ATTEMPTS
from supermarket.errors import Unavailable
from support.sources import lambdas

pytestmark = pytest.mark.usefixtures("aws")

MANY = [f"key-{number:02}" for number in range(MAX_WRITES * 2 + 7)]


def a_row(key: str, result_id: str = "r") -> IdempotencyRow:
    return IdempotencyRow(key, fingerprint="f", result_id=result_id, expires_at=1)


def stored() -> set[str]:
    return {row.id for row in IdempotencyRow.scan()}


def failure(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class Throttled:
    """Processes `capacity` writes of a call, and rejects a call when nothing is processed."""

    def __init__(self, capacities: Iterator[int]) -> None:
        self.capacities = capacities
        self.calls = 0
        self._dispatch = database().dispatch

    def dispatch(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        [(table, writes)] = request["RequestItems"].items()
        capacity = next(self.capacities)
        if not capacity:
            raise failure("ProvisionedThroughputExceededException", operation)
        self._dispatch(operation, {"RequestItems": {table: writes[:capacity]}})
        left = writes[capacity:]
        return {"UnprocessedItems": {table: left} if left else {}}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    pauses: list[int] = []
    monkeypatch.setattr(batches, "wait", pauses.append)
    return pauses


def throttle(monkeypatch: pytest.MonkeyPatch, *capacities: int) -> Throttled:
    """Limit the calls to these capacities; the last one stays."""

    def each() -> Iterator[int]:
        yield from capacities
        while True:
            yield capacities[-1]

    throttled = Throttled(each())
    monkeypatch.setattr(batches, "database", lambda: throttled)
    return throttled


def test_many_rows_are_written_and_deleted() -> None:
    put_many(a_row(key) for key in MANY)
    assert stored() == set(MANY)
    delete_many(IdempotencyRow(key) for key in MANY[1:])
    assert stored() == {MANY[0]}


def test_a_row_may_be_given_twice_and_the_last_one_counts() -> None:
    put_many([a_row("k", "first"), a_row("k", "last")])
    assert [row.result_id for row in IdempotencyRow.scan()] == ["last"]
    delete_many([IdempotencyRow("k"), IdempotencyRow("k")])
    assert stored() == set()


def test_what_is_left_out_is_sent_again_after_growing_pauses(
    monkeypatch: pytest.MonkeyPatch, pauses: list[int]
) -> None:
    throttled = throttle(monkeypatch, 10, 0, 10)
    put_many(a_row(key) for key in MANY[:MAX_WRITES])
    assert stored() == set(MANY[:MAX_WRITES])
    assert (throttled.calls, pauses) == (4, [0, 1, 2])


def test_a_table_that_takes_nothing_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, pauses: list[int]
) -> None:
    throttled = throttle(monkeypatch, 0)
    with pytest.raises(Unavailable):
        delete_many([IdempotencyRow("k")])
    assert throttled.calls == len(pauses) == ATTEMPTS


def test_another_failure_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Denied:
        def dispatch(self, operation: str, _: object) -> None:
            raise failure("AccessDeniedException", operation)

    monkeypatch.setattr(batches, "database", Denied)
    with pytest.raises(ClientError):
        put_many([a_row("k")])


def test_no_module_uses_batches_that_do_not_pause() -> None:
    """PynamoDB's own repeat at once what DynamoDB leaves out, or give up."""
    own = {"batch_get", "batch_write"}
    called = {
        source.name: own & {call.rpartition(".")[2] for call in source.calls()}
        for source in lambdas()
    }
    assert not {name: calls for name, calls in called.items() if calls}


def test_nothing_is_written_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "database", lambda: pytest.fail("called"))
    put_many([])
    delete_many([])
