"""Reads rows of several tables in the call that reads the first of them.

    with reading_ahead():
        CartRow.plan_read(user_id)
        SignInRow.find(user_id)  # one BatchGetItem for both rows
        CartRow.find(user_id)  # no call

An endpoint opens the block, a repository plans the rows that it is going to read by the caller's
id (`reads_ahead`), and the check of the session is the first read. A planned row is returned once:
a second read of it reads the table.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

type Item = dict[str, Any]
type BatchGet = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Takes the `RequestItems` of a BatchGetItem, returns its response."""


@dataclass(frozen=True)
class Key:
    """A row's table, and the name and the text of its only key."""

    table: str
    name: str
    value: str


@dataclass
class _Reads:
    planned: set[Key] = field(default_factory=set)
    done: dict[Key, Item] = field(default_factory=dict)


_reads: ContextVar[_Reads | None] = ContextVar("reads", default=None)


@contextmanager
def reading_ahead() -> Iterator[None]:
    """Reads the rows that are planned inside the block in one call."""
    token = _reads.set(_Reads())
    try:
        yield
    finally:
        _reads.reset(token)


def plan(key: Key) -> None:
    """Read the row in the next call, if a block is open."""
    if reads := _reads.get():
        reads.planned.add(key)


def take(key: Key, batch_get: BatchGet) -> Item | None:
    """Return the row's item if it was read ahead, empty when there is no such row; None when it was
    not. Planned rows are read now, together with this one.
    """
    reads = _reads.get()
    if reads is None:
        return None
    if reads.planned:
        reads.done |= _read(reads.planned | {key}, batch_get)
        reads.planned.clear()
    return reads.done.pop(key, None)


def _read(keys: set[Key], batch_get: BatchGet) -> dict[Key, Item]:
    """Read rows consistently; those that DynamoDB does not process are left out."""
    # imported late, since an endpoint without data needs no PynamoDB
    from supermarket.dynamo.writes import ATTEMPTS, wait

    wanted: dict[str, Any] = defaultdict(lambda: {"Keys": [], "ConsistentRead": True})
    for key in keys:
        wanted[key.table]["Keys"].append({key.name: {"S": key.value}})
    found = {}
    for attempt in range(ATTEMPTS):
        response = batch_get(dict(wanted))
        for key in keys:
            for item in response["Responses"].get(key.table, ()):
                if item[key.name] == {"S": key.value}:
                    found[key] = item
        wanted = response.get("UnprocessedKeys", {})
        if not wanted:
            break
        wait(attempt)
    return {key: found.get(key, {}) for key in keys if key.table not in wanted}
