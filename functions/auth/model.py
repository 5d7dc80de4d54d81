"""Accounts, mailed links and address books, and their rules."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from supermarket.caller import Role, Standing, Status
from supermarket.clock import is_id
from supermarket.errors import Conflict, NotFound
from supermarket.people import Address

MAX_ADDRESSES = 20
SHORTEST_PERSONAL_WORD = 3  # shorter ones are part of many other words
SHOP = ("supermarket", "super-market", "super market")
RESERVED_USERNAMES = {
    *("admin", "administrator", "moderator", "operator", "owner", "root", "staff", "sysadmin"),
    *("abuse", "billing", "contact", "help", "helpdesk", "hostmaster", "info", "mail", "noreply"),
    *("official", "postmaster", "privacy", "security", "service", "support", "system", "webmaster"),
    *("payment", "payments", "razorpay", "refund", "refunds", "seller", "sellers", "shop", "store"),
    *("anonymous", "api", "guest", "me", "null", "supermarket", "undefined", "user", "username"),
}


@dataclass(frozen=True)
class FullName:
    """The name of a person."""

    first: str
    last: str


UNDO_PERIOD = timedelta(hours=72)


@dataclass(frozen=True)
class EmailUndo:
    """The address that an account had, and until when it can be restored."""

    email: str
    until: datetime


@dataclass(frozen=True)
class User:
    """A person with an account; `email` is in lower case, `username` as registered, `phone` in
    E.164.
    """

    id: str
    username: str
    email: str
    full_name: FullName
    role: Role
    created_at: datetime
    email_verified: bool = False
    status: Status = Status.ACTIVE
    phone: str | None = None
    standing_revision: int = 0  # counts the changes of role and status
    email_undo: EmailUndo | None = None
    mfa: tuple[str, ...] = ()  # the methods of the second step of a sign-in

    def with_email(self, email: str, now: datetime) -> User:
        """Return the user with another address, which is proven. If the present one is proven as
        well, it can be restored for a while; further changes within this time do not replace it,
        so that a thief cannot get rid of the owner's address by changing it twice.
        """
        undo = self.email_undo
        if undo is None or undo.until <= now:
            undo = EmailUndo(self.email, now + UNDO_PERIOD) if self.email_verified else None
        if undo and undo.email == email:
            undo = None
        return replace(self, email=email, email_verified=True, email_undo=undo)

    @property
    def standing(self) -> Standing:
        return Standing(self.role, self.status, has_second_factor=bool(self.mfa))

    @property
    def mail_name(self) -> str:
        """The first name for mails; empty until the address is known to be the person's."""
        return self.full_name.first if self.email_verified else ""

    @property
    def personal_words(self) -> tuple[str, ...]:
        """Words that a stranger would try in this person's password, in lower case."""
        names = (self.username, self.email.partition("@")[0], self.full_name.first)
        words = (*(name.lower() for name in names), *SHOP)
        return tuple(word for word in words if len(word) >= SHORTEST_PERSONAL_WORD)


@dataclass(frozen=True)
class UserPage:
    """A page of users, newest first; the next one begins before the id `next_before`."""

    users: tuple[User, ...]
    next_before: str | None


def is_reserved(username: str) -> bool:
    """Return whether a username would pass for the shop's own, such as `Admin_1`, or is no word."""
    letters = "".join(filter(str.isalpha, username.lower()))
    return letters in RESERVED_USERNAMES or not any(map(str.isalnum, username))


@dataclass(frozen=True)
class Account:
    """A user and the password hash, which never leaves this domain."""

    user: User
    password_hash: str = field(repr=False)

    def needs_link(self, purpose: Purpose, email: str) -> bool:
        """Return whether a link with this purpose, mailed to `email`, would have an effect."""
        user = self.user
        if purpose is Purpose.EMAIL_CHANGE:
            return email != user.email
        if purpose is Purpose.EMAIL_UNDO:
            return user.email_undo is not None and user.email_undo.email == email
        is_verified = purpose is Purpose.EMAIL_VERIFICATION and user.email_verified
        return email == user.email and not is_verified


class Purpose(StrEnum):
    """The purpose of a mailed link."""

    EMAIL_VERIFICATION = "email-verification"
    PASSWORD_RESET = "password-reset"  # noqa: S105 - a purpose, no password
    EMAIL_CHANGE = "email-change"
    EMAIL_UNDO = "email-undo"

    @property
    def lifetime(self) -> timedelta:
        return LINK_LIFETIMES[self]


LINK_LIFETIMES = {
    Purpose.EMAIL_VERIFICATION: timedelta(hours=48),
    Purpose.PASSWORD_RESET: timedelta(minutes=30),
    Purpose.EMAIL_CHANGE: timedelta(hours=48),
    Purpose.EMAIL_UNDO: UNDO_PERIOD,
}


# how many mails with links one asker (a client address, or a known device) can have sent to one
# address in a period, and how many all askers can that are no known device
MAX_MAILS = {timedelta(hours=1): 5, timedelta(days=1): 10}
MAX_MAILS_OF_STRANGERS = {timedelta(hours=1): 15, timedelta(days=1): 30}


@dataclass(frozen=True)
class Link:
    """A mailed link; its token is stored only as a digest.

    `account_fingerprint` identifies the state of the account when the link was created: a change of
    the email address invalidates the link, and a change of the password invalidates a reset and a
    change of the address. A link to undo a change works as long as the undo is possible. `email` is
    the address that the link is mailed to.
    """

    token_digest: str
    purpose: Purpose
    user_id: str
    account_fingerprint: str
    expires_at: datetime
    email: str

    @classmethod
    def to(
        cls,
        account: Account,
        purpose: Purpose,
        token: str,
        now: datetime,
        email: str | None = None,
    ) -> Link:
        """Return a link to `account` with `token`, by default mailed to its address."""
        return cls(
            token_digest=digest(token),
            purpose=purpose,
            user_id=account.user.id,
            account_fingerprint=_account_fingerprint(account, purpose),
            expires_at=now + purpose.lifetime,
            email=email or account.user.email,
        )

    def is_valid_for(self, account: Account, now: datetime) -> bool:
        """Return whether the link has not expired and the account has not changed."""
        fingerprint = _account_fingerprint(account, self.purpose)
        matches = self.user_id == account.user.id and self.account_fingerprint == fingerprint
        if self.purpose is Purpose.EMAIL_UNDO:
            undo = account.user.email_undo
            matches &= undo is not None and undo.email == self.email and now < undo.until
        return matches and now < self.expires_at


def digest(text: str) -> str:
    """Return the SHA-256 of a random token or an address in hex, which does not reveal it."""
    return sha256(text.encode()).hexdigest()


def _account_fingerprint(account: Account, purpose: Purpose) -> str:
    if purpose is Purpose.EMAIL_UNDO:
        undo = account.user.email_undo
        return digest(f"{undo.email}\n{undo.until.isoformat()}" if undo else "")
    is_about_address = purpose is Purpose.EMAIL_VERIFICATION
    secret = "" if is_about_address else account.password_hash
    return digest(f"{account.user.email}\n{secret}")


# parallel tabs send the same refresh token; it works for so long after the first use
REFRESH_TOLERANCE = timedelta(seconds=10)


@dataclass(frozen=True)
class RefreshToken:
    """The token of a session that yields access tokens: `<user id>.<session id>.<secret>`."""

    user_id: str
    session_id: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """Return the token of a text; None when the text has another form."""
        user_id, _, rest = text.partition(".")
        session_id, _, secret = rest.partition(".")
        return cls(user_id, session_id, secret) if is_id(user_id) and is_id(session_id) else None

    def __str__(self) -> str:
        return f"{self.user_id}.{self.session_id}.{self.secret}"

    @property
    def digest(self) -> str:
        return digest(str(self))

    def successor(self, salt: str) -> RefreshToken:
        """Return the next token of the session, which only this one and the salt yield together."""
        secret = hmac.digest(self.secret.encode(), salt.encode(), "sha256")
        return replace(self, secret=urlsafe_b64encode(secret).decode().rstrip("="))


@dataclass(frozen=True)
class Device:
    """A device on which a person is signed in. `client` is its user agent; its refresh token, and
    the one before, are digests. `salt` derives the token from the one before.
    """

    session_id: str
    user_id: str
    client: str
    refreshed_at: datetime
    token_digest: str
    previous_digest: str | None = None
    salt: str | None = field(default=None, repr=False)

    def has(self, token: RefreshToken) -> bool:
        """Return whether this is the present token."""
        return self.token_digest == token.digest

    def tolerates(self, token: RefreshToken, now: datetime) -> bool:
        """Return whether the token was replaced so recently that another tab may send it."""
        is_previous = self.previous_digest == token.digest
        return is_previous and now < self.refreshed_at + REFRESH_TOLERANCE

    def rotate(self, token: RefreshToken, salt: str, now: datetime) -> Device:
        """Return the device with the successor of its token."""
        return replace(
            self,
            refreshed_at=now,
            token_digest=token.successor(salt).digest,
            previous_digest=token.digest,
            salt=salt,
        )


@dataclass(frozen=True, kw_only=True)
class SavedAddress(Address):
    """An address of a book; `version` counts its changes."""

    id: str
    version: int = 1

    @property
    def address(self) -> Address:
        """The address without its id."""
        place = (self.street, self.city, self.state, self.zip, self.country)
        return Address(*place, self.name, self.phone)


@dataclass(frozen=True)
class AddressBook:
    """The addresses of a person, oldest first; `version` counts changes."""

    user_id: str
    addresses: tuple[SavedAddress, ...] = ()
    default_id: str | None = None
    version: int = 0

    def find(self, address_id: str) -> SavedAddress:
        """Return an address. Raises NotFound."""
        for address in self.addresses:
            if address.id == address_id:
                return address
        raise NotFound("Address not found")

    def add(self, address: SavedAddress, *, make_default: bool) -> AddressBook:
        """Return the book with another address; the first one is always the default."""
        if len(self.addresses) >= MAX_ADDRESSES:
            raise Conflict(f"An address book has at most {MAX_ADDRESSES} addresses")
        default_id = address.id if make_default or not self.addresses else self.default_id
        return replace(self, addresses=(*self.addresses, address), default_id=default_id)

    def change(
        self, address_id: str, changes: Mapping[str, str], *, make_default: bool
    ) -> AddressBook:
        """Return the book with fields of an address replaced. Raises NotFound, and Invalid when
        they do not fit together.
        """
        found = self.find(address_id)
        changed = replace(found.with_changes(changes), version=found.version + 1)
        addresses = tuple(changed if each is found else each for each in self.addresses)
        default_id = address_id if make_default else self.default_id
        return replace(self, addresses=addresses, default_id=default_id)

    def remove(self, address_id: str) -> AddressBook:
        """Return the book without an address; the oldest one left replaces a removed default."""
        removed = self.find(address_id)
        left = tuple(address for address in self.addresses if address is not removed)
        default_id = self.default_id
        if default_id == address_id:
            default_id = left[0].id if left else None
        return replace(self, addresses=left, default_id=default_id)
