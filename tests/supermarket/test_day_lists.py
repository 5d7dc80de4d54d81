"""Lists by day: pages have each item once, newest first, and a request reads a bounded number."""

from collections import defaultdict
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from supermarket.day_lists import MAX_DAYS, ONE_DAY, SHARDS, Days, partition_of, read_days

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ITEMS = st.lists(st.tuples(st.integers(0, 70), st.integers(0, 999)), max_size=40, unique=True)


@given(items=ITEMS, limit=st.integers(1, 15), span=st.integers(0, 70))
def test_pages_have_each_item_once_newest_first(
    items: list[tuple[int, int]], limit: int, span: int
) -> None:
    partitions: defaultdict[str, list[str]] = defaultdict(list)
    for ago, number in items:
        moment = NOW - ago * ONE_DAY
        place = f"{moment.date()}#{number:03d}"
        partitions[partition_of(moment, place)].append(place)
    queries: list[int] = []

    def read(partition: str, before: str | None, most: int) -> list[str]:
        newest = sorted(partitions[partition], reverse=True)
        found = [each for each in newest if before is None or each < before][:most]
        queries.append(len(found))
        return found

    first = (NOW - span * ONE_DAY).date()
    days, found = Days.of(first, None, NOW), []
    left: Days | None = days
    while left:
        queries.clear()
        page, left = read_days(read, str, days.continued(left.position), limit)
        assert len(page) <= limit
        assert sum(queries) <= SHARDS * limit
        assert len(queries) <= SHARDS * MAX_DAYS
        found += page
    wanted = [f"{(NOW - ago * ONE_DAY).date()}#{n:03d}" for ago, n in items if ago <= span]
    assert found == sorted(wanted, reverse=True)


def test_without_days_a_list_has_those_up_to_the_present() -> None:
    days = Days.of(None, None, NOW)
    assert (days.last, days.last - days.first) == (NOW.date(), (MAX_DAYS - 1) * ONE_DAY)
