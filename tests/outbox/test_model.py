"""Batches of events, and the methods of paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.model import MAX_BYTES, MAX_ENTRIES, RouteMap, batches
from support.outbox import an_event

ROUTES = RouteMap(
    [
        "GET /api/products",
        "POST /api/products",
        "GET /api/products/seller",
        "GET /api/products/{productId}",
        "DELETE /api/products/{productId}",
        "PATCH /api/products/{productId}/stock",
    ]
)


@given(st.lists(st.integers(0, MAX_BYTES // 2), max_size=40))
def test_batches_contain_every_event_once_in_order_and_within_the_limits(sizes: list[int]) -> None:
    events = [an_event(str(number), "x" * size) for number, size in enumerate(sizes)]
    made = list(batches(events))
    assert [event for batch in made for event in batch] == events
    assert all(1 <= len(batch) <= MAX_ENTRIES for batch in made)
    assert all(sum(event.size for event in batch) <= MAX_BYTES for batch in made)


def test_a_batch_is_filled_up_to_the_limit() -> None:
    made = list(batches(an_event(str(number), "x" * 30_000) for number in range(25)))
    assert [len(batch) for batch in made] == [8, 8, 8, 1]


def test_an_event_that_is_too_large_has_a_batch_of_its_own() -> None:
    giant = an_event("giant", "x" * (MAX_BYTES + 1))
    assert list(batches([an_event("a"), giant, an_event("b")])) == [
        [an_event("a")],
        [giant],
        [an_event("b")],
    ]


def test_the_size_is_in_bytes_and_not_in_characters() -> None:
    assert an_event("a", "é" * 10).size == an_event("a", "e" * 20).size


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/products", ("GET", "POST")),
        ("/api/products/01H", ("DELETE", "GET")),
        ("/api/products/seller", ("DELETE", "GET")),
        ("/api/products/01H/stock", ("PATCH",)),
        ("/api/products/", ()),
        ("/api/products//stock", ()),
        ("/api", ()),
        ("/", ()),
        ("", ()),
    ],
)
def test_a_path_has_the_methods_of_its_routes(path: str, methods: tuple[str, ...]) -> None:
    assert ROUTES.methods_of(path) == methods
