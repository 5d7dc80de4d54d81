"""What auth needs from the outside."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from auth.guesses import GuessRecord
from auth.model import Account, AddressBook, Device, Link, Purpose, User
from auth.second_factor import SecondFactor
from supermarket.caller import Standing
from supermarket.errors import DomainError
from supermarket.public_keys import KeyRing
from supermarket.transaction import AddWrites, Transaction, add_nothing


class Accounts(Protocol):
    """Stores accounts. Emails and, regardless of case, usernames are unique."""

    def add(self, account: Account, transaction: Transaction) -> None:
        """Add an account. Commit raises a Conflict that names each field that is taken."""

    def find(self, user_id: str) -> Account | None: ...

    def find_by_email(self, email: str) -> Account | None: ...

    def find_by_username(self, username: str) -> Account | None: ...

    def list_by_standing(
        self, standings: Iterable[Standing], before: str | None, limit: int
    ) -> list[User]:
        """Return the newest users with one of the standings and ids below `before`. Eventually
        consistent.
        """

    def change(
        self, before: Account, after: Account, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Write another password, address, name and phone number, or another role and status.
        Commit raises `on_conflict` when email or password differ from `before`, or the standing
        that is written, and Conflict when another account has the address. The address before is
        kept for the account while it can be restored.
        """


class AddressBooks(Protocol):
    """Stores address books."""

    def of(self, user_id: str) -> AddressBook:
        """Return the person's present book; an empty one if nothing was saved."""

    def replace(self, book: AddressBook, also: AddWrites = add_nothing) -> bool:
        """Write the book unless it changed since it was read; returns whether it was written.
        `also` adds writes that happen with it.
        """

    def empty(self, user_id: str, transaction: Transaction, on_conflict: DomainError) -> None:
        """Delete the person's book. Commit raises `on_conflict` when it changed meanwhile."""


class KeyRings(Protocol):
    """Stores the public keys of access tokens."""

    def read(self) -> KeyRing: ...

    def replace(self, ring: KeyRing) -> bool:
        """Write the keys unless they changed since they were read; returns whether it did."""


class Devices(Protocol):
    """Stores the devices of sessions, as long as a session may last."""

    def add(self, device: Device) -> None: ...

    def find(self, session_id: str) -> Device | None: ...

    def find_many(self, session_ids: Iterable[str]) -> Sequence[Device]:
        """Return the devices of these sessions that are stored."""

    def rotate(self, before: Device, after: Device) -> bool:
        """Write another token unless the token changed; returns whether it was written."""


class SecondFactors(Protocol):
    """Stores second factors, which only auth may read."""

    def find(self, user_id: str) -> SecondFactor | None: ...

    def replace(
        self, factor: SecondFactor, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Write a factor. Commit raises `on_conflict` when it changed since it was read."""

    def remove(
        self, factor: SecondFactor, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        """Delete a factor. Commit raises `on_conflict` when it changed since it was read."""


class Passwords(Protocol):
    """Hashes passwords, which is slow on purpose: not to be used inside a transaction."""

    def hash(self, password: str) -> str: ...

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password matches; without a hash, False after the same time."""

    def is_common(self, word: str) -> bool:
        """Return whether a word in lower case is on the list of common passwords."""


class Links(Protocol):
    """Stores the mailed links that can still be followed."""

    def add(self, link: Link) -> None: ...

    def find(self, purpose: Purpose, token_digest: str) -> Link | None:
        """Return the link with this token, which may have expired."""

    def consume(self, link: Link, transaction: Transaction, on_conflict: DomainError) -> None:
        """Delete the link. Commit raises `on_conflict` when it was consumed already."""


class MailLimits(Protocol):
    """Counts mails with links by address and asker."""

    def count(
        self,
        purpose: Purpose,
        subject: str,
        limits: Mapping[timedelta, int],
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        """Count one mail for a subject. Commit raises `on_conflict` when there were more than the
        limit of any period.
        """


class GuessRecords(Protocol):
    """Stores failed attempts to guess passwords. Raises Unavailable when the store is silent."""

    def find(self, keys: Sequence[str]) -> Mapping[str, GuessRecord]:
        """Return the record of each key; an empty one when there is none."""

    def replace(self, record: GuessRecord) -> GuessRecord | None:
        """Write the record, and return it as stored; None when it changed since it was read."""
