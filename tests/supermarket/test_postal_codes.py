"""Validation of postal codes."""

import pytest

from supermarket.postal_codes import is_postal_code


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("IN", "560001"),
        ("india", "110011"),
        ("US", "10001"),
        ("USA", "10001-1234"),
        ("United States", "94016"),
        ("GB", "SW1A 1AA"),
        ("Netherlands", "1012 AB"),
    ],
)
def test_valid_postal_codes_are_accepted(country: str, code: str) -> None:
    assert is_postal_code(code, country)


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("IN", "56001"),
        ("India", "5600011"),
        ("IN", "56O001"),
        ("IN", "५६०००१"),
        ("IN", "560001\n"),
        ("US", "1234"),
        ("us", "123456"),
        ("USA", "10001-123"),
        ("US", "10001 1234"),
        ("GB", ""),
        ("GB", "-"),
        ("GB", "SW1A 1AA SW1A 1AA"),
    ],
)
def test_invalid_postal_codes_are_refused(country: str, code: str) -> None:
    assert not is_postal_code(code, country)
