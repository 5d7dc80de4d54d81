"""Allocation, counts, additions and splits of a level, and the changes of its buckets."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOON
from inventory.model import (
    MAX_BUCKETS,
    PIECES_PER_BUCKET,
    Bucket,
    BucketChange,
    Cause,
    Movement,
    MovementKind,
    Offer,
    OutOfStock,
    StockLevel,
)
from supermarket.errors import Conflict
from support.inventory import OFFER, a_level

AVAILABLE = st.lists(st.integers(0, 20), min_size=1, max_size=16)


@given(AVAILABLE, st.integers(1, 400), st.integers(0, 15))
def test_an_allocation_takes_the_quantity_and_no_more_than_each_bucket_has(
    available: list[int], quantity: int, preferred: int
) -> None:
    level = a_level("p1", *available)
    if quantity > sum(available):
        with pytest.raises(OutOfStock):
            level.allocate(quantity, preferred)
        return
    taken = level.allocate(quantity, preferred)
    assert sum(taken.values()) == quantity
    assert all(0 < taken[number] <= available[number] for number in taken)


def test_an_allocation_takes_all_from_one_bucket_if_one_has_enough() -> None:
    assert a_level("p1", 1, 5, 9).allocate(4, preferred=2) == {2: 4}
    assert a_level("p1", 1, 5, 2).allocate(4, preferred=2) == {1: 4}


def test_an_allocation_reports_how_many_are_left() -> None:
    with pytest.raises(OutOfStock, match="Only 3 left in stock"):
        a_level("p1", 1, 2).allocate(4, 0)
    with pytest.raises(OutOfStock, match="Sold out"):
        a_level("p1", 0).allocate(1, 0)


@given(AVAILABLE, st.integers(0, 5), st.integers(0, 500))
def test_a_count_makes_its_number_the_total_on_hand(
    available: list[int], reserved: int, counted: int
) -> None:
    level = a_level("p1", *available, reserved=reserved)
    differences = level.count(counted)
    assert level.on_hand + sum(differences.values()) == counted
    after = _available_after(level, differences)
    assert sum(after) == counted - level.reserved
    if counted >= level.reserved:
        assert all(each >= 0 for each in after)


@given(AVAILABLE, st.integers(-500, 500))
def test_an_addition_changes_the_total_and_takes_only_what_is_available(
    available: list[int], added: int
) -> None:
    level = a_level("p1", *available, reserved=1)
    if -added > sum(available):
        with pytest.raises(Conflict):
            level.add(added)
        return
    differences = level.add(added)
    assert sum(differences.values()) == added
    assert all(each >= 0 for each in _available_after(level, differences))


def test_more_than_the_maximum_cannot_be_added() -> None:
    with pytest.raises(Conflict, match="At most 1000000000"):
        a_level("p1", 5).add(1_000_000_000)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=MAX_BUCKETS))
def test_a_balance_changes_no_total_and_leaves_buckets_of_one_sign(available: list[int]) -> None:
    level = a_level("p1", *available)
    differences = level.balance()
    after = _available_after(level, differences)
    assert sum(after) == sum(available)
    assert min(after) >= 0 or max(after) <= 0
    assert bool(differences) == (min(available) < 0 < max(available))


def test_a_level_below_what_is_reserved_has_nothing_available() -> None:
    level = a_level("p1", -2, 1)
    assert level.available == 0
    with pytest.raises(OutOfStock):
        level.allocate(1, 1)


def _available_after(level: StockLevel, differences: Mapping[int, int]) -> list[int]:
    return [each.available + differences.get(each.number, 0) for each in level.buckets]


@given(AVAILABLE)
def test_a_split_gives_each_new_bucket_a_share_and_leaves_one_for_the_source(
    available: list[int],
) -> None:
    level = a_level("p1", *available)
    source, moved, added = level.split()
    assert source.available == max(available)
    assert len(available) + added <= MAX_BUCKETS
    if added:
        assert sum(available) >= PIECES_PER_BUCKET * (len(available) + added)
        assert 1 <= moved <= source.available - moved * added


def test_eight_buckets_of_eight_become_more() -> None:
    _, moved, added = a_level("p1", *[8] * 8).split()
    assert (moved, added) == (1, 7)


def test_a_product_with_few_pieces_is_not_split() -> None:
    assert a_level("p1", 7).split()[2] == 0
    assert a_level("p1", 8).split()[2] == 1
    assert a_level("p1", *[1000] * MAX_BUCKETS).split()[2] == 0


@pytest.mark.parametrize(
    ("before", "after", "matters"),
    [
        (9, 6, False),
        (6, 5, True),
        (5, 4, True),
        (5, 6, True),
        (6, 9, False),
        (9, 0, True),
        (0, 9, True),
    ],
)
def test_a_change_matters_when_the_product_is_or_was_low(
    before: int, after: int, matters: bool
) -> None:
    assert a_change(before, after, replace(OFFER, threshold=5)).changes_the_answer is matters


@pytest.mark.parametrize(
    ("before", "after", "matters"), [(5, 4, False), (1, 0, True), (0, 1, True), (None, 5, True)]
)
def test_without_a_threshold_a_change_matters_when_the_availability_changes(
    before: int | None, after: int, matters: bool
) -> None:
    assert a_change(before, after, OFFER).changes_the_answer is matters


def test_a_movement_has_the_differences_and_its_cause() -> None:
    change = a_change(9, 6, OFFER)
    movement = Movement.of(change)
    assert (movement.product_id, movement.on_hand, movement.reserved) == ("p1", -3, 0)
    assert (movement.kind, movement.by, movement.at) == (MovementKind.ADDED, "seller", NOON)
    assert Movement.of(change).id == movement.id
    first = Movement.of(replace(change, before=None))
    assert (first.on_hand, first.reserved) == (6, 0)


def test_movements_are_ordered_by_time() -> None:
    change = a_change(9, 6, OFFER)
    later = replace(change, cause=replace(change.cause, at=NOON + timedelta(milliseconds=1)))
    again = replace(change, after=replace(change.after, changes=change.after.changes + 1))
    assert Movement.of(change).id < Movement.of(again).id < Movement.of(later).id


@pytest.mark.parametrize("kind", MovementKind)
def test_the_seller_makes_counts_additions_and_offers(kind: MovementKind) -> None:
    change = replace(a_change(9, 6, OFFER), cause=Cause(kind, "seller", NOON, "request"))
    assert change.is_by_seller is (kind.value in {"COUNTED", "ADDED", "OFFERED"})


def a_change(before: int | None, after: int, offer: Offer) -> BucketChange:
    """Return a change of the only bucket of a product, by its seller."""
    old = None if before is None else Bucket(0, before, 0, before)
    new = Bucket(0, after, 0, after)
    cause = Cause(MovementKind.ADDED, "seller", NOON, "request")
    return BucketChange("p1", old, new, offer, cause, is_only=True)
