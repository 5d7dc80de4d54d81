"""Types of fields that people fill in."""

import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from unicodedata import category, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from supermarket.field_types import (
    LINE,
    NUMBER_ONLY,
    OPTIONAL_LINE,
    PLAIN_DECIMAL,
    PLAIN_INTEGER,
    TEXT,
    Day,
)
from supermarket.schemas import Body, Query

type Price = Annotated[
    Decimal, Field(ge=-1_000_000, le=1_000_000, decimal_places=2), PLAIN_DECIMAL, NUMBER_ONLY
]
type Count = Annotated[int, Field(ge=-1_000_000, le=1_000_000), PLAIN_INTEGER]


class NumbersBody(Body):
    price: Price = Decimal(0)
    count: Count = 0


class NumbersQuery(Query):
    price: Price = Decimal(0)
    count: Count = 0
    day: Day | None = None


class TextBody(Body):
    line: Annotated[str, Field(max_length=120), LINE] = "x"
    optional: Annotated[str, Field(max_length=120), OPTIONAL_LINE] = ""
    text: Annotated[str, Field(max_length=120), TEXT] = ""


AMOUNTS = st.integers(-100_000_000, 100_000_000)


def sent_as_json(**fields: Any) -> NumbersBody:
    return NumbersBody.model_validate_json(json.dumps(fields))


def sent_as_form(**fields: str) -> NumbersBody:
    return NumbersBody.model_validate(fields, strict=False)


@given(AMOUNTS, st.integers(-1_000_000, 1_000_000))
def test_a_number_is_the_same_in_json_a_form_and_a_query(paise: int, count: int) -> None:
    price = Decimal(paise) / 100
    expected = {"price": price, "count": count}
    assert sent_as_json(price=float(price), count=count).model_dump() == expected
    assert sent_as_form(price=f"{price:f}", count=str(count)).model_dump() == expected
    query = NumbersQuery.model_validate({"price": f"{price:f}", "count": str(count)})
    assert (query.price, query.count) == (price, count)


@given(st.text(max_size=12) | AMOUNTS.map(str))
def test_text_is_no_json_number(text: str) -> None:
    for field in ("price", "count"):
        with pytest.raises(ValidationError):
            sent_as_json(**{field: text})


NOT_PLAIN = [
    "1_0",
    "1e3",
    "1E3",
    "+1",
    "0x10",
    "1,000",
    "1 0",
    "१०",
    "\uff11\uff10",
    "٣",
    "NaN",
    "inf",
    ".5",
]


@pytest.mark.parametrize("text", [*NOT_PLAIN, "5.", "--1", "1\n2", "", "true"])
def test_a_number_in_text_has_digits_a_sign_and_a_point_only(text: str) -> None:
    for field in ("price", "count"):
        with pytest.raises(ValidationError):
            sent_as_form(**{field: text})
        with pytest.raises(ValidationError):
            NumbersQuery.model_validate({field: text})


def test_a_count_has_no_point() -> None:
    for text in ("5.0", "5.5"):
        with pytest.raises(ValidationError):
            sent_as_form(count=text)


@pytest.mark.parametrize("value", [True, None, [], {}, float("nan"), float("inf"), 1.234, 10**30])
def test_other_values_are_no_amount(value: Any) -> None:
    with pytest.raises(ValidationError):
        sent_as_json(price=value)


def test_the_schema_of_an_amount_is_a_number() -> None:
    schema = NumbersBody.model_json_schema()["$defs"]["Price"]
    assert schema["type"] == "number"
    assert schema["maximum"] == 1_000_000


@given(st.dates())
def test_a_day_is_read_from_its_iso_form(day: date) -> None:
    assert NumbersQuery.model_validate({"day": day.isoformat()}).day == day


@pytest.mark.parametrize(
    "text",
    [
        *("1764374400", "1764374400.5", "2026-11-29T00:00:00Z", "2026-11-29T00:00", "20261129"),
        *("2026-1-2", "29-11-2026", "2026-02-30", "2026-W48-7", "२०२६-११-२९", "today", "0"),
    ],
)
def test_another_form_of_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        NumbersQuery.model_validate({"day": text})


def read_text(**fields: str) -> TextBody:
    return TextBody.model_validate_json(json.dumps(fields))


def is_refused(**fields: str) -> bool:
    try:
        read_text(**fields)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize(
    "name",
    [
        "O'Neil",
        "José",
        "आशा",
        "Ὀδυσσεύς",
        "7-Up",
        "李",
        "क्\u200dष",
        "Dal 5 kg (½)",
        "بی\u200cبی",
    ],
)
def test_a_name_in_any_script_is_taken(name: str) -> None:
    assert read_text(line=f" {name}\u3000").line == normalize("NFC", name)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\u200b\u200b\u200b", "\u00ad", "\ufeff", "\u2060\u200d", "\u3164\u3164\u3164"),
        *(
            "\u115f\u1160",
            "\u2800",
            "\u0301\u0302",
            "\ufe0f",
            "\U000e0041",
            "---",
            "🍎🍎🍎",
            "...",
            "\u180e",
        ),
    ],
)
def test_a_line_has_a_visible_letter_or_digit(text: str) -> None:
    assert is_refused(line=text)


@pytest.mark.parametrize(
    "text",
    [
        *("a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b", "a\ufffdb"),
        *("a\u202eb", "a\u202ab", "a\u2066b\u2069", "\u202egpj.a"),
    ],
)
def test_controls_and_changes_of_direction_are_refused(text: str) -> None:
    assert is_refused(line=text)
    assert is_refused(optional=text)
    assert is_refused(text=text)


def test_a_text_may_have_several_lines_and_a_line_one() -> None:
    assert read_text(text=" one\r\n\ttwo ").text == "one\r\n\ttwo"
    assert is_refused(line="one\ntwo")
    assert is_refused(line="one\ttwo")


def test_an_optional_line_may_be_blank_but_not_invisible() -> None:
    assert read_text(optional=" ").optional == ""
    assert is_refused(optional="\u200b")


@given(st.text(max_size=40))
def test_a_line_is_composed_trimmed_and_visible_or_refused(text: str) -> None:
    if is_refused(line=text):
        return
    line = read_text(line=text).line
    assert line == normalize("NFC", line) == line.strip()
    assert any(category(one)[0] in "LN" for one in line)
    assert not any(category(one) in {"Cc", "Zl", "Zp"} for one in line)
    assert read_text(line=line).line == line
    assert read_text(line=normalize("NFD", text)).line == line


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30))
def test_letters_and_digits_of_every_script_are_taken(text: str) -> None:
    assert is_refused(line=text) == (set(text) <= set("\u115f\u1160\u3164\uffa0"))


@given(st.text(st.characters(categories=["Cf", "Mn", "Zs"]), max_size=20))
def test_nothing_visible_is_refused(text: str) -> None:
    assert is_refused(line=text)
