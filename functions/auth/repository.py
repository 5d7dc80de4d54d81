"""Accounts and what belongs to them in DynamoDB: one table, with a row per user, name claim,
address book and mailed link.
"""

from datetime import UTC, datetime
from typing import ClassVar

from pynamodb.attributes import (
    BooleanAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    VersionAttribute,
)
from pynamodb.exceptions import PutError
from pynamodb.expressions.update import Action

from auth.model import (
    MAILS_AT_MOST,
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
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import error_code
from supermarket.errors import Conflict, DomainError, FieldError
from supermarket.transaction import Transaction

NOBODY = "nobody"


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
    """`email#<lower>` or `username#<lower>`: whose it is. What has a row cannot be claimed."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(attr_name="userId")


class AddressMap(MapAttribute[str, str]):
    """An address inside a book."""

    id = UnicodeAttribute()
    street = UnicodeAttribute()
    city = UnicodeAttribute()
    state = UnicodeAttribute()
    zip = UnicodeAttribute()
    country = UnicodeAttribute()
    phone = UnicodeAttribute(null=True)


class AddressBookRow(Row):
    """`addresses#<user id>`: the whole address book of a user, so that it changes as one."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    addresses: ClassVar[ListAttribute[AddressMap]] = ListAttribute(of=AddressMap)
    default_id = UnicodeAttribute(attr_name="defaultId", null=True)
    version = VersionAttribute()


class LinkRow(Row):
    """`link#<purpose>#<digest of its token>`. DynamoDB removes it some time after `expires_at`."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(attr_name="userId")
    seal = UnicodeAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class CounterRow(Row):
    """`mails#<purpose>#<digest of an address>#<seconds>#<n>`: mails in the n-th such stretch."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    mails = NumberAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoAccounts:
    """`Accounts` in DynamoDB. Unique names are rows of their own, put on condition that they are
    free, since DynamoDB knows no unique attributes.
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
        # an account that is gone has neither
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
            # the second read happens all the same: its absence would tell who has an account
            owner = NOBODY
        return self.find(owner)


class DynamoAddressBooks:
    """`AddressBooks` in DynamoDB; the row's version refuses a write that is based on an old one."""

    def of(self, user_id: str) -> AddressBook:
        try:
            row = AddressBookRow.get(_book(user_id), consistent_read=True)
        except AddressBookRow.DoesNotExist:
            return AddressBook(user_id)
        addresses = tuple(Address(**address.attribute_values) for address in row.addresses)
        return AddressBook(user_id, addresses, row.default_id, row.version)

    def replace(self, book: AddressBook) -> bool:
        row = AddressBookRow(
            _book(book.user_id),
            addresses=[_map(address) for address in book.addresses],
            default_id=book.default_id,
        )
        if book.version:
            row.version = book.version
        try:
            row.save()
        except PutError as failure:
            if error_code(failure) == "ConditionalCheckFailedException":
                return False
            raise
        return True


class DynamoLinks:
    """`Links` in DynamoDB."""

    def add(self, link: Link) -> None:
        LinkRow(
            _link(link.purpose, link.token_digest),
            user_id=link.user_id,
            seal=link.seal,
            expires_at=int(link.expires_at.timestamp()),
        ).save()

    def find(self, purpose: Purpose, token_digest: str) -> Link | None:
        try:
            row = LinkRow.get(_link(purpose, token_digest), consistent_read=True)
        except LinkRow.DoesNotExist:
            return None
        ends = datetime.fromtimestamp(row.expires_at, UTC)
        return Link(token_digest, purpose, row.user_id, row.seal, ends)

    def use_up(self, link: Link, transaction: Transaction, on_conflict: DomainError) -> None:
        row = LinkRow(_link(link.purpose, link.token_digest))
        DynamoTransaction.of(transaction).delete(
            row, condition=LinkRow.pk.exists(), on_conflict=on_conflict
        )


class DynamoMailLimits:
    """`MailLimits` in DynamoDB: a row per address and stretch of time counts its mails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def count(
        self, purpose: Purpose, email: str, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        now = int(self._clock().timestamp())
        for stretch, at_most in MAILS_AT_MOST.items():
            seconds = int(stretch.total_seconds())
            window = now // seconds
            row = CounterRow(f"mails#{purpose}#{digest(email)}#{seconds}#{window}")
            DynamoTransaction.of(transaction).update(
                row,
                # it is counted by the window in its key: TTL may delete late
                [CounterRow.mails.add(1), CounterRow.expires_at.set((window + 1) * seconds)],
                condition=CounterRow.mails.does_not_exist() | (CounterRow.mails < at_most),
                on_conflict=on_conflict,
            )


def taken(field: str) -> Conflict:
    """What a name that belongs to somebody else is refused with."""
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


def _map(address: Address) -> AddressMap:
    return AddressMap(**vars(address))


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
