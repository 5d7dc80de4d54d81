"""Whether two sets of rows are the same, whatever order they are read in and however their facts
arrived.

A row counts with its keys and attributes, spelt in one way and hashed; the hashes are added up, so
that their order does not matter. Left out are the attributes in `VOLATILE`, which tell how the
facts arrived, and zeros: a sum that came back to nothing is as good as one that never began. So is
a row of which nothing but its keys is left.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

VOLATILE = frozenset({"version", "soldAs"})
KEYS = frozenset({"pk", "sk"})
BITS = 256

type Item = Mapping[str, Mapping[str, Any]]
"""A row in DynamoDB's own typed form."""


@dataclass(frozen=True)
class Checksum:
    """How many rows there are, and the sum of their hashes."""

    rows: int
    digest: str


def checksums(rows: Iterable[Item]) -> dict[str, Checksum]:
    """One per kind of row, so that it shows where two sets differ."""
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        if (told := _told(row)) is not None:
            kind = _kind(row)
            counts[kind] += 1
            sums[kind] += int.from_bytes(sha256(told).digest())
    return {
        kind: Checksum(counts[kind], f"{sums[kind] % 2**BITS:0{BITS // 4}x}")
        for kind in sorted(counts)
    }


def _told(row: Item) -> bytes | None:
    kept = {
        name: value
        for name, value in row.items()
        if name in KEYS or not (name in VOLATILE or _is_zero(value))
    }
    if kept.keys() == KEYS != row.keys():
        return None
    return json.dumps(kept, sort_keys=True, ensure_ascii=False).encode()


def _is_zero(value: Mapping[str, Any]) -> bool:
    return "N" in value and Decimal(value["N"]) == 0


def _kind(row: Item) -> str:
    """`ORDER`, say: all that stands before the ids, seller's and the day's registers apart."""
    partition, place = (row[key]["S"].partition("#")[0] for key in ("pk", "sk"))
    return f"{partition}/{place}"
