"""Addresses in request bodies and responses."""

from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from supermarket.countries import WITH_STATES, find_country
from supermarket.field_types import LINE, OPTIONAL_LINE
from supermarket.people import NO_PHONE, Address
from supermarket.phones import HOME, normalise_phone
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
type RecipientName = Annotated[str, StringConstraints(max_length=120), OPTIONAL_LINE]
type Phone = Annotated[str, StringConstraints(max_length=40)]

ZIP = AliasChoices("zip", "pincode")


class AddressRequest(Body):
    """A whole address. The state and the postal code, `zip` or `pincode`, may be missing where the
    country has none; the postal code must fit the country. A phone number without a country code
    is one of the address's country.
    """

    street: Line
    city: Line
    country: Country
    state: State = Field(default="", validate_default=True)
    zip: Zip = Field(default="", validate_default=True, validation_alias=ZIP)
    name: RecipientName | None = None
    phone: Phone | None = None

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

    @field_validator("phone")
    @classmethod
    def _is_a_phone_number(cls, text: str | None, info: ValidationInfo) -> str | None:
        if not text:
            return None
        if number := normalise_phone(text, info.data.get("country", HOME)):
            return number
        raise PydanticCustomError("phone", NO_PHONE)

    def address(self) -> Address:
        place = (self.street, self.city, self.state, self.zip, self.country)
        return Address(*place, self.name or None, self.phone)


class AddressChanges(Body):
    """The fields of an address to replace; a blank name or phone is removed."""

    street: Line | None = None
    city: Line | None = None
    state: State | None = None
    zip: Zip | None = Field(default=None, validation_alias=ZIP)
    country: Country | None = None
    name: RecipientName | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        given = self.model_dump(exclude_unset=True)
        if not given or None in given.values():
            raise PydanticCustomError("nothing_given", "at least one field is needed, none null")
        return self

    def changes(self) -> dict[str, str]:
        return self.model_dump(include=set(AddressChanges.model_fields), exclude_unset=True)


class AddressView(View):
    """An address."""

    street: str
    city: str
    state: str
    zip: str
    country: str
    name: str | None
    phone: str | None
