"""Reads rows of several tables in the call that reads the first of them.

    with reading_ahead():
        CartRow.plan_read(user_id)
        SignInRow.find(user_id)  # one BatchGetItem for both rows
        CartRow.find(user_id)  # no call

An endpoint opens the block, a repository plans the rows that it is going to read by the caller's
id (`reads_ahead`), and the check of the session is the first read. A block inside another one is
part of it. A planned row is returned once, unless it is kept for another reader of the same block:
a second read of it reads the table.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from supermarket.errors import Unavailable

MAX_KEYS = 100  # of one BatchGetItem

type Item = dict[str, Any]
type BatchGet = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Takes the `RequestItems` of a BatchGetItem, returns its response."""


@dataclass(frozen=True)
class Key:
    """A row's table, and the names and texts of its keys: `(("subject", "p1"), ("part", "a"))`."""

    table: str
    values: tuple[tuple[str, str], ...]

    @property
    def attributes(self) -> dict[str, dict[str, str]]:
        """The key in DynamoDB's form."""
        return {name: {"S": text} for name, text in self.values}

    def is_of(self, item: Item) -> bool:
        """Return whether the item has this key."""
        return all(item.get(name) == {"S": text} for name, text in self.values)


@dataclass
class _Reads:
    planned: dict[Key, None] = field(default_factory=dict)
    done: dict[Key, Item] = field(default_factory=dict)


_reads: ContextVar[_Reads | None] = ContextVar("reads", default=None)


@contextmanager
def reading_ahead() -> Iterator[None]:
    """Reads the rows that are planned inside the block in one call."""
    token = _reads.set(_reads.get() or _Reads())
    try:
        yield
    finally:
        _reads.reset(token)


def plan(key: Key) -> None:
    """Read the row in the next call, if a block is open."""
    if (reads := _reads.get()) is not None:
        reads.done.pop(key, None)
        reads.planned[key] = None


def take(key: Key, batch_get: BatchGet) -> Item | None:
    """Return the row's item if it was read ahead, empty when there is no such row; None when it was
    not. Planned rows are read now, together with this one.
    """
    reads = _reads.get()
    if reads is None:
        return None
    if reads.planned:
        _read_planned(reads, [key], batch_get)
    return reads.done.pop(key, None)


def take_many(keys: Iterable[Key], batch_get: BatchGet, *, keep: bool = False) -> dict[Key, Item]:
    """Return the items of the rows that exist, in one call per 100 rows for those that were not
    read ahead, together with the planned ones. With `keep`, another reader of the block gets them
    without a call.
    """
    reads = _reads.get() or _Reads()
    wanted = dict.fromkeys(keys)
    missing = [key for key in wanted if key not in reads.done]
    if missing:
        _read_planned(reads, missing, batch_get)
    found = {key: item for key in wanted if (item := reads.done.get(key))}
    if not keep:
        for key in wanted:
            reads.done.pop(key, None)
    return found


def read(keys: Iterable[Key], batch_get: BatchGet) -> dict[Key, Item]:
    """Return the items of the rows that exist, read eventually consistently: at half the price."""
    found: dict[Key, Item] = {}
    for batch in batched(dict.fromkeys(keys), MAX_KEYS, strict=False):
        found |= _read(batch, batch_get, consistent=False)
    return {key: item for key, item in found.items() if item}


def _read_planned(reads: _Reads, keys: Iterable[Key], batch_get: BatchGet) -> None:
    """Read the keys and the planned rows."""
    for batch in batched(reads.planned | dict.fromkeys(keys), MAX_KEYS, strict=False):
        reads.done |= _read(batch, batch_get)
    reads.planned.clear()


def _read(keys: Sequence[Key], batch_get: BatchGet, *, consistent: bool = True) -> dict[Key, Item]:
    """Read rows in one call. Raises Unavailable when DynamoDB keeps leaving some out."""
    # imported late, since an endpoint without data needs no PynamoDB
    from supermarket.dynamo.writes import ATTEMPTS, wait

    wanted: dict[str, Any] = defaultdict(lambda: {"Keys": [], "ConsistentRead": consistent})
    for key in keys:
        wanted[key.table]["Keys"].append(key.attributes)
    found: dict[Key, Item] = {key: {} for key in keys}
    for attempt in range(ATTEMPTS):
        response = batch_get(dict(wanted))
        for table, items in response["Responses"].items():
            own = [key for key in keys if key.table == table]
            found |= {key: item for item in items for key in own if key.is_of(item)}
        wanted = response.get("UnprocessedKeys", {})
        if not wanted:
            return found
        wait(attempt)
    raise Unavailable("The database is overloaded. Try again.")
