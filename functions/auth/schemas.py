"""Request bodies and views of auth."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from auth.authentication import Registration
from auth.model import AddressBook, Device, FullName, SavedAddress, User, is_reserved
from supermarket import address_schemas
from supermarket.address_schemas import AddressChanges, AddressRequest, Phone
from supermarket.caller import Role, Status
from supermarket.clock import creation_time
from supermarket.field_types import LINE, OPTIONAL_LINE
from supermarket.people import NO_PHONE
from supermarket.phones import normalise_phone
from supermarket.public_keys import PublicKey
from supermarket.schemas import Body, Message, Timestamp, View


def _normalised_email(text: str) -> str:
    """Normalise an address: lower case, and an ASCII domain."""
    # imported here: its tables load slowly, and most endpoints need none
    from email_validator import EmailNotValidError, validate_email

    try:
        # its own message would repeat the input; .test domains are allowed for trials
        address = validate_email(
            text,
            check_deliverability=False,
            allow_smtputf8=False,
            test_environment=True,
            strict=True,  # at most 64 characters before the @, as RFC 5321 says
        )
    except EmailNotValidError:
        raise PydanticCustomError("email", "must be an email address") from None
    return str(address.ascii_email).lower()


def _normalised_phone(text: str) -> str:
    if not text:
        return ""
    if number := normalise_phone(text):
        return number
    raise PydanticCustomError("phone", NO_PHONE)


def _not_reserved(username: str) -> str:
    if is_reserved(username):
        raise PydanticCustomError("username_reserved", "is reserved. Choose another username.")
    return username


type Email = Annotated[str, Field(max_length=254), AfterValidator(_normalised_email)]
type Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{3,30}$")]
type FirstName = Annotated[str, StringConstraints(min_length=1, max_length=60), LINE]
type LastName = Annotated[str, StringConstraints(max_length=60), OPTIONAL_LINE]

# white space is part of a password
type NewPassword = Annotated[
    str, StringConstraints(min_length=8, max_length=128, strip_whitespace=False)
]
type GivenPassword = Annotated[str, StringConstraints(max_length=1024, strip_whitespace=False)]
type Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]
type LinkToken = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class FullNameRequest(Body):
    """`{"firstName": "Asha", "lastName": "Rao"}`; many people have one name."""

    first_name: FirstName
    last_name: LastName = ""

    def full_name(self) -> FullName:
        return FullName(self.first_name, self.last_name)


class AccountRequest(Body):
    """The fields of every new account."""

    username: Username
    email: Email
    password: NewPassword = Field(repr=False)
    full_name: FullNameRequest

    def registration(self, role: Role) -> Registration:
        name = self.full_name.full_name()
        return Registration(self.username, self.email, self.password, name, role)


class RegisterRequest(AccountRequest):
    """A registration; admins are created by an operator's command."""

    username: Annotated[Username, AfterValidator(_not_reserved)]
    role: Literal["user", "seller"] = "user"


class LoginRequest(Body):
    """Email or username (the email is used when both are given), and the password."""

    email: Email | None = None
    username: Annotated[str, StringConstraints(max_length=254)] | None = None
    password: GivenPassword = Field(repr=False)

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.email is None and self.username is None:
            raise PydanticCustomError("name_missing", "email or username is required")
        return self


class CompleteLoginRequest(Body):
    """The token of the first step, and a code of the app or a recovery code."""

    mfa_token: Annotated[str, StringConstraints(max_length=200)] = Field(repr=False)
    code: Code = Field(repr=False)


class CodeRequest(Body):
    """A code of the app."""

    code: Code = Field(repr=False)


class RemoveTotpRequest(Body):
    """The password, and a code of the app or a recovery code."""

    password: GivenPassword = Field(repr=False)
    code: Code = Field(repr=False)


class RefreshRequest(Body):
    """The refresh token, for clients that do not send it as a cookie."""

    refresh_token: Annotated[str, StringConstraints(max_length=128)] | None = Field(
        default=None, repr=False
    )


class MailLinkRequest(Body):
    """The address for a mail with a link."""

    email: Email


class ResetPasswordRequest(Body):
    """The token of a mailed link, and the new password."""

    token: LinkToken = Field(repr=False)
    password: NewPassword = Field(repr=False)


class ChangePasswordRequest(Body):
    """The current and the new password."""

    current_password: GivenPassword = Field(repr=False)
    new_password: NewPassword = Field(repr=False)


class ChangeEmailRequest(Body):
    """Another address, and the password."""

    email: Email
    password: GivenPassword = Field(repr=False)


class LinkRequest(Body):
    """The token of a mailed link."""

    token: LinkToken = Field(repr=False)


class AddAddressRequest(AddressRequest):
    """A new address."""

    is_default: bool = False

    def saved_address(self, address_id: str) -> SavedAddress:
        return SavedAddress(**vars(self.address()), id=address_id)


class ChangeAddressRequest(AddressChanges):
    """The fields of an address to replace. `isDefault` makes it the default; false has no effect,
    since a book has a default.
    """

    is_default: bool | None = None


class ChangeProfileRequest(Body):
    """The fields of the profile to replace; a blank phone number is removed."""

    full_name: FullNameRequest | None = None
    phone: Annotated[Phone, AfterValidator(_normalised_phone)] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if not given or None in given.values():
            raise PydanticCustomError("nothing_given", "at least one field is needed, none null")
        return self


class FullNameView(View):
    """A name in two parts."""

    first_name: str = Field(validation_alias="first")
    last_name: str = Field(validation_alias="last")


class UserView(View):
    """An account as its owner sees it."""

    id: str
    username: str
    email: str
    email_verified: bool
    full_name: FullNameView
    phone: str | None
    role: Role
    status: Status
    mfa: list[str]
    created_at: Timestamp

    @classmethod
    def of(cls, user: User) -> Self:
        return cls.model_validate(user)


class SignInResponse(Message):
    """A signed-in user and the tokens, which expire in so many seconds."""

    user: UserView
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int


class SecondStepResponse(View):
    """The password was right. The token and a code of one of the methods complete the sign-in."""

    mfa_required: Literal[True] = True
    mfa_token: str
    methods: list[str]


class EnrolTotpResponse(View):
    """The secret for an app, as text, as an address for the app, and as its QR code: the data URI
    of an SVG image.
    """

    secret: str
    uri: str
    qr: str


class RecoveryCodesResponse(View):
    """Codes for sign-ins without the app; each works once."""

    recovery_codes: list[str]


class SessionView(View):
    """A session: `client` is the user agent at sign-in, `last_used_at` the time of the sign-in or
    of the latest refresh.
    """

    id: str
    current: bool
    created_at: Timestamp
    last_used_at: Timestamp
    client: str

    @classmethod
    def of(cls, device: Device, current_id: str) -> Self:
        return cls(
            id=device.session_id,
            current=device.session_id == current_id,
            created_at=creation_time(device.session_id),
            last_used_at=device.refreshed_at,
            client=device.client,
        )


class SessionsResponse(View):
    """The caller's open sessions, latest sign-in first; there are at most 100."""

    sessions: list[SessionView]


class JwkView(View):
    """A public key (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str
    x: str


class JwksResponse(View):
    """The keys that verify access tokens, for services that read them."""

    keys: list[JwkView]

    @classmethod
    def of(cls, keys: Iterable[PublicKey]) -> Self:
        return cls(keys=[JwkView(kid=key.id, x=key.x) for key in keys])


class MeResponse(View):
    """The caller's own account."""

    user: UserView


class AddressView(address_schemas.AddressView):
    """An address of the book."""

    id: str
    version: int
    is_default: bool

    @classmethod
    def of(cls, address: SavedAddress, book: AddressBook) -> Self:
        return cls(**vars(address), is_default=address.id == book.default_id)


class AddressBookResponse(View):
    """The whole address book, which is short and has no pages."""

    addresses: list[AddressView]
    default_address_id: str | None

    @classmethod
    def of(cls, book: AddressBook) -> Self:
        addresses = [AddressView.of(address, book) for address in book.addresses]
        return cls(addresses=addresses, default_address_id=book.default_id)


class AddAddressResponse(AddressBookResponse):
    """The new address and the whole book."""

    message: str
    address: AddressView
