"""Addresses in request bodies and responses."""

from typing import Annotated

from pydantic import StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from supermarket.field_types import LINE
from supermarket.people import Address
from supermarket.postal_codes import is_postal_code
from supermarket.schemas import Body, View

type Line = Annotated[str, StringConstraints(min_length=1, max_length=120), LINE]
type Country = Annotated[str, StringConstraints(min_length=2, max_length=60), LINE]
type Zip = Annotated[str, StringConstraints(min_length=1, max_length=12)]


class AddressRequest(Body):
    """A whole address; the postal code must fit the country."""

    street: Line
    city: Line
    state: Line
    country: Country
    zip: Zip

    @field_validator("zip")
    @classmethod
    def _fits_the_country(cls, text: str, info: ValidationInfo) -> str:
        if not is_postal_code(text, info.data.get("country", "")):
            raise PydanticCustomError("postal_code", "not a postal code of this country")
        return text

    def address(self) -> Address:
        return Address(self.street, self.city, self.state, self.zip, self.country)


class AddressView(View):
    """An address."""

    street: str
    city: str
    state: str
    zip: str
    country: str
