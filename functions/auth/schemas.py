"""What auth's endpoints take and show."""

from typing import Annotated, Literal, Self

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

from auth.model import Address, AddressBook, FullName, User
from auth.service import Registration
from supermarket.caller import Role
from supermarket.postal_codes import is_postal_code
from supermarket.schemas import Body, Message, Timestamp, View

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # a name must not break out of a mail's line
PHONE = r"^\+?[0-9]([ -]?[0-9]){6,14}$"


def _normalised_email(text: str) -> str:
    """The one spelling of an address: lower case, and a domain as it goes over the wire."""
    # imported here: its tables take longer to load than the rest of an endpoint that needs none
    from email_validator import EmailNotValidError, validate_email

    try:
        # its own words would repeat what was sent; .test is let in, since people try things with it
        address = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, test_environment=True
        )
    except EmailNotValidError:
        raise PydanticCustomError("email", "not an email address") from None
    return str(address.ascii_email).lower()


type Email = Annotated[str, Field(max_length=254), AfterValidator(_normalised_email)]
type Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{3,30}$")]
type Line = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=PRINTABLE)]
type GivenName = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=PRINTABLE)]

# blanks belong to a password as much as any other character
type NewPassword = Annotated[
    str, StringConstraints(min_length=8, max_length=128, strip_whitespace=False)
]
type GivenPassword = Annotated[str, StringConstraints(max_length=1024, strip_whitespace=False)]
type LinkToken = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class FullNameBody(Body):
    """`{"firstName": "Asha", "lastName": "Rao"}`."""

    first_name: GivenName
    last_name: GivenName


class NewAccount(Body):
    """What every account begins with."""

    username: Username
    email: Email
    password: NewPassword = Field(repr=False)
    full_name: FullNameBody

    def registration(self, role: Role) -> Registration:
        name = FullName(self.full_name.first_name, self.full_name.last_name)
        return Registration(self.username, self.email, self.password, name, role)


class Register(NewAccount):
    """Admins are made by a command, never registered."""

    role: Literal["user", "seller"] = "user"


class Login(Body):
    """Who, by either name (the email decides where both are given), and the password."""

    email: Email | None = None
    username: Annotated[str, StringConstraints(max_length=254)] | None = None
    password: GivenPassword = Field(repr=False)

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.email is None and self.username is None:
            raise PydanticCustomError("name_missing", "email or username is needed")
        return self


class LinkRequest(Body):
    """Where a mail with a link is to go."""

    email: Email


class PasswordReset(Body):
    """The token of a mailed link, and the new password."""

    token: LinkToken = Field(repr=False)
    password: NewPassword = Field(repr=False)


class PasswordChange(Body):
    """The present password and the new one."""

    current_password: GivenPassword = Field(repr=False)
    new_password: NewPassword = Field(repr=False)


class EmailVerification(Body):
    """The token of a mailed link."""

    token: LinkToken = Field(repr=False)


class NewAddress(Body):
    """An address to be saved; the postal code may be called `zip` or `pincode`."""

    street: Line
    city: Line
    state: Line
    country: Annotated[str, StringConstraints(min_length=2, max_length=60, pattern=PRINTABLE)]
    zip: str = Field(validation_alias=AliasChoices("zip", "pincode"), max_length=12)
    phone: Annotated[str, StringConstraints(pattern=PHONE)] | None = None
    is_default: bool = False

    @field_validator("zip")
    @classmethod
    def _fits_the_country(cls, text: str, info: ValidationInfo) -> str:
        if not is_postal_code(text, info.data.get("country", "")):
            raise PydanticCustomError("postal_code", "not a postal code of this country")
        return text

    def address(self, address_id: str) -> Address:
        return Address(
            id=address_id,
            street=self.street,
            city=self.city,
            state=self.state,
            zip=self.zip,
            country=self.country,
            phone=self.phone,
        )


class FullNameView(View):
    """A name in two parts."""

    first_name: str
    last_name: str


class UserView(View):
    """What an account's owner gets to see of it."""

    id: str
    username: str
    email: str
    email_verified: bool
    full_name: FullNameView
    role: Role
    created_at: Timestamp

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            username=user.username,
            email=user.email,
            email_verified=user.email_verified,
            full_name=FullNameView(first_name=user.full_name.first, last_name=user.full_name.last),
            role=user.role,
            created_at=user.created_at,
        )


class Registered(Message):
    """The answer to a registration."""

    user: UserView


class SignedIn(Message):
    """The answer to a login; `expires_in` counts seconds."""

    user: UserView
    access_token: str
    expires_in: int


class Me(View):
    """The caller's own account."""

    user: UserView


class AddressView(View):
    """An address of the book."""

    id: str
    street: str
    city: str
    state: str
    zip: str
    country: str
    phone: str | None
    is_default: bool

    @classmethod
    def of(cls, address: Address, book: AddressBook) -> Self:
        return cls(**vars(address), is_default=address.id == book.default_id)


class AddressBookView(View):
    """The whole book; it is short, so it has no pages."""

    addresses: list[AddressView]
    default_address_id: str | None

    @classmethod
    def of(cls, book: AddressBook) -> Self:
        return cls(
            addresses=[AddressView.of(address, book) for address in book.addresses],
            default_address_id=book.default_id,
        )


class AddressAdded(AddressBookView):
    """The new address, and the book it is in now."""

    message: str
    address: AddressView
