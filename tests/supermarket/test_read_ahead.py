"""Rows of several tables, read in one call."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from supermarket.dynamo import read_ahead
from supermarket.dynamo.audit import AuditRow
from supermarket.dynamo.idempotency import IdempotencyRow
from supermarket.dynamo.read_ahead import BatchGet, Key, reading_ahead
from supermarket.dynamo.rows import database
from supermarket.dynamo.sessions import SignInRow
from supermarket.dynamo.writes import ATTEMPTS
from supermarket.errors import Unavailable

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


def test_rows_with_a_range_key_are_read_together_with_others() -> None:
    AuditRow(
        "order#1",
        "2026#a",
        day="2026-11-22",
        action="shipped",
        actor="ravi",
        before={},
        after={},
        correlation_id="request",
    ).save()
    with calls() as made, reading_ahead():
        AuditRow.plan_read("order#1", "2026#a")
        AuditRow.plan_read("order#1", "2026#b")
        signed_in, row = SignInRow.find("asha"), AuditRow.find("order#1", "2026#a")
        assert AuditRow.find("order#1", "2026#b") is None
    assert signed_in
    assert row
    assert row.action == "shipped"
    assert made == ["BatchGetItem"]


# --- many rows


def texts(found: Iterable[IdempotencyRow]) -> dict[str, str]:
    return {row.id: row.result_id for row in found}


def test_many_rows_are_found_in_one_call_and_missing_ones_are_left_out() -> None:
    IdempotencyRow("other", fingerprint="f", result_id="o", expires_at=1).save()
    with calls() as made:
        found = IdempotencyRow.find_many([(KEY,), ("unknown",), ("other",), (KEY,)])
    assert texts(found) == {KEY: "r", "other": "o"}
    assert made == ["BatchGetItem"]


def test_no_rows_are_found_without_a_call() -> None:
    with calls() as made:
        assert IdempotencyRow.find_many([]) == []
    assert made == []


def test_many_rows_are_found_together_with_planned_ones() -> None:
    with calls() as made, reading_ahead():
        SignInRow.plan_read("asha")
        assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "r"}
        assert SignInRow.find("asha")
    assert made == ["BatchGetItem"]


def test_many_rows_that_were_planned_are_not_read_again() -> None:
    with calls() as made, reading_ahead():
        IdempotencyRow.plan_read(KEY)
        IdempotencyRow.plan_read("unknown")
        SignInRow.find("asha")
        assert texts(IdempotencyRow.find_many([(KEY,), ("unknown",)])) == {KEY: "r"}
    assert made == ["BatchGetItem"]


def test_many_rows_are_read_from_the_table_each_time() -> None:
    with calls() as made, reading_ahead():
        assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "r"}
        IdempotencyRow(KEY, fingerprint="f", result_id="changed", expires_at=1).save()
        assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "changed"}
    assert made == ["BatchGetItem", "PutItem", "BatchGetItem"]


def test_rows_that_are_kept_are_returned_once_more_without_a_call() -> None:
    with calls() as made, reading_ahead():
        IdempotencyRow.find_many([(KEY,)], keep=True)
        assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "r"}
        assert made == ["BatchGetItem"]
        IdempotencyRow(KEY, fingerprint="f", result_id="changed", expires_at=1).save()
        assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "changed"}


def test_a_kept_row_that_is_planned_again_is_read_again() -> None:
    with reading_ahead():
        IdempotencyRow.find_many([(KEY,)], keep=True)
        IdempotencyRow(KEY, fingerprint="f", result_id="changed", expires_at=1).save()
        IdempotencyRow.plan_read(KEY)
        assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "changed"}


def test_kept_rows_are_forgotten_without_a_block() -> None:
    IdempotencyRow.find_many([(KEY,)], keep=True)
    IdempotencyRow(KEY, fingerprint="f", result_id="changed", expires_at=1).save()
    assert texts(IdempotencyRow.find_many([(KEY,)])) == {KEY: "changed"}


def test_many_rows_can_be_read_for_half_the_price_without_the_planned_ones() -> None:
    requests: list[bool] = []

    def batch_get(request: dict[str, Any]) -> dict[str, Any]:
        requests.append(request["tables"]["ConsistentRead"])
        return {"Responses": {"tables": request["tables"]["Keys"][:1]}}

    with reading_ahead():
        read_ahead.plan(ONE)
        found = read_ahead.read([TWO, ONE, TWO], batch_get)
    assert found == {TWO: {"id": {"S": "2"}}}
    assert requests == [False]


def test_more_than_a_hundred_rows_are_found_in_several_calls() -> None:
    with IdempotencyRow.batch_write() as batch:
        for number in range(120):
            row = IdempotencyRow(f"{number}", fingerprint="f", result_id="r", expires_at=1)
            batch.save(row)
    with calls() as made, reading_ahead():
        SignInRow.plan_read("asha")
        found = IdempotencyRow.find_many([(f"{number}",) for number in range(120)])
        assert SignInRow.find("asha")
    assert texts(found) == {f"{number}": "r" for number in range(120)}
    assert made == ["BatchGetItem", "BatchGetItem"]


# --- blocks inside others


def test_a_block_inside_another_one_is_part_of_it() -> None:
    with calls() as made, reading_ahead():
        IdempotencyRow.plan_read(KEY)
        with reading_ahead():
            SignInRow.plan_read("asha")
            assert result() == "r"
        assert SignInRow.find("asha")
    assert made == ["BatchGetItem"]


def test_a_block_inside_another_one_ends_neither_of_them() -> None:
    with calls() as made, reading_ahead():
        with reading_ahead():
            IdempotencyRow.find_many([(KEY,)], keep=True)
        assert result() == "r"
        IdempotencyRow.plan_read(KEY)
        SignInRow.find("asha")
    assert made == ["BatchGetItem", "BatchGetItem"]


# --- unprocessed keys

ONE, TWO = (Key("tables", (("id", number),)) for number in "12")


def test_unprocessed_keys_are_requested_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supermarket.dynamo.writes.wait", lambda _: None)
    requests: list[dict[str, Any]] = []

    def batch_get(request: dict[str, Any]) -> dict[str, Any]:
        requests.append(request)
        wanted = request["tables"]["Keys"]
        rest = {"tables": {**request["tables"], "Keys": wanted[1:]}} if wanted[1:] else {}
        return {"Responses": {"tables": [wanted[0]]}, "UnprocessedKeys": rest}

    with reading_ahead():
        read_ahead.plan(ONE)
        first = read_ahead.take(TWO, batch_get)
        second = read_ahead.take(ONE, batch_get)
    assert first == {"id": {"S": "2"}}
    assert second == {"id": {"S": "1"}}
    assert len(requests) == 2
    assert all(request["tables"]["ConsistentRead"] for request in requests)


@pytest.mark.parametrize(
    "read",
    [
        lambda batch_get: read_ahead.take(ONE, batch_get),
        lambda batch_get: read_ahead.take_many([TWO], batch_get),
        lambda batch_get: read_ahead.read([TWO], batch_get),
    ],
    ids=["one row", "many rows", "many rows, eventually"],
)
def test_a_key_that_is_never_processed_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[BatchGet], object]
) -> None:
    waits: list[int] = []
    monkeypatch.setattr("supermarket.dynamo.writes.wait", waits.append)

    def leave_out(request: dict[str, Any]) -> dict[str, Any]:
        return {"Responses": {}, "UnprocessedKeys": request}

    with reading_ahead():
        read_ahead.plan(ONE)
        with pytest.raises(Unavailable, match="overloaded"):
            read(leave_out)
    assert waits == list(range(ATTEMPTS))
