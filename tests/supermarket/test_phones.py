"""Phone numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supermarket.phones import normalise_phone

MOBILE = st.from_regex(r"9[0-9]{9}", fullmatch=True).filter(lambda digits: digits[1] != "0")


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        *((text, "IN", "+918041123456") for text in ("(080) 4112-3456", "080 41123456")),
        *((text, "IN", "+918041123456") for text in ("+91 80 4112 3456", "0091-80-41123456")),
        *(
            (text, "IN", "+919876543210")
            for text in ("9876543210", "098765 43210", "+91-98765-43210")
        ),
        *(
            (text, "IN", "+919876543210")
            for text in (
                "+९१ ९८७६५ ४३२१०",
                "\uff19\uff18\uff17\uff16\uff15\uff14\uff13\uff12\uff11\uff10",
                "98765.43210",
            )
        ),
        *(
            (text, "IN", "+919876543210")
            for text in ("\u202a+91 98765 43210\u202c", "919876543210")
        ),
        ("(202) 555-0182", "US", "+12025550182"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+49 (0) 30 901820", "IN", "+4930901820"),
        ("024 412 3456", "GH", "+233244123456"),
    ],
)
def test_a_number_is_normalised(text: str, country: str, number: str) -> None:
    assert normalise_phone(text, country) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "call me", "12345", "0000000000", "+999123456789", "98765432101234567890", "+", "\0"),
        *("call me 9876543210", "98765O3210", "1-800-FLOWERS"),
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert normalise_phone(text) is None


@given(MOBILE, st.sampled_from(["", " ", "-", "."]), st.sampled_from(["", "0", "+91", "+91 "]))
def test_every_spelling_of_a_mobile_number_is_the_same(
    digits: str, between: str, prefix: str
) -> None:
    expected = f"+91{digits}"
    if normalise_phone(expected) is not None:
        written = prefix + digits[:5] + between + digits[5:]
        assert normalise_phone(written) == expected


@given(st.text(max_size=30))
def test_any_text_is_in_e_164_or_refused(text: str) -> None:
    number = normalise_phone(text)
    if number is not None:
        assert number.startswith("+")
        assert number[1:].isascii()
        assert normalise_phone(number) == number
