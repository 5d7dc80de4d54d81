"""Cursors: decoding returns the encoded position; any other text is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from supermarket.cursors import Cursors
from supermarket.errors import Invalid

KEYS = {"active": "k2", "k1": "an older key that still opens", "k2": "the key that seals now"}
OTHER_KEYS = {"active": "k2", "k2": "a key of another installation"}
CURSORS = Cursors(lambda: KEYS)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= é"
POSITIONS = st.dictionaries(
    st.text(max_size=8), st.text(max_size=20) | st.integers() | st.booleans(), max_size=4
)


def sealed(position: dict[str, Any], purpose: str = "list") -> str:
    cursor = CURSORS.encode(position, purpose)
    assert cursor is not None
    return cursor


@given(POSITIONS, st.text(max_size=30))
def test_decoding_a_cursor_returns_the_encoded_position(
    position: dict[str, Any], purpose: str
) -> None:
    assert CURSORS.decode(sealed(position, purpose), purpose) == position


@given(POSITIONS)
def test_a_cursor_needs_no_escaping_in_a_url(position: dict[str, Any]) -> None:
    assert sealed(position).replace("-", "").replace("_", "").isalnum()


@given(POSITIONS, st.data())
def test_a_cursor_with_any_one_character_changed_is_refused(
    position: dict[str, Any], data: st.DataObject
) -> None:
    cursor = sealed(position)
    place = data.draw(st.integers(0, len(cursor) - 1))
    character = data.draw(st.sampled_from(ALPHABET))
    assume(character != cursor[place])
    with pytest.raises(Invalid) as refused:
        CURSORS.decode(cursor[:place] + character + cursor[place + 1 :], "list")
    assert [error.field for error in refused.value.errors] == ["cursor"]


@given(POSITIONS, st.data())
def test_a_truncated_or_extended_cursor_is_refused(
    position: dict[str, Any], data: st.DataObject
) -> None:
    cursor = sealed(position)
    cut = cursor[: data.draw(st.integers(0, len(cursor) - 1))]
    extended = cursor + data.draw(st.text(ALPHABET, min_size=1, max_size=5))
    for tampered in (cut, extended):
        with pytest.raises(Invalid):
            CURSORS.decode(tampered, "list")


@given(st.text(max_size=60))
def test_arbitrary_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(Invalid):
        CURSORS.decode(text, "list")


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_cursor_of_one_list_is_refused_by_another_list(purpose: str, other: str) -> None:
    assume(purpose != other)
    with pytest.raises(Invalid):
        CURSORS.decode(sealed({"a": 1}, purpose), other)


def test_the_purpose_cannot_be_extended_into_the_position() -> None:
    cursor = sealed({"a": 1}, purpose='list\0{"evil":1}')
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    stretched = raw[:16] + b'{"evil":1}\0' + json.dumps({"a": 1}, separators=(",", ":")).encode()
    with pytest.raises(Invalid):
        CURSORS.decode(base64.urlsafe_b64encode(stretched).decode().rstrip("="), "list")


def test_a_cursor_sealed_with_an_older_key_is_accepted() -> None:
    older = Cursors(lambda: {**KEYS, "active": "k1"}).encode({"a": 1}, "list")
    assert CURSORS.decode(older, "list") == {"a": 1}


def test_a_cursor_of_a_foreign_key_is_refused() -> None:
    with pytest.raises(Invalid):
        CURSORS.decode(Cursors(lambda: OTHER_KEYS).encode({"a": 1}, "list"), "list")


def test_the_name_of_the_active_key_is_not_used_as_a_key() -> None:
    forged = Cursors(lambda: {"active": "k", "k": KEYS["active"]}).encode({"a": 1}, "list")
    with pytest.raises(Invalid):
        CURSORS.decode(forged, "list")


def test_the_last_page_has_no_cursor_and_the_first_needs_none() -> None:
    assert CURSORS.encode(None, "list") is None
    assert CURSORS.decode(None, "list") is None
