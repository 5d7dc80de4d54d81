"""Auth's ports in memory, and people for its tests."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from secrets import token_bytes
from typing import Any

from ulid import ULID

from auth.authentication import AuthService, Challenge, Registration, RegistrationService
from auth.email_changes import EmailChanges
from auth.guesses import FreeFailures, GuessRecord, Sender
from auth.links import TokenLinks
from auth.model import Account, AddressBook, Device, FullName, Link, Purpose, User
from auth.password_checks import PasswordChecks
from auth.ports import Accounts, Devices
from auth.recovery import Recovery
from auth.repository import taken
from auth.second_factor import SecondFactor
from auth.second_factors import SecondFactorService
from auth.service import AccountService
from auth.sign_ins import SignIn, SignIns
from auth.standing import StandingService
from supermarket.caller import Caller, Role, Standing
from supermarket.clock import Clock, new_id
from supermarket.errors import DomainError
from supermarket.sessions import Sessions
from supermarket.transaction import AddWrites, Transaction, add_nothing
from support.api import call
from support.in_memory import (
    InMemoryAuditTrail,
    InMemoryIdempotencyKeys,
    InMemoryOutbox,
    InMemorySessions,
    in_memory,
    write_once,
)

PASSWORD = "correct horse battery staple"
SENDER = Sender("a client address")

ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}


class InMemoryAccounts:
    """`auth.ports.Accounts` in a dictionary."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def add(self, account: Account, transaction: Transaction) -> None:
        user = account.user
        writes = in_memory(transaction)
        writes.add(
            lambda: self.find_by_username(user.username) is None, _nothing, taken("username")
        )
        writes.add(lambda: self._is_free(user), _nothing, taken("email"))
        writes.add(lambda: True, lambda: self._accounts.update({user.id: account}))

    def find(self, user_id: str) -> Account | None:
        return self._accounts.get(user_id)

    def find_by_email(self, email: str) -> Account | None:
        return self._first(lambda account: account.user.email == email.lower())

    def find_by_username(self, username: str) -> Account | None:
        return self._first(lambda account: account.user.username.lower() == username.lower())

    def change(
        self, before: Account, after: Account, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        changes_standing = after.user.standing != before.user.standing

        def is_unchanged() -> bool:
            present = self._accounts.get(before.user.id)
            if present is None:
                return False
            if changes_standing and present.user.standing != before.user.standing:
                return False
            return (present.password_hash, present.user.email) == (
                before.password_hash,
                before.user.email,
            )

        old, new = vars(before.user), vars(after.user)
        changed = {name: value for name, value in new.items() if value != old[name]}

        def effect() -> None:
            present = self._accounts[before.user.id]
            is_new = after.password_hash != before.password_hash
            password_hash = after.password_hash if is_new else present.password_hash
            user = replace(present.user, **changed)
            self._accounts[before.user.id] = Account(user, password_hash)

        in_memory(transaction).add(lambda: self._is_free(after.user), _nothing, taken("email"))
        in_memory(transaction).add(is_unchanged, effect, on_conflict)

    def list_by_standing(
        self, standings: Iterable[Standing], before: str | None, limit: int
    ) -> list[User]:
        wanted = set(standings)
        found = (account.user for account in self._accounts.values())
        fitting = [
            each for each in found if each.standing in wanted and (not before or each.id < before)
        ]
        return sorted(fitting, key=lambda user: user.id, reverse=True)[:limit]

    def _is_free(self, user: User) -> bool:
        """Whether no other account has the user's address, or had it before."""
        others = [each.user for each in self._accounts.values() if each.user.id != user.id]
        former = {each.email_undo.email for each in others if each.email_undo}
        return user.email not in {each.email for each in others} | former

    def _first(self, fits: Callable[[Account], bool]) -> Account | None:
        return next(filter(fits, self._accounts.values()), None)


class InMemoryAddressBooks:
    """`auth.ports.AddressBooks` in a dictionary. `meanwhile` happens right after each read."""

    def __init__(self) -> None:
        self._books: dict[str, AddressBook] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def of(self, user_id: str) -> AddressBook:
        book = self._books.get(user_id, AddressBook(user_id))
        self.meanwhile()
        return book

    def empty(self, user_id: str, transaction: Transaction, on_conflict: DomainError) -> None:
        found = self._books.get(user_id)
        if found:
            in_memory(transaction).add(
                lambda: self._books.get(user_id) == found,
                lambda: _drop(self._books, user_id),
                on_conflict,
            )

    def replace(self, book: AddressBook, also: AddWrites = add_nothing) -> bool:
        present = self._books.get(book.user_id, AddressBook(book.user_id))
        written = replace(book, version=book.version + 1)
        return write_once(
            lambda: present.version == book.version,
            lambda: self._books.update({book.user_id: written}),
            also,
        )


class InMemoryDevices:
    """`auth.ports.Devices` in a dictionary. `meanwhile` happens right after each read."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def add(self, device: Device) -> None:
        self.devices[device.session_id] = device

    def find(self, session_id: str) -> Device | None:
        found = self.devices.get(session_id)
        self.meanwhile()
        return found

    def find_many(self, session_ids: Iterable[str]) -> Sequence[Device]:
        return [self.devices[each] for each in session_ids if each in self.devices]

    def rotate(self, before: Device, after: Device) -> bool:
        present = self.devices.get(before.session_id)
        return write_once(
            lambda: present is not None and present.token_digest == before.token_digest,
            lambda: self.devices.update({after.session_id: after}),
        )


class InMemoryLinks:
    """`auth.links.Links` in a dictionary."""

    def __init__(self) -> None:
        self.links: dict[tuple[Purpose, str], Link] = {}

    def add(self, link: Link) -> None:
        self.links[link.purpose, link.token_digest] = link

    def find(self, purpose: Purpose, token_digest: str) -> Link | None:
        return self.links.get((purpose, token_digest))

    def consume(self, link: Link, transaction: Transaction, on_conflict: DomainError) -> None:
        key = (link.purpose, link.token_digest)
        in_memory(transaction).add(
            lambda: key in self.links, lambda: _drop(self.links, key), on_conflict
        )


class InMemoryMailLimits:
    """`auth.recovery.MailLimits` in a counter."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mails: Counter[tuple[Purpose, str, timedelta, int]] = Counter()

    def count(
        self,
        purpose: Purpose,
        subject: str,
        limits: Mapping[timedelta, int],
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        for stretch, at_most in limits.items():
            window = int(self._clock().timestamp() // stretch.total_seconds())
            self._count((purpose, subject, stretch, window), at_most, transaction, on_conflict)

    def _count(
        self,
        key: tuple[Purpose, str, timedelta, int],
        at_most: int,
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        in_memory(transaction).add(
            lambda: self._mails[key] < at_most, lambda: self._mails.update([key]), on_conflict
        )


class InMemoryGuessRecords:
    """`auth.ports.GuessRecords` in a dictionary, which counts writes. `meanwhile` happens between
    the read and the write of a record.
    """

    def __init__(self) -> None:
        self.records: dict[str, GuessRecord] = {}
        self.writes = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def find(self, keys: Sequence[str]) -> Mapping[str, GuessRecord]:
        found = {key: self.records.get(key, GuessRecord(key)) for key in keys}
        self.meanwhile()
        return found

    def replace(self, record: GuessRecord) -> GuessRecord | None:
        present = self.records.get(record.key, GuessRecord(record.key))
        if present.version != record.version:
            return None
        self.writes += 1
        stored = replace(record, version=record.version + 1)
        self.records[record.key] = stored
        return stored


class InMemorySecondFactors:
    """`auth.ports.SecondFactors` in a dictionary. `meanwhile` happens right after each read."""

    def __init__(self) -> None:
        self.factors: dict[str, SecondFactor] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def find(self, user_id: str) -> SecondFactor | None:
        found = self.factors.get(user_id)
        self.meanwhile()
        return found

    def replace(
        self, factor: SecondFactor, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        written = replace(factor, version=factor.version + 1)
        in_memory(transaction).add(
            lambda: self._is_unchanged(factor),
            lambda: self.factors.update({factor.user_id: written}),
            on_conflict,
        )

    def remove(
        self, factor: SecondFactor, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        in_memory(transaction).add(
            lambda: self._is_unchanged(factor),
            lambda: _drop(self.factors, factor.user_id),
            on_conflict,
        )

    def _is_unchanged(self, factor: SecondFactor) -> bool:
        present = self.factors.get(factor.user_id)
        return (present.version if present else 0) == factor.version


class PlainPasswords:
    """`auth.ports.Passwords` that costs nothing, and keeps what it was asked.

    `meanwhile` happens while it is busy, which real ones are for long.
    """

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.hashed: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def hash(self, password: str) -> str:
        self.hashed.append(password)
        self.meanwhile()
        return f"hash of {password}"

    def is_common(self, word: str) -> bool:
        return False

    def verify(self, password: str, password_hash: str | None) -> bool:
        self.asked.append(password_hash)
        self.meanwhile()
        return password_hash == f"hash of {password}"


class NamedTokens:
    """Access tokens that can be read."""

    def issue(self, caller: Any) -> str:
        return f"{caller.user_id} {caller.session_id} {caller.role}"


class InMemoryAuth:
    """Auth's services with everything they need in memory."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.accounts = InMemoryAccounts()
        self.address_books = InMemoryAddressBooks()
        self.passwords = PlainPasswords()
        self.sessions = InMemorySessions(clock)
        self.outbox = InMemoryOutbox()
        self.audit = InMemoryAuditTrail()
        self.registration_service = RegistrationService(
            self.accounts, self.passwords, self.audit, self.outbox.begin, clock, new_id
        )
        self.standing_service = StandingService(
            self.accounts, self.sessions, self.audit, self.outbox.begin
        )
        self.links = InMemoryLinks()
        self.token_links = TokenLinks(self.accounts, self.links, lambda: f"token {new_id()}", clock)
        self.devices = InMemoryDevices()
        self.sign_ins = sign_ins_of(self.accounts, self.devices, self.sessions, clock)
        self.guesses = InMemoryGuessRecords()
        self.checks = PasswordChecks(self.passwords, self.guesses, FreeFailures(10, 50, 100), clock)
        self.account_service = AccountService(
            self.accounts, self.address_books, InMemoryIdempotencyKeys(clock), self.outbox.begin
        )
        self.service = AuthService(
            self.accounts,
            self.passwords,
            self.checks,
            self.sessions,
            self.sign_ins,
            self.outbox.begin,
        )
        self.factors = InMemorySecondFactors()
        self.second_factors = SecondFactorService(
            self.accounts,
            self.factors,
            self.checks,
            self.sessions,
            self.service.sign_in,
            self.outbox.begin,
            token_bytes,
            clock,
        )
        self.recovery = Recovery(
            self.accounts,
            self.address_books,
            self.links,
            InMemoryMailLimits(clock),
            self.passwords,
            self.sessions,
            self.outbox.begin,
            clock,
            new_id,
        )
        self.email_changes = EmailChanges(
            self.accounts,
            self.address_books,
            self.links,
            InMemoryMailLimits(clock),
            self.passwords,
            self.checks,
            self.sessions,
            self.outbox.begin,
            new_id,
            clock,
        )

    def caller(self, session_id: str, user: User) -> Caller:
        """The person in that session, as endpoints get to know them."""
        return Caller(user.id, session_id, user.role, user.email, user.full_name.first)


def sign_ins_of(accounts: Accounts, devices: Devices, sessions: Sessions, clock: Clock) -> SignIns:
    """Return sign-ins whose sessions begin at the clock's time, with tokens that can be read."""
    return SignIns(
        accounts,
        devices,
        sessions,
        NamedTokens().issue,
        new_id,
        lambda: str(ULID.from_datetime(clock())),
        clock,
    )


def signed_in(found: SignIn | Challenge) -> SignIn:
    """Return the sign-in of an account that has no second factor."""
    assert isinstance(found, tuple)
    return found


def _drop[Key](things: dict[Key, Any], key: Key) -> None:
    del things[key]


def _nothing() -> None:
    """A claim has no effect of its own: the account is what takes the name."""


def a_registration(**changes: Any) -> Registration:
    """Return the data of a new account."""
    name = f"u{new_id()}"
    fresh = Registration(
        name, f"{name.lower()}@example.com", PASSWORD, FullName("Asha", "Rao"), Role.USER
    )
    return replace(fresh, **changes)


def register_somebody(**fields: Any) -> Any:
    """The `user` of an account made through the endpoint (needs the `aws` fixture)."""
    from auth.endpoints import register

    reply = call(register, body=register_body(**fields))
    assert reply.status == 201, reply.body
    return reply.body["user"]


def register_body(**fields: Any) -> dict[str, Any]:
    """A valid body of `POST /api/auth/register`, changed by `fields`."""
    name = f"u{new_id()}"
    body = {
        "username": name,
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "fullName": {"firstName": "Asha", "lastName": "Rao"},
    }
    return body | fields
