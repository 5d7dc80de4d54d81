"""Idempotency keys, tested with the in-memory and the DynamoDB adapter."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from conftest import FrozenClock
from supermarket.dynamo.idempotency import DynamoIdempotencyKeys
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import Invalid, NotFound, RuleViolated
from supermarket.idempotency import (
    RETENTION,
    IdempotencyKey,
    IdempotencyKeys,
    KeyInUse,
    run_once,
)
from supermarket.request import Request
from supermarket.transaction import Transaction
from support.in_memory import InMemoryIdempotencyKeys, InMemoryOutbox

KEY = IdempotencyKey.of("place", "u1", "key-1", b"{}")


@dataclass(frozen=True)
class Store:
    keys: IdempotencyKeys
    begin: Callable[[], Transaction]

    def save_result(self, key: IdempotencyKey, result_id: str) -> None:
        transaction = self.begin()
        self.keys.save_result(key, result_id, transaction)
        transaction.commit()


@pytest.fixture(params=["in memory", "DynamoDB"])
def store(request: pytest.FixtureRequest, clock: FrozenClock) -> Store:
    if request.param == "in memory":
        return Store(InMemoryIdempotencyKeys(clock), InMemoryOutbox().begin)
    request.getfixturevalue("aws")
    return Store(DynamoIdempotencyKeys(clock), DynamoTransaction)


def test_a_used_key_returns_its_result(store: Store) -> None:
    assert store.keys.find_result(KEY) is None
    store.save_result(KEY, "o1")
    assert store.keys.find_result(KEY) == "o1"


def test_a_key_is_saved_only_when_its_transaction_commits(store: Store) -> None:
    store.keys.save_result(KEY, "o1", store.begin())
    assert store.keys.find_result(KEY) is None


def test_a_key_with_another_body_violates_a_rule(store: Store) -> None:
    store.save_result(KEY, "o1")
    with pytest.raises(RuleViolated):
        store.keys.find_result(IdempotencyKey.of("place", "u1", "key-1", b'{"a":1}'))


def test_a_key_that_was_used_for_another_subject_violates_a_rule(store: Store) -> None:
    store.save_result(KEY.about("o1"), "p1")
    assert store.keys.find_result(KEY.about("o1")) == "p1"
    for other in (KEY, KEY.about("o2")):
        with pytest.raises(RuleViolated):
            store.keys.find_result(other)


def test_of_two_concurrent_uses_one_succeeds(store: Store) -> None:
    store.save_result(KEY, "o1")
    with pytest.raises(KeyInUse):
        store.save_result(KEY, "o2")
    assert store.keys.find_result(KEY) == "o1"


@pytest.mark.parametrize(
    "other",
    [
        IdempotencyKey.of("place", "u2", "key-1", b"{}"),
        IdempotencyKey.of("pay", "u1", "key-1", b"{}"),
        IdempotencyKey.of("place", "u1", "key-2", b"{}"),
    ],
)
def test_keys_of_other_users_and_use_cases_are_different_keys(
    store: Store, other: IdempotencyKey
) -> None:
    store.save_result(KEY, "o1")
    assert store.keys.find_result(other) is None
    store.save_result(other, "o2")
    assert store.keys.find_result(other) == "o2"


def test_a_key_expires_after_a_day_and_can_be_used_again(store: Store, clock: FrozenClock) -> None:
    store.save_result(KEY, "o1")
    clock.advance(RETENTION - timedelta(seconds=1))
    assert store.keys.find_result(KEY) == "o1"
    clock.advance(timedelta(seconds=1))
    assert store.keys.find_result(KEY) is None
    store.save_result(KEY, "o2")
    assert store.keys.find_result(KEY) == "o2"


def a_request(headers: dict[str, str], body: bytes = b"{}") -> Request:
    return Request("request-1", "POST", "/", {}, {}, headers, {}, body)


def test_the_key_of_a_request_includes_its_body() -> None:
    key = IdempotencyKey.from_request(a_request({"idempotency-key": "key-1"}), "place", "u1")
    assert key == KEY


def test_a_request_without_the_header_has_no_key() -> None:
    assert IdempotencyKey.from_request(a_request({}), "place", "u1") is None


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\n", "\0"])
def test_a_malformed_key_is_invalid(key: str) -> None:
    with pytest.raises(Invalid):
        IdempotencyKey.from_request(a_request({"idempotency-key": key}), "place", "u1")


def test_json_bodies_with_the_same_value_are_the_same_body() -> None:
    first = IdempotencyKey.of("place", "u1", "key-1", b'{"a": 1, "b": [2]}')
    assert first == IdempotencyKey.of("place", "u1", "key-1", b'{"b":[2],"a":1}')
    assert first != IdempotencyKey.of("place", "u1", "key-1", b'{"a": 1, "b": [3]}')
    assert first != IdempotencyKey.of("place", "u1", "key-1", b"")


def test_a_body_that_is_not_json_is_compared_byte_by_byte() -> None:
    deep = b"[" * 60_000
    assert IdempotencyKey.of("place", "u1", "k", deep) == IdempotencyKey.of(
        "place", "u1", "k", deep
    )
    assert IdempotencyKey.of("place", "u1", "k", deep) != IdempotencyKey.of(
        "place", "u1", "k", b"["
    )


# --- one run for each key ---------------------------------------------------------------------


def test_a_key_with_a_result_runs_nothing(store: Store) -> None:
    store.save_result(KEY, "o1")
    assert run_once(store.keys, KEY, lambda: pytest.fail("it ran"), str.upper) == "O1"


@pytest.mark.parametrize("key", [KEY, None])
def test_a_key_without_a_result_runs_once(store: Store, key: IdempotencyKey | None) -> None:
    assert run_once(store.keys, key, lambda: "new", str.upper) == "new"


def test_a_run_that_another_copy_has_overtaken_returns_its_result(store: Store) -> None:
    def run() -> str:
        store.save_result(KEY, "o1")  # the other copy
        store.save_result(KEY, "o2")
        return "o2"

    assert run_once(store.keys, KEY, run, str.upper) == "O1"


def test_a_refused_run_raises_its_own_error(store: Store) -> None:
    def run() -> str:
        raise NotFound("Product not found")

    for key in (KEY, None):
        with pytest.raises(NotFound):
            run_once(store.keys, key, run, str.upper)


def test_the_boundary_of_a_form_is_no_part_of_its_body() -> None:
    def key_of(boundary: str, value: str) -> IdempotencyKey | None:
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n{value}'.encode()
        kind = f'multipart/form-data; boundary="{boundary}"'
        headers = {"idempotency-key": "key-1", "content-type": kind}
        return IdempotencyKey.from_request(a_request(headers, body), "place", "u1")

    assert key_of("x1", "1") == key_of("y22", "1") != key_of("x1", "2")
