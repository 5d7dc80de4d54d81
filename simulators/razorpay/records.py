"""Stores the records of the account in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from simulators.razorpay.errors import unknown_id
from simulators.razorpay.model import Record
from simulators.razorpay.requests import Page

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS record (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    belongs_to TEXT,
    receipt TEXT,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_time ON record (kind, created_at, number);
CREATE INDEX IF NOT EXISTS by_owner ON record (kind, belongs_to, number);
"""
_LOCK_SECONDS = 30


class Transaction:
    """Reads and writes records within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put(self, record: Record) -> None:
        fields = asdict(record)
        owner, document = fields.get("order_id") or fields.get("payment_id"), json.dumps(fields)
        kind, receipt = type(record).__name__, fields.get("receipt")
        self._connection.execute(
            """
            INSERT INTO record (kind, id, created_at, belongs_to, receipt, document)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document
            """,
            (kind, record.id, record.created_at, owner, receipt, document),
        )

    def get[R: Record](self, kind: type[R], id_: str) -> R:
        row = self._connection.execute(
            "SELECT document FROM record WHERE kind = ? AND id = ?", (kind.__name__, id_)
        ).fetchone()
        if row is None:
            raise unknown_id()
        return kind(**json.loads(row[0]))

    def list_page[R: Record](
        self, kind: type[R], page: Page, belongs_to: str | None = None
    ) -> list[R]:
        rows = self._connection.execute(
            """
            SELECT document FROM record
            WHERE kind = :kind
              AND (:owner IS NULL OR belongs_to = :owner)
              AND (:receipt IS NULL OR receipt = :receipt)
              AND (:since IS NULL OR created_at >= :since)
              AND (:until IS NULL OR created_at <= :until)
            ORDER BY created_at DESC, number DESC LIMIT :count OFFSET :skip
            """,
            {"kind": kind.__name__, "owner": belongs_to, **asdict(page)},
        )
        return [kind(**json.loads(document)) for (document,) in rows]

    def list_kind[R: Record](self, kind: type[R]) -> list[R]:
        """List all records of one kind, oldest first."""
        rows = self._connection.execute(
            "SELECT document FROM record WHERE kind = ? ORDER BY number", (kind.__name__,)
        )
        return [kind(**json.loads(document)) for (document,) in rows]

    def list_all[R: Record](self, kind: type[R], owner: str) -> list[R]:
        """List all records of one owner, oldest first."""
        rows = self._connection.execute(
            "SELECT document FROM record WHERE kind = ? AND belongs_to = ? ORDER BY number",
            (kind.__name__, owner),
        )
        return [kind(**json.loads(document)) for (document,) in rows]


class Records:
    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "razorpay.sqlite3"
        with closing(self._connect()) as connection:
            connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction that excludes other writers from its first read on."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=_LOCK_SECONDS, isolation_level=None)
        # A crash of the process loses nothing; a crash of the machine may.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection
