"""Checksums of rows, to compare two sets of them.

The order of rows does not matter: their hashes are added. A row is hashed with its keys and
attributes, except those in `VOLATILE`, which depend on the order of events, and except zeros: a sum
that has returned to zero equals one that was never started. A row of only its keys is ignored.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

VOLATILE = frozenset({"version", "counted", "soldAs"})
KEYS = frozenset({"pk", "sk"})
BITS = 256

type Item = Mapping[str, Mapping[str, Any]]
"""A row in DynamoDB's typed form: `{"pk": {"S": "SELLER#…"}, "units": {"N": "5"}}`."""


@dataclass(frozen=True)
class Checksum:
    """The number of rows, and the sum of their hashes in hexadecimal."""

    rows: int
    digest: str


def checksums(rows: Iterable[Item]) -> dict[str, Checksum]:
    """Compute a checksum for each kind of row."""
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        if (text := _canonical(row)) is not None:
            kind = _kind(row)
            counts[kind] += 1
            sums[kind] += int.from_bytes(sha256(text).digest())
    digests = {kind: f"{total % 2**BITS:0{BITS // 4}x}" for kind, total in sums.items()}
    return {kind: Checksum(counts[kind], digests[kind]) for kind in sorted(counts)}


def _canonical(row: Item) -> bytes | None:
    kept = {
        name: value
        for name, value in row.items()
        if name in KEYS or not (name in VOLATILE or Decimal(value.get("N", 1)) == 0)
    }
    if kept.keys() == KEYS != row.keys():
        return None
    return json.dumps(kept, sort_keys=True, ensure_ascii=False).encode()


def _kind(row: Item) -> str:
    """The keys without ids, such as `SELLER/ORDER` or `DAY/SELLER`."""
    partition, sort_key = (row[key]["S"].partition("#")[0] for key in ("pk", "sk"))
    return f"{partition}/{sort_key}"
