"""Pydantic's findings as words for people and codes for programs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from pydantic_core.core_schema import ErrorType

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

NO_WORDS = "is not valid"
LENGTH = "must have at most {max_length} characters"
WHOLE_NUMBER = "must be a whole number"
NUMBER = "must be a number"
DATE = "must be a date, such as 2026-11-29"
OBJECT = "must be an object"
LIST = "must be a list"
TRUE_OR_FALSE = "must be true or false"
CHOICE = "must be {expected}"
JSON = "must be valid JSON"
TEXT = "must be text"
DIGITS = "must have at most {max_digits} digits"

WORDS: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is unknown",
    "string_type": TEXT,
    "string_unicode": "must be valid Unicode text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": LENGTH,
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "decimal_type": NUMBER,
    "decimal_parsing": NUMBER,
    "finite_number": NUMBER,
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "decimal_max_digits": DIGITS,
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "bool_type": TRUE_OR_FALSE,
    "bool_parsing": TRUE_OR_FALSE,
    "enum": CHOICE,
    "literal_error": CHOICE,
    "date_type": DATE,
    "date_parsing": DATE,
    "date_from_datetime_parsing": DATE,
    "date_from_datetime_inexact": DATE,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "dict_type": OBJECT,
    "list_type": LIST,
    "tuple_type": LIST,
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "json_invalid": JSON,
    "json_type": JSON,
}
PYDANTICS = frozenset(get_args(ErrorType))


def words_of(error: "ErrorDetails") -> str:
    """Return what is wrong, for people: `must be at least 1`. Never a submitted value."""
    kind = error["type"]
    if kind not in PYDANTICS:
        return error["msg"]  # a rule of the project has words of its own
    return WORDS.get(kind, NO_WORDS).format(**error.get("ctx", {}))


def code_of(error: "ErrorDetails") -> str:
    """Return the code for programs: `GREATER_THAN_EQUAL`."""
    return error["type"].upper()
