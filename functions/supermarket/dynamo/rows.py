"""What all PynamoDB rows share: table names, one client, timeouts that fit a Lambda, and an
attribute for dataclasses.
"""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Self, get_origin

from pydantic import TypeAdapter
from pynamodb.attributes import Attribute, ListAttribute, MapAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.constants import BATCH_GET_ITEM, LIST, MAP, REQUEST_ITEMS
from pynamodb.expressions.operand import Path
from pynamodb.indexes import (
    AllProjection,
    GlobalSecondaryIndex,
    IncludeProjection,
    KeysOnlyProjection,
    Projection,
)
from pynamodb.models import Model

from supermarket.aws import session
from supermarket.config import table_name
from supermarket.dynamo import read_ahead

CONNECT_TIMEOUT_SECONDS = 1
# three attempts end before the Lambda does, so that its caller gets an answer of the platform's
READ_TIMEOUT_SECONDS = 2.5
RETRIES = 2


class _TableName:
    """Reads the stage from the environment when the table is used, not when a row is imported."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __get__(self, _instance: object, _owner: type) -> str:
        return table_name(self._table)


def table(name: str) -> Any:
    """Return the `Meta` of a row in the table `supermarket-<stage>-<name>`."""
    return type("Meta", (), {"table_name": _TableName(name)})


def index(
    name: str,
    hash_key: str,
    range_key: str,
    *,
    keys_only: bool = False,
    attributes: Sequence[str] = (),
) -> Any:
    """Return a global secondary index with two text attributes as its keys, `key` and `place`. It
    has all attributes of the rows, the keys only, or the keys and some `attributes`.

        by_customer = index("byCustomer", "customerId", "orderId")
    """
    projection: Projection = KeysOnlyProjection() if keys_only else AllProjection()
    if attributes:
        projection = IncludeProjection(list(attributes))
    parts = {
        "Meta": type("Meta", (), {"index_name": name, "projection": projection}),
        "key": UnicodeAttribute(hash_key=True, attr_name=hash_key),
        "place": UnicodeAttribute(range_key=True, attr_name=range_key),
    }
    return type(name, (GlobalSecondaryIndex,), parts)()


@cache
def database() -> Connection:
    """Return the one connection of this Lambda."""
    connection = Connection(
        region=os.environ["AWS_REGION"],
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=READ_TIMEOUT_SECONDS,
        max_retry_attempts=RETRIES,
    )
    connection._local.session = session()  # noqa: SLF001 - it would make a session of its own
    return connection


class Row(Model):
    """Base of all rows. A row stays inside its repository."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        connection = super()._get_connection()
        # PynamoDB makes a client per class; each would cost a cold start its own service model and
        # TLS handshake
        connection.connection._client = database().client  # noqa: SLF001
        return connection

    @classmethod
    def find(cls, hash_key: str, range_key: str | None = None) -> Self | None:
        """Return the row with this key, read strongly consistently; None when there is none. It may
        have been read ahead.
        """
        item = read_ahead.take(cls._key(hash_key, range_key), _batch_get)
        if item is not None:
            return cls.from_raw_data(item) if item else None
        try:
            return cls.get(hash_key, range_key, consistent_read=True)
        except cls.DoesNotExist:
            return None

    @classmethod
    def find_many(
        cls, keys: Iterable[tuple[str, ...]], *, keep: bool = False, consistent: bool = True
    ) -> list[Self]:
        """Return the rows with these keys that exist, in one call per 100 rows: strongly consistent
        ones together with planned ones. `keep` leaves them for another reader of the block
        (`read_ahead`).

            BucketRow.find_many([("p1", "bucket#00"), ("p2", "bucket#00")])
        """
        wanted = [cls._key(*key) for key in keys]
        if not consistent:
            found = read_ahead.read(wanted, _batch_get)
        else:
            found = read_ahead.take_many(wanted, _batch_get, keep=keep) if wanted else {}
        return [cls.from_raw_data(dict(item)) for item in found.values()]

    @classmethod
    def plan_read(cls, hash_key: str, range_key: str | None = None) -> None:
        """Read the row together with the next one; see `read_ahead`."""
        read_ahead.plan(cls._key(hash_key, range_key))

    @classmethod
    def _key(cls, hash_key: str, range_key: str | None = None) -> read_ahead.Key:
        values = [(cls._hash_key_attribute().attr_name, hash_key)]
        if range_key is not None:
            values.append((cls._range_key_attribute().attr_name, range_key))
        return read_ahead.Key(cls.Meta.table_name, tuple(values))


def _batch_get(request: dict[str, Any]) -> dict[str, Any]:
    return database().dispatch(BATCH_GET_ITEM, {REQUEST_ITEMS: request})


class Mapped[Value](Attribute[Value]):
    """A dataclass, or a tuple of dataclasses, stored as a native map or list.

        class OrderRow(Row):
            lines = Mapped[tuple[OrderLine, ...]](tuple[OrderLine, ...])
            address = Mapped[Address](Address)

    Pydantic converts: dates become ISO 8601 text, enumerations their values, `Money` a map of
    `minor` and `currency`. Conditions and updates may name parts (`Path("address.city")`). Fields
    in `exclude` are not stored and need a default.
    """

    def __init__(self, kind: Any, exclude: frozenset[str] = frozenset(), **options: Any) -> None:
        self._adapter = TypeAdapter[Value](kind)
        self._exclude = set(exclude) or None
        self._raw: Attribute[Any] = (
            ListAttribute() if get_origin(kind) in {list, tuple} else MapAttribute[str, Any]()
        )
        self.attr_type = self._raw.attr_type
        super().__init__(**options)

    def serialize(self, value: Value) -> Any:
        plain = self._adapter.dump_python(value, mode="json", exclude=self._exclude)
        return self._raw.serialize(plain)

    def deserialize(self, value: Any) -> Value:
        return self._adapter.validate_python(_plain({self.attr_type: value}))

    def __eq__(self, value: Any) -> Any:
        """Return the condition that the stored value equals `value`."""
        return Path(self) == self._stored(value)

    __hash__ = None  # type: ignore[assignment] # an attribute compares to a condition

    def set(self, value: Any) -> Any:
        """Return the action that stores `value`."""
        return Path(self).set(self._stored(value))

    def _stored(self, value: Value) -> dict[str, Any]:
        # PynamoDB takes a value that is no `dict` for an element of the map
        return {self.attr_type: self.serialize(value)}


def _plain(value: dict[str, Any]) -> Any:
    """Convert a DynamoDB attribute value (`{"M": {"a": {"S": "x"}}}`) to plain Python."""
    [(kind, content)] = value.items()
    if kind == MAP:
        return {name: _plain(each) for name, each in content.items()}
    if kind == LIST:
        return [_plain(each) for each in content]
    if kind == "N":
        return int(content) if content.lstrip("-").isdigit() else float(content)
    return None if kind == "NULL" else content
