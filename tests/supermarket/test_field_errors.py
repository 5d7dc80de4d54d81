"""Pydantic's findings in words for people."""

import json
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from local.openapi.routes import endpoints
from supermarket.field_errors import PYDANTICS, WORDS, words_of
from supermarket.schemas import Body


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Everything(Body):
    text: Annotated[str, Field(min_length=2, max_length=4, pattern="^[a-z]+$")] = "ab"
    count: Annotated[int, Field(ge=1, le=9)] = 1
    price: Annotated[Decimal, Field(gt=0, lt=100, decimal_places=2)] = Decimal(1)
    day: date = date(2026, 11, 29)
    colour: Colour = Colour.RED
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    names: Annotated[tuple[str, ...], Field(max_length=1)] = ()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"text": "a"}, "must have at least 2 characters"),
        ({"text": "abcde"}, "must have at most 4 characters"),
        ({"text": "1234"}, "is not valid"),
        ({"text": 1}, "must be text"),
        ({"count": "1"}, "must be a whole number"),
        ({"count": 1.5}, "must be a whole number"),
        ({"count": 0}, "must be at least 1"),
        ({"count": 10}, "must be at most 9"),
        ({"price": 0}, "must be more than 0"),
        ({"price": 100}, "must be less than 100"),
        ({"price": 1.234}, "must have at most 2 decimal places"),
        ({"price": []}, "must be a number"),
        ({"day": "x"}, "must be a date, such as 2026-11-29"),
        ({"colour": "green"}, "must be 'red' or 'blue'"),
        ({"kind": "c"}, "must be 'a' or 'b'"),
        ({"flag": 1}, "must be true or false"),
        ({"names": ["a", "b"]}, "must have at most 1 entries"),
        ({"names": "a"}, "must be a list"),
        ({"more": 1}, "is unknown"),
        ([], "must be an object"),
    ],
)
def test_each_finding_has_words(sent: Any, words: str) -> None:
    with pytest.raises(ValidationError) as fault:
        Everything.model_validate_json(json.dumps(sent))
    assert [words_of(error) for error in fault.value.errors()] == [words]


def test_every_word_belongs_to_a_finding_of_pydantic() -> None:
    assert WORDS.keys() <= PYDANTICS


def test_no_words_are_a_regular_expression() -> None:
    """Every body of the API gets values of the wrong type and form in every field."""
    for body in {route.endpoint.reads for route in endpoints()} | {
        hint for route in endpoints() for hint in route.endpoint.parameters.values()
    }:
        if not (isinstance(body, type) and issubclass(body, Body)):
            continue
        values: tuple[Any, ...] = ("", "~\x00", "x" * 3000, -1e30, [], None)
        for value in values:
            names = dict.fromkeys(body.model_json_schema()["properties"], value)
            try:
                body.model_validate_json(json.dumps(names))
            except ValidationError as fault:
                for error in fault.errors():
                    assert "Input should" not in words_of(error)
                    assert "String should" not in words_of(error)
                    assert "^" not in words_of(error)
