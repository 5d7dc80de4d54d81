"""Postal codes: normalises what people write, and knows the forms of many countries.

`normalise_postal_code("५६० ००१", "IN")` is `"560001"`. Countries without a rule here are lenient;
some have no postal codes at all.
"""

import re
from unicodedata import decimal, normalize

# compiled on first use, not by the functions that import this module
SEPARATORS = r"[\s.\-\u2010-\u2015\u2212\u30fc]+"
LENIENT = r"[A-Z0-9][A-Z0-9 -]{0,10}[A-Z0-9]"
FOUR_DIGITS = "AM AT AU BD BE BG CH CY DK GE HU LU LV NO NZ PH SI TN ZA"
FIVE_DIGITS = "DE EE EG ES FI FR HR ID IT KE KR KW LK LT MA MX MY NP PK RS TH TR UA"
SIX_DIGITS = "BY CN CO KG KZ NG RO RU SG UZ"
NO_CODES = (
    "AE AG AO AW BF BI BJ BO BS BW BZ CD CF CG CI CK CM DJ DM ER FJ GA GD GH GM GQ GY HK JM KI KM"
    " KN KP LY ML MO MR MW NR NU QA RW SB SC SL SR SS ST SY TD TG TK TL TO TV UG VU YE ZW"
)

# the parts of a code, without what separates them; a code begins with its country at times: LV-1010
FORMS = {
    "IN": r"([1-9]\d{5})",
    "GB": r"([A-Z]{1,2}\d[A-Z\d]?)(\d[A-Z]{2})",
    "IE": r"([A-Z]\d[\dW])([A-Z\d]{4})",
    "CA": r"([A-Z]\d[A-Z])(\d[A-Z]\d)",
    "NL": r"([1-9]\d{3})([A-Z]{2})",
    "US": r"(\d{5})(\d{4})?",
    "JP": r"(\d{3})(\d{4})",
    "BR": r"(\d{5})(\d{3})",
    "PL": r"(\d{2})(\d{3})",
    "PT": r"(\d{4})(\d{3})",
    "SA": r"(\d{5})(\d{4})?",
    "TW": r"(\d{3}(?:\d{2,3})?)",
    "IL": r"(\d{5}(?:\d{2})?)",
    "IR": r"(\d{5})(\d{5})",
    "VN": r"(\d{5,6})",
    **dict.fromkeys(("SE", "CZ", "SK", "GR"), r"(\d{3})(\d{2})"),
    **dict.fromkeys(FOUR_DIGITS.split(), r"(\d{4})"),
    **dict.fromkeys(FIVE_DIGITS.split(), r"(\d{5})"),
    **dict.fromkeys(SIX_DIGITS.split(), r"(\d{6})"),
}
BETWEEN = dict.fromkeys(("GB", "IE", "CA", "NL", "SE", "CZ", "SK", "GR"), " ")
WITHOUT_CODES = frozenset(NO_CODES.split())


def normalise_postal_code(text: str, country: str) -> str | None:
    """Return a postal code of a country (its ISO code) in the usual form, or None when it has
    another form. Without a text it is empty where there are no postal codes.
    """
    written = _plain(text)
    if not written:
        return "" if country in WITHOUT_CODES else None
    if country not in FORMS:
        return written if re.fullmatch(LENIENT, written) else None
    code = re.sub(SEPARATORS, "", written)
    found = re.fullmatch(FORMS[country], code.removeprefix(country), re.ASCII)
    return BETWEEN.get(country, "-").join(filter(None, found.groups())) if found else None


def _plain(text: str) -> str:
    """Return text with ASCII digits, capitals, and single blanks and dashes."""
    digits = (str(decimal(one, one)) for one in normalize("NFKC", text).upper())
    joined = "".join(digits).strip()
    return re.sub(SEPARATORS, lambda found: " " if found[0].isspace() else "-", joined)
