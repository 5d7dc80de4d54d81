"""People as several domains and the events describe them: where they live and how to reach them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from supermarket.errors import FieldError, Invalid


@dataclass(frozen=True)
class Recipient:
    """Whom a mail about this goes to, so that notification reads no other domain's table."""

    user_id: str
    email: str
    first_name: str


@dataclass(frozen=True)
class Address:
    """Where an order goes."""

    street: str
    city: str
    state: str
    zip: str
    country: str

    def __str__(self) -> str:
        region = f"{self.state} {self.zip}".strip()
        return ", ".join(filter(None, (self.street, self.city, region, self.country)))

    def with_changes(self, changes: Mapping[str, str]) -> Self:
        """Return this address with some of its fields replaced.

        Raises Invalid when the country is unknown, and when state or postal code do not fit it.
        """
        # imported here: events have addresses as well, and change none
        from supermarket.countries import WITH_STATES, find_country
        from supermarket.postal_codes import normalise_postal_code

        changed = replace(self, **changes)
        country = find_country(changed.country)
        if country is None:
            raise _invalid(FieldError("country", "must be a country", "COUNTRY"))
        if not changed.state and country in WITH_STATES:
            raise _invalid(FieldError("state", "is required in this country", "STATE"))
        code = normalise_postal_code(changed.zip, country)
        if code is None:
            words = "must be a postal code of this country"
            raise _invalid(FieldError("zip", words, "POSTAL_CODE"))
        return replace(changed, country=country, zip=code)


def _invalid(fault: FieldError) -> Invalid:
    return Invalid("The address is not valid", (fault,))
