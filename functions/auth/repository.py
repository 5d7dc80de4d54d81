"""Accounts in DynamoDB: one table with rows for users, name claims, address books, links and mail
counters.
"""

from datetime import UTC, datetime

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    VersionAttribute,
)
from pynamodb.expressions.update import Action

from auth.model import (
    MAX_MAILS,
    Account,
    Address,
    AddressBook,
    FullName,
    Link,
    Purpose,
    User,
    digest,
)
from supermarket.caller import Role
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write
from supermarket.errors import Conflict, DomainError, FieldError
from supermarket.transaction import Transaction

UNKNOWN = "unknown"


class UserRow(Row):
    """`user#<id>`: an account."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(attr_name="userId")
    username = UnicodeAttribute()
    email = UnicodeAttribute()
    email_verified = BooleanAttribute(attr_name="emailVerified")
    first_name = UnicodeAttribute(attr_name="firstName")
    last_name = UnicodeAttribute(attr_name="lastName")
    role = UnicodeAttribute()
    password_hash = UnicodeAttribute(attr_name="passwordHash")
    created_at = UnicodeAttribute(attr_name="createdAt")


class ClaimRow(Row):
    """`email#<lower>` or `username#<lower>`: the owner of a name, which the row makes unique."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(attr_name="userId")


class AddressBookRow(Row):
    """`addresses#<user id>`: the whole address book of a user."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    addresses = Mapped[tuple[Address, ...]](tuple[Address, ...])
    default_id = UnicodeAttribute(attr_name="defaultId", null=True)
    version = VersionAttribute()


class LinkRow(Row):
    """`link#<purpose>#<token digest>`. DynamoDB deletes it some time after `expires_at`."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(attr_name="userId")
    account_fingerprint = UnicodeAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class CounterRow(Row):
    """`mails#<purpose>#<address digest>#<seconds>#<n>`: mails in the n-th period."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    mails = NumberAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoAccounts:
    """`Accounts` in DynamoDB. Names are unique by rows of their own, put on condition that they do
    not exist.
    """

    def add(self, account: Account, transaction: Transaction) -> None:
        user = account.user
        writes = DynamoTransaction.of(transaction)
        for field, pk in (("username", _username(user.username)), ("email", _email(user.email))):
            writes.put(
                ClaimRow(pk, user_id=user.id),
                condition=ClaimRow.pk.does_not_exist(),
                on_conflict=taken(field),
            )
        writes.put(_row(account), condition=UserRow.pk.does_not_exist())

    def find(self, user_id: str) -> Account | None:
        try:
            return _account(UserRow.get(_user(user_id), consistent_read=True))
        except UserRow.DoesNotExist:
            return None

    def find_by_email(self, email: str) -> Account | None:
        return self._claimed(_email(email))

    def find_by_username(self, username: str) -> Account | None:
        return self._claimed(_username(username))

    def change(
        self, before: Account, after: Account, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        actions: list[Action] = []
        if after.password_hash != before.password_hash:
            actions.append(UserRow.password_hash.set(after.password_hash))
        if after.user.email_verified != before.user.email_verified:
            actions.append(UserRow.email_verified.set(after.user.email_verified))
        # a deleted account has neither
        unchanged = (UserRow.password_hash == before.password_hash) & (
            UserRow.email == before.user.email
        )
        row = UserRow(_user(before.user.id))
        DynamoTransaction.of(transaction).update(
            row, actions, condition=unchanged, on_conflict=on_conflict
        )

    def _claimed(self, pk: str) -> Account | None:
        try:
            owner = ClaimRow.get(pk, consistent_read=True).user_id
        except ClaimRow.DoesNotExist:
            # the second read always happens: its absence would reveal who has an account
            owner = UNKNOWN
        return self.find(owner)


class DynamoAddressBooks:
    """`AddressBooks` in DynamoDB, with optimistic locking by the row's version."""

    def of(self, user_id: str) -> AddressBook:
        try:
            row = AddressBookRow.get(_book(user_id), consistent_read=True)
        except AddressBookRow.DoesNotExist:
            return AddressBook(user_id)
        return AddressBook(user_id, row.addresses, row.default_id, row.version)

    def replace(self, book: AddressBook) -> bool:
        row = AddressBookRow(
            _book(book.user_id),
            addresses=book.addresses,
            default_id=book.default_id,
        )
        if book.version:
            row.version = book.version
        return try_write(row.save)


class DynamoLinks:
    """`Links` in DynamoDB."""

    def add(self, link: Link) -> None:
        LinkRow(
            _link(link.purpose, link.token_digest),
            user_id=link.user_id,
            account_fingerprint=link.account_fingerprint,
            expires_at=int(link.expires_at.timestamp()),
        ).save()

    def find(self, purpose: Purpose, token_digest: str) -> Link | None:
        try:
            row = LinkRow.get(_link(purpose, token_digest), consistent_read=True)
        except LinkRow.DoesNotExist:
            return None
        ends = datetime.fromtimestamp(row.expires_at, UTC)
        return Link(token_digest, purpose, row.user_id, row.account_fingerprint, ends)

    def consume(self, link: Link, transaction: Transaction, on_conflict: DomainError) -> None:
        row = LinkRow(_link(link.purpose, link.token_digest))
        DynamoTransaction.of(transaction).delete(
            row, condition=LinkRow.pk.exists(), on_conflict=on_conflict
        )


class DynamoMailLimits:
    """`MailLimits` in DynamoDB: a row counts the mails of an address in a period."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def count(
        self, purpose: Purpose, email: str, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        now = int(self._clock().timestamp())
        for period, at_most in MAX_MAILS.items():
            seconds = int(period.total_seconds())
            window = now // seconds
            row = CounterRow(f"mails#{purpose}#{digest(email)}#{seconds}#{window}")
            DynamoTransaction.of(transaction).update(
                row,
                # the key contains the window, since TTL deletes late
                [CounterRow.mails.add(1), CounterRow.expires_at.set((window + 1) * seconds)],
                condition=CounterRow.mails.does_not_exist() | (CounterRow.mails < at_most),
                on_conflict=on_conflict,
            )


def taken(field: str) -> Conflict:
    """Return the error for a name that another account has."""
    return Conflict(
        "This username or email is taken", (FieldError(field, "belongs to another account"),)
    )


def _user(user_id: str) -> str:
    return f"user#{user_id}"


def _email(email: str) -> str:
    return f"email#{email.lower()}"


def _username(username: str) -> str:
    return f"username#{username.lower()}"


def _book(user_id: str) -> str:
    return f"addresses#{user_id}"


def _link(purpose: Purpose, token_digest: str) -> str:
    return f"link#{purpose}#{token_digest}"


def _row(account: Account) -> UserRow:
    user = account.user
    return UserRow(
        _user(user.id),
        user_id=user.id,
        username=user.username,
        email=user.email,
        email_verified=user.email_verified,
        first_name=user.full_name.first,
        last_name=user.full_name.last,
        role=user.role.value,
        password_hash=account.password_hash,
        created_at=iso(user.created_at),
    )


def _account(row: UserRow) -> Account:
    user = User(
        id=row.user_id,
        username=row.username,
        email=row.email,
        full_name=FullName(row.first_name, row.last_name),
        role=Role(row.role),
        created_at=from_iso(row.created_at),
        email_verified=row.email_verified,
    )
    return Account(user, row.password_hash)
