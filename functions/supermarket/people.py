"""People as several domains and the events describe them: where they live and how to reach them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from supermarket.errors import FieldError, Invalid
from supermarket.postal_codes import is_postal_code


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
        return f"{self.street}, {self.city}, {self.state} {self.zip}, {self.country}"

    def with_changes(self, changes: Mapping[str, str]) -> Self:
        """Return this address with some of its fields replaced.

        Raises Invalid when the postal code does not fit the country.
        """
        changed = replace(self, **changes)
        if not is_postal_code(changed.zip, changed.country):
            fault = FieldError("zip", "not a postal code of this country")
            raise Invalid("The address is not valid", (fault,))
        return changed
