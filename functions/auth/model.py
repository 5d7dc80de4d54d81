"""Accounts and address books: what they are, and the rules they keep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from supermarket.caller import Role
from supermarket.errors import Conflict, NotFound

MAX_ADDRESSES = 20


@dataclass(frozen=True)
class FullName:
    """How a person is addressed."""

    first: str
    last: str


@dataclass(frozen=True)
class User:
    """A person with an account; `email` is in lower case, `username` as it was typed."""

    id: str
    username: str
    email: str
    full_name: FullName
    role: Role
    created_at: datetime
    email_verified: bool = False


@dataclass(frozen=True)
class Account:
    """A user and the hash that a password is checked against; it never leaves this domain."""

    user: User
    password_hash: str = field(repr=False)


class Purpose(StrEnum):
    """What a mailed link lets its holder do."""

    EMAIL_VERIFICATION = "email-verification"
    PASSWORD_RESET = "password-reset"  # noqa: S105 - what it is for

    @property
    def lifetime(self) -> timedelta:
        """How long such a link is good for."""
        return LINK_LIFETIMES[self]


LINK_LIFETIMES = {
    Purpose.EMAIL_VERIFICATION: timedelta(hours=48),
    Purpose.PASSWORD_RESET: timedelta(minutes=30),
}


# how many mails with such links one address gets, asked for by whomever
MAILS_AT_MOST = {timedelta(hours=1): 5, timedelta(days=1): 10}


@dataclass(frozen=True)
class Link:
    """A link that was mailed to somebody; its token is nowhere but in that mail.

    `seal` is what the account was when the link was made. It is broken as soon as the account has
    another email address, and that of a reset as soon as it has another password.
    """

    token_digest: str
    purpose: Purpose
    user_id: str
    seal: str
    expires_at: datetime

    @classmethod
    def to(cls, account: Account, purpose: Purpose, token: str, now: datetime) -> Link:
        """A link for the owner of `account`, whose token is `token`."""
        return cls(
            token_digest=digest(token),
            purpose=purpose,
            user_id=account.user.id,
            seal=_seal(account, purpose),
            expires_at=now + purpose.lifetime,
        )

    def is_good_for(self, account: Account, now: datetime) -> bool:
        """Whether it is in time, and the account still the one that it was made for."""
        is_theirs = self.user_id == account.user.id and self.seal == _seal(account, self.purpose)
        return is_theirs and now < self.expires_at


def digest(text: str) -> str:
    """SHA-256 in hex: enough to recognise a random token, or an address, and not to reveal it."""
    return sha256(text.encode()).hexdigest()


def _seal(account: Account, purpose: Purpose) -> str:
    secret = account.password_hash if purpose is Purpose.PASSWORD_RESET else ""
    return digest(f"{account.user.email}\n{secret}")


@dataclass(frozen=True)
class Address:
    """A place that things can be sent to."""

    id: str
    street: str
    city: str
    state: str
    zip: str
    country: str
    phone: str | None = None


@dataclass(frozen=True)
class AddressBook:
    """Everything one person has saved, oldest first; `version` counts its changes."""

    user_id: str
    addresses: tuple[Address, ...] = ()
    default_id: str | None = None
    version: int = 0

    def find(self, address_id: str) -> Address:
        """The address with this id; NotFound when there is none."""
        for address in self.addresses:
            if address.id == address_id:
                return address
        raise NotFound("There is no such address in your address book")

    def add(self, address: Address, *, make_default: bool) -> AddressBook:
        """With one address more; the first one is the default whether it asks to be or not."""
        if len(self.addresses) >= MAX_ADDRESSES:
            raise Conflict(f"An address book holds at most {MAX_ADDRESSES} addresses")
        becomes_default = make_default or not self.addresses
        return replace(
            self,
            addresses=(*self.addresses, address),
            default_id=address.id if becomes_default else self.default_id,
        )

    def remove(self, address_id: str) -> AddressBook:
        """Without one address; when it was the default, the oldest that is left takes over."""
        gone = self.find(address_id)
        left = tuple(address for address in self.addresses if address is not gone)
        default_id = self.default_id
        if default_id == address_id:
            default_id = left[0].id if left else None
        return replace(self, addresses=left, default_id=default_id)
