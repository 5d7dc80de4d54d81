"""Rows of several tables, read in one call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from supermarket.dynamo import read_ahead
from supermarket.dynamo.idempotency import IdempotencyRow
from supermarket.dynamo.read_ahead import Key, reading_ahead
from supermarket.dynamo.rows import database
from supermarket.dynamo.sessions import SignInRow

pytestmark = pytest.mark.usefixtures("aws")

KEY = "create_order#asha#1"


@contextmanager
def calls() -> Iterator[list[str]]:
    """The DynamoDB calls inside the block."""
    made: list[str] = []
    events = database().client.meta.events

    def record(model: Any, **_: Any) -> None:
        made.append(model.name)

    events.register("before-call.dynamodb", record)
    try:
        yield made
    finally:
        events.unregister("before-call.dynamodb", record)


@pytest.fixture(autouse=True)
def stored(aws: None) -> None:
    SignInRow("asha", sessions={"s1"}, expires_at=1).save()
    IdempotencyRow(KEY, fingerprint="f", result_id="r", expires_at=1).save()


def result() -> str | None:
    """The stored key's result, read from the table or ahead."""
    row = IdempotencyRow.find(KEY)
    return row.result_id if row else None


def test_planned_rows_are_read_together_with_the_first_row() -> None:
    with calls() as made, reading_ahead():
        IdempotencyRow.plan_read(KEY)
        signed_in, key = SignInRow.find("asha"), IdempotencyRow.find(KEY)
    assert signed_in
    assert signed_in.sessions == {"s1"}
    assert key
    assert key.result_id == "r"
    assert made == ["BatchGetItem"]


def test_a_planned_row_that_does_not_exist_is_not_read_again() -> None:
    with calls() as made, reading_ahead():
        IdempotencyRow.plan_read("another")
        assert SignInRow.find("unknown") is None
        assert IdempotencyRow.find("another") is None
    assert made == ["BatchGetItem"]


def test_the_second_read_of_a_planned_row_reads_the_table() -> None:
    with reading_ahead():
        IdempotencyRow.plan_read(KEY)
        SignInRow.find("asha")
        assert result() == "r"
        IdempotencyRow(KEY, fingerprint="f", result_id="changed", expires_at=1).save()
        assert result() == "changed"


def test_no_row_is_remembered_after_the_block() -> None:
    with reading_ahead():
        IdempotencyRow.plan_read(KEY)
        SignInRow.find("asha")
    IdempotencyRow(KEY, fingerprint="f", result_id="changed", expires_at=1).save()
    assert result() == "changed"


def test_without_a_plan_or_a_block_each_row_is_read_in_its_own_call() -> None:
    IdempotencyRow.plan_read(KEY)
    with calls() as made:
        IdempotencyRow.find(KEY)
        with reading_ahead():
            SignInRow.find("asha")
    assert made == ["GetItem", "GetItem"]


def test_other_reads_do_not_use_the_planned_rows() -> None:
    with calls() as made, reading_ahead():
        IdempotencyRow.plan_read(KEY)
        SignInRow.get("asha")
    assert made == ["GetItem"]


def test_unprocessed_keys_are_requested_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supermarket.dynamo.writes.wait", lambda _: None)
    one, two = Key("tables", "id", "1"), Key("tables", "id", "2")
    requests: list[dict[str, Any]] = []

    def batch_get(request: dict[str, Any]) -> dict[str, Any]:
        requests.append(request)
        wanted = request["tables"]["Keys"]
        rest = {"tables": {**request["tables"], "Keys": wanted[1:]}} if wanted[1:] else {}
        return {"Responses": {"tables": [wanted[0]]}, "UnprocessedKeys": rest}

    with reading_ahead():
        read_ahead.plan(one)
        first = read_ahead.take(two, batch_get)
        second = read_ahead.take(one, batch_get)
    assert first
    assert first == {"id": {"S": "2"}}
    assert second
    assert second == {"id": {"S": "1"}}
    assert len(requests) == 2
    assert all(request["tables"]["ConsistentRead"] for request in requests)


def test_a_key_that_is_never_processed_is_left_to_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supermarket.dynamo.writes.wait", lambda _: None)
    key = Key("tables", "id", "1")
    with reading_ahead():
        read_ahead.plan(key)
        taken = read_ahead.take(key, lambda keys: {"Responses": {}, "UnprocessedKeys": keys})
    assert taken is None
