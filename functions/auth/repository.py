"""Accounts in DynamoDB: one table with rows for users, name claims, address books, devices, links
and mail counters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from operator import attrgetter

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from auth.guesses import REMEMBERED_FOR, Failures, GuessRecord
from auth.model import Account, AddressBook, Device, Link, Purpose, SavedAddress, User, digest
from auth.second_factor import SecondFactor
from supermarket.aws import is_transient
from supermarket.caller import Standing
from supermarket.clock import Clock, creation_time
from supermarket.dynamo.public_keys import ACCESS_TOKENS, KeyRow, read_key_ring
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction, put_once
from supermarket.dynamo.writes import try_write, update_if
from supermarket.errors import Conflict, DomainError, FieldError, Unavailable
from supermarket.public_keys import KeyRing
from supermarket.sessions import SESSION_LIFETIME
from supermarket.transaction import AddWrites, Transaction, add_nothing

# the prefixes of keys, which an id or a name in lower case follows
USER, EMAIL, USERNAME, ADDRESSES = "user#", "email#", "username#", "addresses#"
DEVICE = "device#"
UNKNOWN = "unknown"
GUESS = "guess#"


class UserRow(Row):
    """`user#<id>`: an account."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user = Mapped[User](User)
    password_hash = UnicodeAttribute(attr_name="passwordHash")
    standing = UnicodeAttribute()

    by_standing = index("byStanding", "standing", "pk", attributes=["user"])


class ClaimRow(Row):
    """`email#<lower>` or `username#<lower>`: the owner of a name, which the row makes unique. The
    claim of a former address expires when the address cannot be restored any more.
    """

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(attr_name="userId")
    expires_at = NumberAttribute(attr_name="expiresAt", null=True)


class AddressBookRow(Row):
    """`addresses#<user id>`: the whole address book of a user."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    addresses = Mapped[tuple[SavedAddress, ...]](tuple[SavedAddress, ...])
    default_id = UnicodeAttribute(attr_name="defaultId", null=True)
    version = VersionAttribute()


class DeviceRow(Row):
    """`device#<session id>`. DynamoDB deletes it some time after the session has expired."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    device = Mapped[Device](Device)
    expires_at = NumberAttribute(attr_name="expiresAt")


class LinkRow(Row):
    """`link#<purpose>#<token digest>`. DynamoDB deletes it some time after `expires_at`."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    link = Mapped[Link](Link)
    expires_at = NumberAttribute(attr_name="expiresAt")


class CounterRow(Row):
    """`mails#<purpose>#<subject digest>#<seconds>#<n>`: mails in the n-th period."""

    Meta = table("user")

    pk = UnicodeAttribute(hash_key=True)
    mails = NumberAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class GuessRow(Row):
    """`guess#<key>`: failed attempts to guess passwords, beside the idempotency keys.

    DynamoDB deletes the row some time after `expires_at`.
    """

    Meta = table("idempotency")

    id = UnicodeAttribute(hash_key=True)
    failures = Mapped[tuple[Failures, ...]](tuple[Failures, ...])
    version = VersionAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class SecondFactorRow(Row):
    """A person's app and recovery codes, in a table that only auth may read."""

    Meta = table("secondfactor")

    user_id = UnicodeAttribute(hash_key=True, attr_name="userId")
    factor = Mapped[SecondFactor](SecondFactor, exclude=frozenset({"version"}))
    version = VersionAttribute()


class DynamoAccounts:
    """`Accounts` in DynamoDB. Names are unique by rows of their own, put on condition that they do
    not exist.
    """

    def add(self, account: Account, transaction: Transaction) -> None:
        user = account.user
        writes = DynamoTransaction.of(transaction)
        names = {"username": USERNAME + user.username.lower(), "email": EMAIL + user.email.lower()}
        for field, pk in names.items():
            writes.put(ClaimRow(pk, user_id=user.id), ClaimRow.pk.does_not_exist(), taken(field))
        row = UserRow(
            USER + user.id,
            user=user,
            password_hash=account.password_hash,
            standing=_standing_key(user.standing),
        )
        writes.put(row, UserRow.pk.does_not_exist())

    @staticmethod
    def plan_read(user_id: str) -> None:
        """Read the user's row together with the next one."""
        UserRow.plan_read(USER + user_id)

    def find(self, user_id: str) -> Account | None:
        row = UserRow.find(USER + user_id)
        return Account(row.user, row.password_hash) if row else None

    def find_by_email(self, email: str) -> Account | None:
        account = self._claimed(EMAIL + email.lower())
        # a former address of an account is claimed, too
        return account if account and account.user.email == email.lower() else None

    def find_by_username(self, username: str) -> Account | None:
        return self._claimed(USERNAME + username.lower())

    def change(
        self, before: Account, after: Account, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        actions: list[Action] = []
        if after.password_hash != before.password_hash:
            actions.append(UserRow.password_hash.set(after.password_hash))
        if after.user.email_verified != before.user.email_verified:
            actions.append(Path("user.email_verified").set(after.user.email_verified))
        if after.user.mfa != before.user.mfa:
            actions.append(Path("user.mfa").set(list(after.user.mfa)))
        if after.user.full_name != before.user.full_name:
            name = after.user.full_name
            first, last = Path("user.full_name.first"), Path("user.full_name.last")
            actions += [first.set(name.first), last.set(name.last)]
        if after.user.phone != before.user.phone:
            actions.append(Path("user.phone").set(after.user.phone))
        if after.user.email != before.user.email:
            actions += _move_email(before.user, after.user, DynamoTransaction.of(transaction))
        # a deleted account has neither
        same_email = Path("user.email") == before.user.email
        unchanged = same_email & (UserRow.password_hash == before.password_hash)
        if after.user.standing != before.user.standing:
            role, status = Path("user.role"), Path("user.status")
            actions += [role.set(after.user.role.value), status.set(after.user.status.value)]
            unchanged &= (role == before.user.role.value) & (status == before.user.status.value)
            revision = Path("user.standing_revision")
            actions.append(revision.set(after.user.standing_revision))
            actions.append(UserRow.standing.set(_standing_key(after.user.standing)))
            unchanged &= revision == before.user.standing_revision
        row = UserRow(USER + before.user.id)
        DynamoTransaction.of(transaction).update(row, actions, unchanged, on_conflict)

    def list_by_standing(
        self, standings: Iterable[Standing], before: str | None, limit: int
    ) -> list[User]:
        older = UserRow.pk < USER + before if before else None
        pages = (
            UserRow.by_standing.query(
                _standing_key(standing), older, scan_index_forward=False, limit=limit
            )
            for standing in standings
        )
        rows = sorted(chain.from_iterable(pages), key=attrgetter("pk"), reverse=True)
        return [row.user for row in rows[:limit]]

    def _claimed(self, pk: str) -> Account | None:
        claim = ClaimRow.find(pk)
        # the second read always happens: its absence would reveal who has an account
        return self.find(claim.user_id if claim else UNKNOWN)


class DynamoAddressBooks:
    """`AddressBooks` in DynamoDB, with optimistic locking by the row's version."""

    def of(self, user_id: str) -> AddressBook:
        row = AddressBookRow.find(ADDRESSES + user_id)
        if row is None:
            return AddressBook(user_id)
        return AddressBook(user_id, row.addresses, row.default_id, row.version)

    def replace(self, book: AddressBook, also: AddWrites = add_nothing) -> bool:
        key = ADDRESSES + book.user_id
        row = AddressBookRow(key, addresses=book.addresses, default_id=book.default_id)
        if book.version:
            row.version = book.version
        return put_once(row, also)

    def empty(self, user_id: str, transaction: Transaction, on_conflict: DomainError) -> None:
        # a delete of a row with a version has the condition that it did not change
        if row := AddressBookRow.find(ADDRESSES + user_id):
            DynamoTransaction.of(transaction).delete(row, on_conflict=on_conflict)


class DynamoKeyRings:
    """`KeyRings` in DynamoDB, with optimistic locking by the row's version."""

    def read(self) -> KeyRing:
        return read_key_ring()

    def replace(self, ring: KeyRing) -> bool:
        row = KeyRow(ACCESS_TOKENS, keys=ring.keys)
        if ring.version:
            row.version = ring.version
        return try_write(row.save)


class DynamoDevices:
    """`Devices` in DynamoDB."""

    def add(self, device: Device) -> None:
        ends = creation_time(device.session_id) + SESSION_LIFETIME
        key = DEVICE + device.session_id
        DeviceRow(key, device=device, expires_at=int(ends.timestamp())).save()

    @staticmethod
    def plan_read(session_id: str) -> None:
        """Read the device's row together with the next one."""
        DeviceRow.plan_read(DEVICE + session_id)

    def find(self, session_id: str) -> Device | None:
        row = DeviceRow.find(DEVICE + session_id)
        return row.device if row else None

    def find_many(self, session_ids: Iterable[str]) -> Sequence[Device]:
        rows = DeviceRow.find_many([(DEVICE + each,) for each in session_ids])
        return [row.device for row in rows]

    def rotate(self, before: Device, after: Device) -> bool:
        row = DeviceRow(DEVICE + before.session_id)
        is_unchanged = Path("device.token_digest") == before.token_digest
        return update_if(row, [DeviceRow.device.set(after)], is_unchanged)


class DynamoSecondFactors:
    """`SecondFactors` in DynamoDB, with optimistic locking by the row's version."""

    def find(self, user_id: str) -> SecondFactor | None:
        row = SecondFactorRow.find(user_id)
        return replace(row.factor, version=row.version) if row else None

    def replace(
        self, factor: SecondFactor, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        DynamoTransaction.of(transaction).put(self._row(factor), on_conflict=on_conflict)

    def remove(
        self, factor: SecondFactor, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        DynamoTransaction.of(transaction).delete(self._row(factor), on_conflict=on_conflict)

    @staticmethod
    def _row(factor: SecondFactor) -> SecondFactorRow:
        row = SecondFactorRow(factor.user_id, factor=factor)
        if factor.version:
            row.version = factor.version
        return row


class DynamoLinks:
    """`Links` in DynamoDB."""

    def add(self, link: Link) -> None:
        expires_at = int(link.expires_at.timestamp())
        LinkRow(_link(link.purpose, link.token_digest), link=link, expires_at=expires_at).save()

    def find(self, purpose: Purpose, token_digest: str) -> Link | None:
        row = LinkRow.find(_link(purpose, token_digest))
        return row.link if row else None

    def consume(self, link: Link, transaction: Transaction, on_conflict: DomainError) -> None:
        row = LinkRow(_link(link.purpose, link.token_digest))
        DynamoTransaction.of(transaction).delete(row, LinkRow.pk.exists(), on_conflict)


class DynamoMailLimits:
    """`MailLimits` in DynamoDB: a row counts the mails of a subject in a period."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def count(
        self,
        purpose: Purpose,
        subject: str,
        limits: Mapping[timedelta, int],
        transaction: Transaction,
        on_conflict: DomainError,
    ) -> None:
        now = int(self._clock().timestamp())
        for period, at_most in limits.items():
            seconds = int(period.total_seconds())
            window = now // seconds
            row = CounterRow(f"mails#{purpose}#{digest(subject)}#{seconds}#{window}")
            DynamoTransaction.of(transaction).update(
                row,
                # the key contains the window, since TTL deletes late
                [CounterRow.mails.add(1), CounterRow.expires_at.set((window + 1) * seconds)],
                condition=CounterRow.mails.does_not_exist() | (CounterRow.mails < at_most),
                on_conflict=on_conflict,
            )


class DynamoGuessRecords:
    """`GuessRecords` in DynamoDB, with optimistic locking by the row's version."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def find(self, keys: Sequence[str]) -> Mapping[str, GuessRecord]:
        with _reporting_silence():
            rows = GuessRow.find_many([(GUESS + key,) for key in keys])
        found = {row.id.removeprefix(GUESS): row for row in rows}
        return {
            key: GuessRecord(key, found[key].failures, found[key].version)
            if key in found
            else GuessRecord(key)
            for key in keys
        }

    def replace(self, record: GuessRecord) -> GuessRecord | None:
        expires_at = int((self._clock() + REMEMBERED_FOR).timestamp())
        row = GuessRow(GUESS + record.key, failures=record.failures, expires_at=expires_at)
        if record.version:
            row.version = record.version
        with _reporting_silence():
            is_written = try_write(row.save)
        return replace(record, version=record.version + 1) if is_written else None


@contextmanager
def _reporting_silence() -> Iterator[None]:
    """Raise Unavailable when DynamoDB does not answer."""
    try:
        yield
    except Exception as failure:
        if not is_transient(failure):
            raise
        raise Unavailable("The database does not answer. Try again.") from failure


def _standing_key(standing: Standing) -> str:
    return f"{standing.role}#{standing.status}"


def taken(field: str) -> Conflict:
    """Return the error for a name that another account has."""
    fault = FieldError(field, "belongs to another account")
    return Conflict("This username or email is taken", (fault,))


def _move_email(before: User, after: User, writes: DynamoTransaction) -> list[Action]:
    """Claim another address and release the present one, or keep it while it can be restored.
    Returns the actions on the user's row.
    """
    is_free = ClaimRow.pk.does_not_exist() | (ClaimRow.user_id == before.id)
    writes.put(ClaimRow(EMAIL + after.email, user_id=before.id), is_free, taken("email"))
    former, undo = ClaimRow(EMAIL + before.email, user_id=before.id), after.email_undo
    if undo and undo.email == before.email:
        former.expires_at = int(undo.until.timestamp())
        writes.put(former)
    else:
        writes.delete(former)
    stored = {"email": undo.email, "until": undo.until.isoformat()} if undo else None
    return [Path("user.email").set(after.email), Path("user.email_undo").set(stored)]


def _link(purpose: Purpose, token_digest: str) -> str:
    return f"link#{purpose}#{token_digest}"
