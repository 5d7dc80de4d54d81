"""The counted flows agree with docs/capacity.md, and sizes and units with DynamoDB's rules."""

import re
from collections import Counter

import pytest

from benchmarks.capacity import DOCUMENT, TABLE, count_paid_order
from benchmarks.units import Index, item_size

ROW = re.compile(
    r"^\| (?:\*\*)?(.+?)(?:\*\*)? \| (\d+) \| ([\d.]+) \| (\d+) \| (\d+) \|$", re.MULTILINE
)
KEY = re.compile(r"^\| `(.+)` \| (\d+) \|", re.MULTILINE)
SEEN = {"pk": {"S": "1"}, "day": {"S": "Monday"}, "text": {"S": "a"}}


def test_a_paid_order_takes_no_more_than_the_document_says() -> None:
    document = TABLE.search(DOCUMENT.read_text())
    assert document, "run make bench-capacity"
    rows = {row[0]: tuple(map(float, row[1:])) for row in ROW.findall(document[0])}
    keys = {key: int(units) for key, units in KEY.findall(document[0])}
    paid = count_paid_order()
    total = {"a paid order, shipped and delivered": paid.total}
    for name, units in {**paid.units, **total}.items():
        calls, reads, writes, index_writes = rows[name]
        assert units.calls <= calls, f"{name}: make bench-capacity"
        assert units.reads <= reads, f"{name}: make bench-capacity"
        assert units.writes <= writes, f"{name}: make bench-capacity"
        assert units.index_writes <= index_writes, f"{name}: make bench-capacity"
    assert paid.total.by_key <= Counter(keys), "make bench-capacity"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é"}, 2),
        ({"N": "1200"}, 2),
        ({"N": "-123.45"}, 5),
        ({"BOOL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": [{"S": "ab"}, {"N": "7"}]}, 9),
        ({"M": {"key": {"S": "ab"}}}, 9),
    ],
)
def test_an_item_has_the_size_that_dynamodb_counts(value: dict[str, object], size: int) -> None:
    assert item_size({"name": value}) == len("name") + size


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        ({}, SEEN, [(1, "Monday")]),
        (SEEN, SEEN | {"other": {"S": "b"}}, []),
        (SEEN, SEEN | {"text": {"S": "b" * 1024}}, [(2, "Monday")]),
        (SEEN, SEEN | {"day": {"S": "Tuesday"}}, [(1, "Monday"), (1, "Tuesday")]),
        (SEEN, {"pk": {"S": "1"}}, [(1, "Monday")]),
    ],
    ids=["added", "nothing that it has", "changed", "moved", "removed"],
)
def test_an_index_is_written_when_what_it_has_changes(
    before: dict[str, dict[str, str]],
    after: dict[str, dict[str, str]],
    units: list[tuple[int, str]],
) -> None:
    index = Index("byDay", ("day", "pk"), frozenset({"day", "pk", "text"}))
    assert list(index.writes(before, after)) == units
