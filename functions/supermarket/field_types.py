"""Types of fields that people fill in: plain numbers, days, and text.

A JSON number is a number, and text never is. Forms and query strings hold text only, in which a
number has digits, a sign and a point, and nothing else.

Text is in Unicode's composed form (NFC), without blanks around it. A line has a visible letter or
digit: a joiner or a filler alone would show nothing.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from unicodedata import category, normalize

from pydantic import BeforeValidator, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError

INTEGER = re.compile(r"-?[0-9]{1,18}")
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # embeddings, overrides and isolates
REPLACEMENT = "\ufffd"  # stands for bytes that were no UTF-8
BREAKS = re.compile(r"[\t\r\n]")
FILLERS = frozenset("\u115f\u1160\u3164\uffa0")  # letters that show nothing
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _read_integer(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str) or info.mode == "json":
        return value
    if not INTEGER.fullmatch(value.strip()):
        raise PydanticKnownError("int_parsing")
    return int(value)


def _read_decimal(value: Any, info: ValidationInfo) -> Decimal:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if not isinstance(value, str) or info.mode == "json":
        raise PydanticKnownError("decimal_type")
    if not DECIMAL.fullmatch(value.strip()):
        raise PydanticKnownError("decimal_parsing")
    return Decimal(value.strip())


def _read_day(value: Any) -> Any:
    if isinstance(value, str) and not DAY.fullmatch(value.strip()):
        raise PydanticCustomError("date_parsing", "must be a date, such as 2026-11-29")
    return value


def _read_text(value: Any) -> Any:
    """Return text in NFC. Refuses controls and characters that change the direction of others."""
    if not isinstance(value, str):
        return value
    text = normalize("NFC", value).strip()
    if CONTROLS.search(text) or BIDI.search(text) or REPLACEMENT in text:
        raise PydanticCustomError("characters", "has characters that are not allowed")
    return text


def _read_line(value: Any) -> Any:
    text = _read_text(value)
    if not isinstance(text, str):
        return text
    if BREAKS.search(text):
        raise PydanticCustomError("characters", "must be one line")
    if not any(category(one)[0] in "LN" and one not in FILLERS for one in text):
        raise PydanticCustomError("nothing_visible", "must have a letter or a digit")
    return text


def _read_optional_line(value: Any) -> Any:
    return "" if isinstance(value, str) and not value.strip() else _read_line(value)


class _NumberOnly:
    """Removes the text form of a decimal from its JSON schema."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        number: dict[str, Any] = found.get("anyOf", [found])[0]
        return number


# annotations, which stand after the bounds: `Annotated[str, Field(max_length=60), LINE]`
PLAIN_INTEGER = BeforeValidator(_read_integer)
PLAIN_DECIMAL = BeforeValidator(_read_decimal)
NUMBER_ONLY = _NumberOnly()
LINE = BeforeValidator(_read_line)
OPTIONAL_LINE = BeforeValidator(_read_optional_line)
TEXT = BeforeValidator(_read_text)

type Day = Annotated[date, BeforeValidator(_read_day)]
