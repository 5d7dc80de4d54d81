"""Postal codes as people write them."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supermarket.postal_codes import FORMS, WITHOUT_CODES, normalise_postal_code

DEVANAGARI = str.maketrans(string.digits, "०१२३४५६७८९")
FULL_WIDTH = str.maketrans(
    string.digits + "-", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff0d"
)
SEPARATORS = st.sampled_from(["", " ", "-", "  ", "\u2013", "\u3000", "\u00a0"])


@pytest.mark.parametrize(
    ("country", "written", "code"),
    [
        ("IN", "560001", "560001"),
        *(("IN", text, "560001") for text in ("560 001", "560-001", " 5 6 0 0 0 1 ")),
        ("IN", "560\u2013001", "560001"),
        *(
            ("IN", text, "560001")
            for text in ("५६०००१", "५६० ००१", "\uff15\uff16\uff10\uff10\uff10\uff11", "560001\n")
        ),
        ("US", "10001", "10001"),
        *(("US", text, "10001-1234") for text in ("10001-1234", "10001 1234", "100011234")),
        *(("GB", text, "SW1A 1AA") for text in ("SW1A 1AA", "sw1a1aa", "SW1A-1AA")),
        ("NL", "1012ab", "1012 AB"),
        ("CA", "k1a0b1", "K1A 0B1"),
        ("IE", "d02 af30", "D02 AF30"),
        ("JP", "1000001", "100-0001"),
        ("JP", "\uff11\uff10\uff10\u30fc\uff10\uff10\uff10\uff11", "100-0001"),
        ("BR", "01310100", "01310-100"),
        ("SE", "11455", "114 55"),
        ("LV", "LV-1010", "1010"),
        ("PT", "1000 205", "1000-205"),
        ("AD", "ad500", "AD500"),
        ("GH", "", ""),
        ("GH", "GA-183-8164", "GA-183-8164"),
        ("HK", "  ", ""),
    ],
)
def test_a_postal_code_is_normalised(country: str, written: str, code: str) -> None:
    assert normalise_postal_code(written, country) == code


@pytest.mark.parametrize(
    ("country", "text"),
    [
        *(("IN", text) for text in ("000000", "060001", "56001", "5600011", "56O001", "")),
        *(("US", text) for text in ("1234", "123456", "10001-123", "ABCDE")),
        *(("GB", text) for text in ("", "-", "SW1A 1AA SW1A 1AA", "12345")),
        ("DE", "1011"),
        ("SG", "01896"),
        ("AD", "?"),
        ("GH", "!!"),
    ],
)
def test_another_form_is_refused(country: str, text: str) -> None:
    assert normalise_postal_code(text, country) is None


def test_forty_countries_have_a_form_and_none_of_them_is_without_codes() -> None:
    assert len(FORMS) >= 40
    assert not FORMS.keys() & WITHOUT_CODES


@given(st.data())
def test_every_spelling_of_a_code_is_the_same(data: st.DataObject) -> None:
    country = data.draw(st.sampled_from(sorted(FORMS)))
    code = data.draw(st.from_regex(re.compile(FORMS[country], re.ASCII), fullmatch=True))
    expected = normalise_postal_code(code, country)
    assert expected
    assert normalise_postal_code(expected, country) == expected
    between = data.draw(SEPARATORS)
    written = between.join(code)
    alphabet = data.draw(st.sampled_from([{}, DEVANAGARI, FULL_WIDTH]))
    assert normalise_postal_code(f" {written.lower().translate(alphabet)} ", country) == expected


@given(st.text(max_size=15), st.sampled_from(sorted([*FORMS, *WITHOUT_CODES, "AD", "FO"])))
def test_a_code_of_any_text_is_short_plain_and_stays_the_same(text: str, country: str) -> None:
    code = normalise_postal_code(text, country)
    if code is not None:
        assert code.isascii()
        assert len(code) <= 12
        assert normalise_postal_code(code, country) == code
