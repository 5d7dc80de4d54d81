"""Address books."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.model import MAX_ADDRESSES, AddressBook, SavedAddress
from supermarket.errors import Conflict, NotFound

type Change = tuple[str, int, bool]

CHANGES: st.SearchStrategy[list[Change]] = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 30), st.booleans()), max_size=60
)


def an_address(number: int) -> SavedAddress:
    street = f"{number} MG Road"
    return SavedAddress(street, "Bengaluru", "Karnataka", "560001", "IN", id=f"a{number}")


def a_book(*numbers: int) -> AddressBook:
    book = AddressBook("u1")
    for number in numbers:
        book = book.add(an_address(number), make_default=False)
    return book


def test_the_first_address_is_always_the_default() -> None:
    assert a_book(1, 2).default_id == "a1"


def test_an_address_can_become_the_default() -> None:
    assert a_book(1, 2).add(an_address(3), make_default=True).default_id == "a3"


def test_removing_the_default_promotes_the_oldest_that_is_left() -> None:
    assert a_book(1, 2, 3).remove("a1").default_id == "a2"


def test_removing_another_address_keeps_the_default() -> None:
    assert a_book(1, 2, 3).remove("a3").default_id == "a1"


def test_an_empty_book_has_no_default() -> None:
    assert a_book(1).remove("a1") == AddressBook("u1")


def test_an_unknown_address_is_not_found_and_not_removed() -> None:
    with pytest.raises(NotFound):
        a_book(1).find("a2")
    with pytest.raises(NotFound):
        a_book(1).remove("a2")


def test_a_full_book_refuses_another_address() -> None:
    book = a_book(*range(MAX_ADDRESSES))
    with pytest.raises(Conflict):
        book.add(an_address(99), make_default=True)


@given(CHANGES)
def test_the_default_is_always_one_of_the_addresses(
    changes: list[Change],
) -> None:
    book = AddressBook("u1")
    kept: list[str] = []
    for count, (what, which, make_default) in enumerate(changes):
        if what == "add" and len(kept) < MAX_ADDRESSES:
            book = book.add(an_address(count), make_default=make_default)
            kept.append(f"a{count}")
        elif what == "remove" and kept:
            book = book.remove(kept.pop(which % len(kept)))
        assert [address.id for address in book.addresses] == kept
        assert book.default_id in kept if kept else book.default_id is None
