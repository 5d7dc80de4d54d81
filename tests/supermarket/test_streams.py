"""Handlers of DynamoDB streams: a batch in, the changes to retry out."""

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from supermarket.streams import BatchFailed, Change, StreamHandler, failures


def record(number: str, kind: str = "MODIFY", **images: Any) -> dict[str, Any]:
    change = {"SequenceNumber": number, "Keys": {"id": {"S": number}}, **images}
    return {"eventName": kind, "dynamodb": change}


@StreamHandler
def fail_odd_numbers(changes: Sequence[Change]) -> Collection[Change]:
    """Fail every change with an odd number."""

    def handle(change: Change) -> None:
        if int(change.sequence_number) % 2:
            raise RuntimeError("odd")

    return failures(changes, handle)


def test_changes_that_failed_are_reported_for_retry() -> None:
    batch = {"Records": [record(number) for number in ("1", "2", "3")]}
    assert fail_odd_numbers(batch, None) == {
        "batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]
    }


def test_a_batch_in_which_every_change_fails_is_an_error() -> None:
    with pytest.raises(BatchFailed, match="all 2 changes"):
        fail_odd_numbers({"Records": [record("1"), record("3")]}, None)


def test_an_empty_batch_reports_nothing() -> None:
    assert fail_odd_numbers({"Records": []}, None) == {"batchItemFailures": []}


def test_a_change_has_the_images_that_the_stream_sends() -> None:
    inserted = Change.from_record(record("1", "INSERT", NewImage={"id": {"S": "1"}}))
    assert (inserted.kind, inserted.before, inserted.after) == ("INSERT", None, {"id": {"S": "1"}})
    removed = Change.from_record(record("2", "REMOVE", OldImage={"id": {"S": "2"}}))
    assert (removed.kind, removed.before, removed.after) == ("REMOVE", {"id": {"S": "2"}}, None)


def test_a_handler_has_the_name_of_its_function() -> None:
    assert fail_odd_numbers.name.endswith(".fail_odd_numbers")
