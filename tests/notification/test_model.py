"""Formatting of amounts, and texts that are safe in a mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notification.model import (
    MAX_SUBJECT,
    NAMELESS,
    defuse_links,
    format_money,
    greeting_name,
    one_line,
    safe_title,
)
from supermarket.money import Currency, Money
from supermarket.people import Recipient


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, Currency.INR, "₹0.00"),
        (5, Currency.INR, "₹0.05"),
        (99_900, Currency.INR, "₹999.00"),
        (100_000, Currency.INR, "₹1,000.00"),
        (9_999_999, Currency.INR, "₹99,999.99"),
        (12_345_600, Currency.INR, "₹1,23,456.00"),
        (1_234_567_890, Currency.INR, "₹1,23,45,678.90"),
        (123_450, Currency.USD, "$1,234.50"),
        (123_456_789, Currency.USD, "$1,234,567.89"),
        (-12_345_600, Currency.INR, "−₹1,23,456.00"),  # noqa: RUF001 - a real minus
    ],
)
def test_an_amount_is_formatted_in_the_style_of_its_country(
    minor: int, currency: Currency, text: str
) -> None:
    assert format_money(Money(minor, currency)) == text


@given(minor=st.integers(0, 10**15), currency=st.sampled_from(Currency))
def test_separators_do_not_change_an_amount(minor: int, currency: Currency) -> None:
    text = format_money(Money(minor, currency))
    assert text.translate({ord(sign): None for sign in "₹$,."}).lstrip("0") == str(minor).lstrip(
        "0"
    )
    assert ",," not in text
    assert text[1] != ","


@given(st.text(), st.integers(2, 200))
def test_any_text_stays_on_one_line(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert line.splitlines() in ([line], [])
    assert line == line.strip()


@pytest.mark.parametrize(
    "hostile", ["Tea\r\nBcc: all@example.com", "Tea\n\nHello", "Tea\u2028x", "Tea\x00x", "Tea\x85x"]
)
def test_no_line_break_survives(hostile: str) -> None:
    assert one_line(hostile, MAX_SUBJECT).startswith("Tea ")


def test_words_of_all_scripts_are_unchanged() -> None:
    for text in ("चाय की पत्ती", "क्‍ष", "Łódź", "👩‍👩‍👧 tea"):
        assert one_line(text) == text


@pytest.mark.parametrize("name", ["Asha", "Mary Ann", "O'Neil", "J. R.", "आशा", "Łukasz-Jan"])
def test_a_name_is_a_name(name: str) -> None:
    assert greeting_name(Recipient("u1", "a@example.com", name, email_verified=True)) == name
    assert greeting_name(Recipient("u1", "a@example.com", name)) == "there"


@pytest.mark.parametrize(
    "name",
    [
        *("", " \n", "http://evil.example", "evil.example", "a@b", "Win at evil.example now"),
        *("evil。example", "evil\uff0eexample", "evil.\u200bexample"),
    ],
)
def test_a_name_that_looks_like_a_link_is_replaced(name: str) -> None:
    assert greeting_name(Recipient("u1", "a@example.com", name, email_verified=True)) == NAMELESS


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Basmati Rice, 1.5 kg", "Basmati Rice, 1.5 kg"),
        ("Milk 1/2 L: fresh", "Milk 1/2 L: fresh"),
        ("You won! https://evil.example/now", "your product"),
        ("Claim at WWW.evil.example", "your product"),
        ("evil.example pays", "your product"),
        ("write to a@b", "your product"),
        ("банк.рф pays", "your product"),
        ("evil。example pays", "your product"),
        ("evil\uff0eexample pays", "your product"),
        ("evil.\u200bexample pays", "your product"),
        ("क्‍ष चाय", "क्‍ष चाय"),
    ],
)
def test_a_title_that_looks_like_a_link_is_replaced(title: str, shown: str) -> None:
    assert safe_title(title) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12/3 MG Road", "12/3 MG Road"),
        ("Dr.Martens, 1.5 kg", "Dr. Martens, 1. 5 kg"),
        ("https://evil.example/now", "https: / / evil. example/ now"),
        ("a@evil.example", "a@ evil. example"),
        ("evil\uff0eexample", "evil. example"),
        ("evil\u2024example", "evil. example"),
        ("evil\ufe52example", "evil. example"),
        ("evil.\u200bexample", "evil. example"),
        ("asha\uff20evil", "asha@ evil"),
        ("http\uff1a\uff0f\uff0fevil", "http: / / evil"),
        ("free-gift.example.co", "free-gift. example. co"),
        ("01KAN2S3T4V5W6X7Y8Z9A0B1C2", "01KAN2S3T4V5W6X7Y8Z9A0B1C2"),
    ],
)
def test_a_text_that_must_be_shown_is_not_linked(text: str, shown: str) -> None:
    assert defuse_links(text) == shown


def test_bidirectional_controls_are_removed() -> None:
    assert one_line("Tea \u202emoc.live\u202c\u2066!") == "Tea moc.live!"
