"""Forms of postal codes: strict for countries with a known rule, lenient for others."""

import re

LENIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{1,10}[A-Za-z0-9]")
INDIA = {"in", "ind", "india"}
UNITED_STATES = {"us", "u.s.", "usa", "u.s.a.", "united states", "united states of america"}
POSTAL_CODE_OF = {
    **dict.fromkeys(INDIA, re.compile(r"[0-9]{6}")),
    **dict.fromkeys(UNITED_STATES, re.compile(r"[0-9]{5}(-[0-9]{4})?")),
}


def is_postal_code(text: str, country: str) -> bool:
    """Return whether `text` has the form of a postal code of `country` (name or ISO code)."""
    form = POSTAL_CODE_OF.get(country.strip().casefold(), LENIENT)
    return form.fullmatch(text) is not None
