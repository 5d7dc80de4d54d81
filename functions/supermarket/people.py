"""People as several domains and the events describe them: where they live and how to reach them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from supermarket.errors import FieldError, Invalid

NO_PHONE = "must be a phone number, such as +91 98765 43210"


@dataclass(frozen=True)
class Recipient:
    """Whom a mail about this goes to, so that notification reads no other domain's table.

    Mails have the name only when `email_verified`: before that, the owner of the address may be
    another person, and the name is the words of a stranger.
    """

    user_id: str
    email: str
    first_name: str
    email_verified: bool = False


@dataclass(frozen=True)
class Address:
    """Where an order goes, and who receives it if that is known; `phone` is in E.164."""

    street: str
    city: str
    state: str
    zip: str
    country: str
    name: str | None = None
    phone: str | None = None

    def __str__(self) -> str:
        region = f"{self.state} {self.zip}".strip()
        return ", ".join(filter(None, (self.street, self.city, region, self.country)))

    def with_changes(self, changes: Mapping[str, str]) -> Self:
        """Return this address with some of its fields replaced; a blank name or phone is removed.

        Raises Invalid when the country is unknown, and when another field does not fit it.
        """
        # imported here: events have addresses as well, and change none
        from supermarket.countries import WITH_STATES, find_country
        from supermarket.phones import normalise_phone
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
        phone = changed.phone or None
        if phone and "phone" in changes:
            phone = normalise_phone(phone, country)
            if phone is None:
                raise _invalid(FieldError("phone", NO_PHONE, "PHONE"))
        return replace(changed, country=country, zip=code, name=changed.name or None, phone=phone)

    def without_recipient(self) -> Self:
        """Return what may be known of the address by those who send nothing to it."""
        return replace(self, street="", name=None, phone=None)


def _invalid(fault: FieldError) -> Invalid:
    return Invalid("The address is not valid", (fault,))
