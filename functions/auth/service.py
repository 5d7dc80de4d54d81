"""Use cases of accounts, sign-ins and address books."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from auth.model import Account, Address, AddressBook, FullName, User
from supermarket.audit import AuditTrail
from supermarket.caller import Caller, Role
from supermarket.clock import Clock, NewId
from supermarket.contracts import UserRegistered
from supermarket.errors import Conflict, DomainError, FieldError, Invalid, Unauthenticated
from supermarket.sessions import Sessions
from supermarket.transaction import BeginTransaction, Transaction

# An attempt fails only because another change of the same book came first, and there is room for
# 20 additions: so many attempts see even the last of 20 simultaneous ones through.
ATTEMPTS = 25

AN_OPERATOR = "operator"

INVALID_CREDENTIALS = "Invalid credentials"
WRONG_PASSWORD = "This is not your present password"  # noqa: S105 - a message
CHANGED_MEANWHILE = "Your account was changed elsewhere at this very moment. Try again."


class Accounts(Protocol):
    """All accounts; no two share an email or, whatever the case of its letters, a username."""

    def add(self, account: Account, transaction: Transaction) -> None:
        """Refused with a Conflict that names each field that is taken."""

    def find(self, user_id: str) -> Account | None: ...

    def find_by_email(self, email: str) -> Account | None: ...

    def find_by_username(self, username: str) -> Account | None: ...

    def change(
        self, before: Account, after: Account, transaction: Transaction, refused: DomainError
    ) -> None:
        """Another password or a verified address, if email and password are still as before."""


class AddressBooks(Protocol):
    """Everybody's address book."""

    def of(self, user_id: str) -> AddressBook:
        """The person's book as it is at this moment; an empty one for who has saved nothing."""

    def replace(self, book: AddressBook) -> bool:
        """Write the book unless it was changed since it was read; whether that was done."""


class Passwords(Protocol):
    """Turns passwords into hashes. Slow on purpose, so never to be used inside a transaction."""

    def hash(self, password: str) -> str: ...

    def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password; without a hash, the answer is no and takes as long."""


class Tokens(Protocol):
    """Issues access tokens."""

    def issue(self, caller: Caller) -> str: ...


@dataclass(frozen=True)
class Registration:
    """What somebody who wants an account tells."""

    username: str
    email: str
    password: str = field(repr=False)
    full_name: FullName
    role: Role


@dataclass(frozen=True)
class Registrar:
    """Opens accounts."""

    accounts: Accounts
    passwords: Passwords
    audit: AuditTrail
    begin: BeginTransaction
    clock: Clock
    new_id: NewId

    def register(self, registration: Registration) -> User:
        """A new account; Conflict, with the fields, when its email or username is taken."""
        user = User(
            id=self.new_id(),
            username=registration.username,
            email=registration.email,
            full_name=registration.full_name,
            role=registration.role,
            created_at=self.clock(),
        )
        account = Account(user, self.passwords.hash(registration.password))
        transaction = self.begin()
        self.accounts.add(account, transaction)
        if user.role is Role.ADMIN:
            # only operators can, and Lambdas that may not write to the audit trail cannot
            self.audit.record(
                transaction,
                subject=f"user#{user.id}",
                action="admin made",
                actor=AN_OPERATOR,
                before={},
                after={"username": user.username, "role": user.role.value},
            )
        transaction.emit(_registered(user))
        transaction.commit()
        return user


@dataclass(frozen=True)
class SignIn:
    """Somebody who has just signed in, and the access token that proves it."""

    user: User
    token: str = field(repr=False)


@dataclass(frozen=True)
class AuthService:
    """Signs people in and out, and keeps their address books."""

    accounts: Accounts
    address_books: AddressBooks
    passwords: Passwords
    sessions: Sessions
    tokens: Tokens
    begin: BeginTransaction
    new_id: NewId

    def log_in(self, email: str | None, username: str | None, password: str) -> SignIn:
        """Sign in with an email (or else a username) and the password; Unauthenticated otherwise.

        What is wrong is not told, and an unknown name takes as long as a wrong password.
        """
        account = self._named(email, username)
        fits = self.passwords.fits(password, account.password_hash if account else None)
        if account is None or not fits:
            raise Unauthenticated(INVALID_CREDENTIALS)
        caller = self._begin_session(account.user)
        if not self._has_still(account.password_hash, caller.user_id):
            # it was replaced while it was checked, and all sessions were ended before this one
            self.sessions.end(caller.session_id, caller.user_id)
            raise Unauthenticated(INVALID_CREDENTIALS)
        return SignIn(account.user, self.tokens.issue(caller))

    def sign_in(self, user: User) -> str:
        """Begin a session of somebody who is known; the access token that proves it."""
        return self.tokens.issue(self._begin_session(user))

    def sign_out(self, session_id: str, user_id: str) -> None:
        """End a session for good."""
        self.sessions.end(session_id, user_id)

    def sign_out_everywhere(self, user_id: str) -> None:
        """End all sessions for good."""
        transaction = self.begin()
        self.sessions.end_all(user_id, transaction)
        transaction.commit()

    def change_password(self, caller: Caller, present: str, wanted: str) -> None:
        """Replace the password, which ends all sessions but the caller's.

        Invalid when the present one is another.
        """
        account = self._account(caller.user_id)
        if not self.passwords.fits(present, account.password_hash):
            raise Invalid(WRONG_PASSWORD, (FieldError("currentPassword", "not your password"),))
        changed = replace(account, password_hash=self.passwords.hash(wanted))
        transaction = self.begin()
        self.accounts.change(account, changed, transaction, Conflict(CHANGED_MEANWHILE))
        self.sessions.end_others(caller.session_id, caller.user_id, transaction)
        transaction.commit()

    def user(self, user_id: str) -> User:
        """The user as stored; Unauthenticated when the account is gone."""
        return self._account(user_id).user

    def address_book(self, user_id: str) -> AddressBook:
        return self.address_books.of(user_id)

    def address_of(self, user_id: str, address_id: str) -> Address:
        """An address out of the user's own book; NotFound when it is not in there."""
        return self.address_books.of(user_id).find(address_id)

    def add_address(self, user_id: str, address: Address, *, make_default: bool) -> AddressBook:
        """Put an address into the book; Conflict when it is full."""
        return self._change(user_id, lambda book: book.add(address, make_default=make_default))

    def delete_address(self, user_id: str, address_id: str) -> AddressBook:
        """Take an address out of the book; NotFound when it is not in there."""
        return self._change(user_id, lambda book: book.remove(address_id))

    def _account(self, user_id: str) -> Account:
        account = self.accounts.find(user_id)
        if account is None:
            raise Unauthenticated("This account is not there any more")
        return account

    def _begin_session(self, user: User) -> Caller:
        caller = Caller(user.id, self.new_id(), user.role, user.email, user.full_name.first)
        self.sessions.open(caller.session_id, caller.user_id)
        return caller

    def _has_still(self, password_hash: str, user_id: str) -> bool:
        account = self.accounts.find(user_id)
        return account is not None and account.password_hash == password_hash

    def _named(self, email: str | None, username: str | None) -> Account | None:
        if email is not None:
            return self.accounts.find_by_email(email)
        return self.accounts.find_by_username(username) if username is not None else None

    def _change(self, user_id: str, change: Callable[[AddressBook], AddressBook]) -> AddressBook:
        """Apply a change to the book as it is now, again and again until none comes between."""
        for _ in range(ATTEMPTS):
            changed = change(self.address_books.of(user_id))
            if self.address_books.replace(changed):
                return changed
        raise Conflict("Your address book is being changed elsewhere. Try again.")


def _registered(user: User) -> UserRegistered:
    return UserRegistered(
        user_id=user.id,
        username=user.username,
        email=user.email,
        first_name=user.full_name.first,
        last_name=user.full_name.last,
        role=user.role.value,
    )
