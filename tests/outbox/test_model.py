"""Chunks that EventBridge takes, and the map of routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.model import MAX_BYTES, MAX_ENTRIES, RouteMap, chunks
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
def test_chunks_hold_every_event_once_and_in_order_and_never_too_much(sizes: list[int]) -> None:
    events = [an_event(str(number), "x" * size) for number, size in enumerate(sizes)]
    made = list(chunks(events))
    assert [event for chunk in made for event in chunk] == events
    assert all(1 <= len(chunk) <= MAX_ENTRIES for chunk in made)
    assert all(sum(event.size for event in chunk) <= MAX_BYTES for chunk in made)


def test_neighbouring_chunks_could_not_have_been_one() -> None:
    made = list(chunks(an_event(str(number), "x" * 30_000) for number in range(25)))
    assert [len(chunk) for chunk in made] == [8, 8, 8, 1]


def test_an_event_that_is_too_large_travels_alone() -> None:
    giant = an_event("giant", "x" * (MAX_BYTES + 1))
    assert list(chunks([an_event("a"), giant, an_event("b")])) == [
        [an_event("a")],
        [giant],
        [an_event("b")],
    ]


def test_size_counts_bytes_and_not_characters() -> None:
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
