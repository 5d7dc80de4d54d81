"""Addresses in request bodies and responses."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from supermarket.countries import WITH_STATES, find_country
from supermarket.field_types import LINE, OPTIONAL_LINE
from supermarket.people import Address
from supermarket.postal_codes import normalise_postal_code
from supermarket.schemas import Body, View


def _known_country(text: str) -> str:
    if code := find_country(text):
        return code
    raise PydanticCustomError("country", "must be a country: its code or its name")


type Line = Annotated[str, StringConstraints(min_length=1, max_length=120), LINE]
type State = Annotated[str, StringConstraints(max_length=120), OPTIONAL_LINE]
type Country = Annotated[
    str, StringConstraints(min_length=2, max_length=60), LINE, AfterValidator(_known_country)
]
type Zip = Annotated[str, StringConstraints(max_length=20), OPTIONAL_LINE]


ZIP = AliasChoices("zip", "pincode")


class AddressRequest(Body):
    """A whole address. The state and the postal code, `zip` or `pincode`, may be missing where the
    country has none; the postal code must fit the country.
    """

    street: Line
    city: Line
    country: Country
    state: State = Field(default="", validate_default=True)
    zip: Zip = Field(default="", validate_default=True, validation_alias=ZIP)

    @field_validator("state")
    @classmethod
    def _is_given_where_there_are_states(cls, text: str, info: ValidationInfo) -> str:
        if not text and info.data.get("country") in WITH_STATES:
            raise PydanticCustomError("state", "is required in this country")
        return text

    @field_validator("zip")
    @classmethod
    def _fits_the_country(cls, text: str, info: ValidationInfo) -> str:
        if (country := info.data.get("country")) is None:
            return text
        if (code := normalise_postal_code(text, country)) is None:
            raise PydanticCustomError("postal_code", "must be a postal code of this country")
        return code

    def address(self) -> Address:
        return Address(self.street, self.city, self.state, self.zip, self.country)


class AddressView(View):
    """An address."""

    street: str
    city: str
    state: str
    zip: str
    country: str
