"""Countries by code and name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supermarket.countries import OTHER_NAMES, TABLE, WITH_STATES, find_country
from supermarket.postal_codes import FORMS, WITHOUT_CODES

COUNTRIES: dict[str, list[str]] = json.loads(TABLE.read_text())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            (text, "IN")
            for text in ("IN", "in", "IND", "India", " INDIA ", "भारत", "Bharat", "भारत ")
        ),
        *((text, "US") for text in ("US", "U.S.", "U.S.A.", "usa", "United States of America")),
        *((text, "US") for text in ("संयुक्त राज्य", "अमेरिका", "the united states")),
        *((text, "GB") for text in ("UK", "U.K.", "Great Britain", "यूनाइटेड किंगडम")),
        *((text, "GH") for text in ("Ghana", "घाना", "gha")),
        *((text, "SG") for text in ("Singapore", "सिंगापुर")),
        ("Cote d'Ivoire", "CI"),
        ("Côte d\u2019Ivoire", "CI"),
        ("Turkey", "TR"),
        ("Türkiye", "TR"),
    ],
)
def test_a_country_is_found(text: str, code: str) -> None:
    assert find_country(text) == code


@pytest.mark.parametrize("text", ["", "X", "ZZ", "Atlantis", "भा", "--", "India and Nepal", "Indi"])
def test_another_text_is_no_country(text: str) -> None:
    assert find_country(text) is None


@given(st.sampled_from(sorted(COUNTRIES)), st.sampled_from([str.upper, str.lower, str.title]))
def test_every_country_is_found_by_each_of_its_names(code: str, change: object) -> None:
    for name in (code, *COUNTRIES[code]):
        assert find_country(name) == code
        assert find_country(f"  {change(name)}. ") == code  # type: ignore[operator] # a str method


def test_all_tables_know_the_same_countries() -> None:
    assert len(COUNTRIES) == 249
    for table in (FORMS, WITHOUT_CODES, WITH_STATES, OTHER_NAMES):
        assert set(table) <= COUNTRIES.keys()
