"""Countries by their codes and their names in English and Hindi.

`find_country("भारत")` is `"IN"`. `countries.json` has the codes of ISO 3166-1 and the names of
Unicode's CLDR; it is read with the first address.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from unicodedata import normalize

TABLE = Path(__file__).with_name("countries.json")
FIRST_SIGN, LAST_SIGN = "\u0900", "\u0963"  # of Hindi's vowels
DOT_BELOW = "\u093c"  # often left out
OTHER_NAMES = {
    "IN": ("Bharat", "Hindustan", "Republic of India", "हिंदुस्तान", "हिन्दुस्तान"),
    "US": ("America", "United States of America", "अमेरिका", "यूएसए"),
    "GB": ("UK", "Great Britain", "Britain", "England", "Scotland", "Wales", "ब्रिटेन", "इंग्लैंड"),
    "AE": ("UAE", "Emirates", "यूएई"),
    "NL": ("Holland", "The Netherlands"),
    "CZ": ("Czech Republic",),
    "KR": ("Korea", "Republic of Korea"),
    "TR": ("Turkey",),
    "MM": ("Burma",),
}
# whose addresses name the state
STATES = "AR AU BR CA CN ID IN JP MX MY NG US VE"
WITH_STATES = frozenset(STATES.split())


def find_country(text: str) -> str | None:
    """Return the ISO 3166-1 code (two letters) of a country, or None for an unknown one."""
    code = text.upper()
    return code if code in _names() else _codes().get(_key(text))


@cache
def _names() -> Mapping[str, list[str]]:
    names: dict[str, list[str]] = json.loads(TABLE.read_text())
    return names


@cache
def _codes() -> Mapping[str, str]:
    return {
        _key(name): code
        for code, names in _names().items()
        for name in (code, *names, *OTHER_NAMES.get(code, ()))
    }


def _key(text: str) -> str:
    letters = filter(_counts, normalize("NFKD", text).casefold())
    return "".join(letters).removeprefix("the")


def _counts(one: str) -> bool:
    return one.isalnum() or (FIRST_SIGN <= one <= LAST_SIGN and one != DOT_BELOW)
