"""Forms of postal codes: strict for countries with a known rule, lenient for others."""

import re

LENIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{1,10}[A-Za-z0-9]")
POSTAL_CODE_OF = {
    "IN": re.compile(r"[0-9]{6}"),
    "US": re.compile(r"[0-9]{5}(-[0-9]{4})?"),
}
COUNTRY_CODES = {
    "in": "IN",
    "ind": "IN",
    "india": "IN",
    "us": "US",
    "u.s.": "US",
    "usa": "US",
    "u.s.a.": "US",
    "united states": "US",
    "united states of america": "US",
}


def is_postal_code(text: str, country: str) -> bool:
    """Return whether `text` has the form of a postal code of `country` (name or ISO code)."""
    code = COUNTRY_CODES.get(country.strip().casefold(), "")
    return POSTAL_CODE_OF.get(code, LENIENT).fullmatch(text) is not None
