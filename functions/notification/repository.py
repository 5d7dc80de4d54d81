"""Sent mails, waiting mails, digests, limits and suppressed addresses, in the table `notification`.

| pk                                  | one row per                                              |
|-------------------------------------|----------------------------------------------------------|
| MESSAGE#<event id>.<kind>           | mail: claimed, then sent and in the recipient's inbox     |
| WAITING#<event id>#<due>            | event whose mail is due later                             |
| DIGEST#<seller id>.<period>         | digest that is due later                                  |
| LINE#<digest id>#<topic>#<product>  | line of a digest                                          |
| LIMIT#<hour>#<class>#<address>      | address, class and hour: the number of mails              |
| RATE#<second>#<class>               | class and second: the number of mails                     |
| SUPPRESSED#<address>                | address that bounced or complained                        |

The index `byDue` has what waits, in shards, by the time at which it is due. DynamoDB deletes
messages after a year, limits after their hour, and lines and rates after their use; suppressions
stay until an operator removes them (`make unsuppress`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, chain, islice
from typing import Any
from zlib import crc32

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.update import Action

from notification.model import (
    Digest,
    DigestLine,
    MailClass,
    Message,
    WaitingMail,
)
from notification.ports import MessagePage, SendInProgress
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.batches import delete_many
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction, update_once
from supermarket.dynamo.writes import retry_on_transaction_conflict, try_write, update_if
from supermarket.errors import Conflict, RetryLater, Unavailable

MESSAGE, LIMIT, SUPPRESSED = "MESSAGE#", "LIMIT#", "SUPPRESSED#"
WAITING, DIGEST, LINE, RATE = "WAITING#", "DIGEST#", "LINE#", "RATE#"
RETENTION = timedelta(days=365)
# of what waits, as long as a queue keeps its messages; of the lines of a digest, longer
WAITING_RETENTION, LINE_RETENTION = timedelta(days=14), timedelta(days=15)
RATE_RETENTION = timedelta(minutes=5)
SHARDS = 8
PAGE = 100
# longer than the Lambda's timeout, so that an older claim belongs to a crashed invocation, and
# shorter than the time until the queue retries
CLAIM_LIFETIME = timedelta(seconds=40)
HOUR = timedelta(hours=1)
TURNS = 4  # seconds in which a mail may get its turn
NEXT_TURN = timedelta(minutes=1)
DELETED = "A message was deleted at the same time. Try again."


class MessageRow(Row):
    """One mail. While it is being sent the row has only the claim, without the recipient."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    claimed_until = NumberAttribute(null=True, attr_name="claimedUntil")
    settled_at = UnicodeAttribute(null=True, attr_name="settledAt")
    recipient_id = UnicodeAttribute(null=True, attr_name="recipientId")
    place = UnicodeAttribute(null=True)
    message = Mapped[Message](Message, exclude=frozenset({"read"}), null=True)
    unread_by = UnicodeAttribute(null=True, attr_name="unreadBy")
    read_at = UnicodeAttribute(null=True, attr_name="readAt")
    expires_at = NumberAttribute(attr_name="expiresAt")

    by_recipient = index("byRecipient", "recipientId", "place")
    by_unread = index("byUnread", "unreadBy", "place", keys_only=True)


class DueRow(Row):
    """The event of a waiting mail, or a digest."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    shard = UnicodeAttribute(attr_name="dueShard")
    due_at = UnicodeAttribute(attr_name="dueAt")
    mail = Mapped[WaitingMail](WaitingMail, null=True)
    digest = Mapped[Digest](Digest, null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")

    by_due = index("byDue", "dueShard", "dueAt", keys_only=True)


class LineRow(Row):
    """One line of a digest."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    digest_id = UnicodeAttribute(attr_name="digestId")
    place = UnicodeAttribute()
    revision = NumberAttribute()
    line = Mapped[DigestLine](DigestLine)
    expires_at = NumberAttribute(attr_name="expiresAt")

    by_digest = index("byDigest", "digestId", "place")


class CounterRow(Row):
    """The mails of a class, to one address in one hour or to all in one second."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    mails = NumberAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class SuppressionRow(Row):
    """An address that receives no mail."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    why = UnicodeAttribute()
    since = UnicodeAttribute()


class DynamoMessages:
    """`Messages` and `Inbox` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def claim(self, message_id: str) -> bool:
        now = self._clock()
        is_free = MessageRow.pk.does_not_exist() | (
            MessageRow.settled_at.does_not_exist()
            & (MessageRow.claimed_until < int(now.timestamp()))
        )
        actions: list[Action] = [
            MessageRow.claimed_until.set(int((now + CLAIM_LIFETIME).timestamp())),
            MessageRow.expires_at.set(int((now + RETENTION).timestamp())),
        ]
        row = MessageRow(MESSAGE + message_id)
        if update_once(row, actions, is_free):
            return True
        row.refresh(consistent_read=True)
        if row.settled_at is None:
            raise SendInProgress(message_id)
        return False

    def save_sent(self, message: Message) -> None:
        sent = iso(message.sent_at)
        actions: list[Action] = [
            MessageRow.settled_at.set(sent),
            MessageRow.claimed_until.remove(),
            MessageRow.recipient_id.set(message.recipient_id),
            MessageRow.unread_by.set(message.recipient_id),
            MessageRow.place.set(f"{sent}#{message.id}"),
            MessageRow.message.set(message),
        ]
        _settle(message.id, actions)

    def save_skipped(self, message_id: str) -> None:
        actions: list[Action] = [
            MessageRow.settled_at.set(iso(self._clock())),
            MessageRow.claimed_until.remove(),
        ]
        _settle(message_id, actions)

    def list_messages(self, recipient_id: str, before: str | None, limit: int) -> MessagePage:
        rows = MessageRow.by_recipient.query(
            recipient_id,
            None if before is None else MessageRow.place < before,
            scan_index_forward=False,
            limit=limit + 1,
        )
        shown = list(islice(rows, limit))
        there_are_more = next(rows, None) is not None
        messages = tuple(_message(row) for row in shown)
        return MessagePage(messages, shown[-1].place if there_are_more else None)

    def unread(self, recipient_id: str, limit: int) -> list[str]:
        rows = MessageRow.by_unread.query(recipient_id, scan_index_forward=False, limit=limit)
        return [row.pk.removeprefix(MESSAGE) for row in rows]

    def mark_read(self, recipient_id: str, message_id: str, at: datetime) -> Message | None:
        row = MessageRow(MESSAGE + message_id)
        is_theirs = MessageRow.recipient_id == recipient_id
        return _message(row) if update_if(row, _mark_read(at), is_theirs) else None

    def mark_all_read(self, message_ids: list[str], at: datetime) -> None:
        transaction = DynamoTransaction()
        for message_id in message_ids:
            row, exists = MessageRow(MESSAGE + message_id), MessageRow.pk.exists()
            transaction.update(row, _mark_read(at), exists, Conflict(DELETED))
        transaction.commit()


class DynamoWaitingMails:
    """`WaitingMails` in DynamoDB."""

    def add(self, mail: WaitingMail) -> None:
        key = f"{WAITING}{mail.event_id}#{iso(mail.due)}"
        DueRow(key, mail=mail, **_due_attributes("mail", key, mail.due)).save()

    def list_due(self, until: datetime) -> Iterator[Sequence[WaitingMail]]:
        for rows in _list_due("mail", until):
            yield [row.mail for row in rows]

    def remove(self, mails: Sequence[WaitingMail]) -> None:
        delete_many(DueRow(f"{WAITING}{mail.event_id}#{iso(mail.due)}") for mail in mails)

    def find_oldest(self) -> datetime | None:
        first = (DueRow.by_due.query(shard, limit=1) for shard in _shards("mail"))
        return min((from_iso(row.due_at) for row in chain.from_iterable(first)), default=None)


class DynamoDigests:
    """`Digests` in DynamoDB."""

    def add(self, digest: Digest, line: DigestLine) -> None:
        key = DIGEST + digest.id
        row = DueRow(key, digest=digest, **_due_attributes("digest", key, digest.due))
        try_write(lambda: row.save(condition=DueRow.pk.does_not_exist()))
        place = f"{line.topic}#{line.product_id}"
        line_row = LineRow(
            f"{LINE}{digest.id}#{place}",
            digest_id=digest.id,
            place=place,
            revision=line.revision,
            line=line,
            expires_at=int((digest.due + LINE_RETENTION).timestamp()),
        )
        is_newer = LineRow.pk.does_not_exist() | (LineRow.revision < line.revision)
        try_write(lambda: line_row.save(condition=is_newer))

    def list_due(self, until: datetime) -> Iterator[Sequence[Digest]]:
        for rows in _list_due("digest", until):
            yield [row.digest for row in rows]

    def list_lines(self, digest: Digest, limit: int) -> Sequence[DigestLine]:
        return [row.line for row in LineRow.by_digest.query(digest.id, limit=limit)]

    def remove(self, digest: Digest) -> None:
        DueRow(DIGEST + digest.id).delete()


class DynamoAllowances:
    """`Allowances` in DynamoDB: a counter per address, class and hour."""

    def __init__(self, clock: Clock, mails_per_hour: Mapping[MailClass, int]) -> None:
        self._clock = clock
        self._mails_per_hour = mails_per_hour

    def acquire(self, mail_class: MailClass, address: str) -> None:
        limit, now = self._mails_per_hour[mail_class], self._clock()
        hour = _hour(now)
        if not _count_up(self._key(mail_class, address), limit, hour + 2 * HOUR):
            reason = f"the address received its {limit} {mail_class} mails of this hour"
            raise RetryLater(reason, hour + HOUR - now)

    def release(self, mail_class: MailClass, address: str) -> None:
        actions = [CounterRow.mails.add(-1)]
        counted = CounterRow.mails > 0  # the hour may have changed
        update_if(CounterRow(self._key(mail_class, address)), actions, counted)

    def _key(self, mail_class: MailClass, address: str) -> str:
        return f"{LIMIT}{_hour(self._clock()):%Y-%m-%dT%H}#{mail_class}#{_plain(address)}"


class DynamoSendingRate:
    """`SendingRate` in DynamoDB: a counter per class and second, which all Lambdas of the class
    share.
    """

    def __init__(
        self, clock: Clock, mails_per_second: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._mails_per_second = mails_per_second
        self._sleep = sleep

    def wait_for_turn(self, mail_class: MailClass) -> None:
        limit = mail_class.rate(self._mails_per_second)
        for _ in range(TURNS):
            now = self._clock()
            second = now.replace(microsecond=0)
            if _count_up(f"{RATE}{iso(second)}#{mail_class}", limit, now + RATE_RETENTION):
                return
            self._sleep((second + timedelta(seconds=1) - now).total_seconds())
        raise RetryLater(f"{limit} {mail_class} mails a second are being sent", NEXT_TURN)


class DynamoSuppressions:
    """`Suppressions` in DynamoDB."""

    def has(self, address: str) -> bool:
        return SuppressionRow.find(SUPPRESSED + _plain(address)) is not None

    def add(self, address: str, why: str, at: datetime) -> None:
        SuppressionRow(SUPPRESSED + _plain(address), why=why, since=iso(at)).save()

    def remove(self, address: str) -> bool:
        """Remove an address; returns whether it was suppressed. Raises Unavailable."""
        try:
            was_there = self.has(address)
            SuppressionRow(SUPPRESSED + _plain(address)).delete()
        except PynamoDBException as failure:
            raise Unavailable(f"The database does not answer: {failure}") from failure
        return was_there


def _settle(message_id: str, actions: Sequence[Action]) -> None:
    """Update a message that this process has claimed, also while another one tries to claim it."""
    row = MessageRow(MESSAGE + message_id)
    retry_on_transaction_conflict(lambda: row.update(list(actions)))


def _mark_read(at: datetime) -> list[Action]:
    """Return the actions that mark a message as read; the first time is kept."""
    return [MessageRow.read_at.set(MessageRow.read_at | iso(at)), MessageRow.unread_by.remove()]


def _message(row: MessageRow) -> Message:
    return replace(row.message, read=row.read_at is not None)


def _count_up(key: str, limit: int, ends: datetime) -> bool:
    """Count one mail; returns False when the limit is reached."""
    is_left = CounterRow.pk.does_not_exist() | (CounterRow.mails < limit)
    expires_at = CounterRow.expires_at.set(int(ends.timestamp()))
    return update_if(CounterRow(key), [CounterRow.mails.add(1), expires_at], is_left)


def _due_attributes(kind: str, key: str, due: datetime) -> dict[str, Any]:
    return {
        "shard": f"{kind}-{crc32(key.encode()) % SHARDS}",
        "due_at": iso(due),
        "expires_at": int((due + WAITING_RETENTION).timestamp()),
    }


def _shards(kind: str) -> list[str]:
    return [f"{kind}-{number}" for number in range(SHARDS)]


def _list_due(kind: str, until: datetime) -> Iterator[Sequence[DueRow]]:
    """Yield what is due page by page, the oldest of each shard first."""
    for shard in _shards(kind):
        found = DueRow.by_due.query(shard, DueRow.due_at <= iso(until), page_size=PAGE)
        for page in batched(found, PAGE, strict=False):
            # the index lags behind and has only the keys
            rows = DueRow.find_many((row.pk,) for row in page)
            yield sorted(rows, key=lambda row: row.due_at)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _plain(address: str) -> str:
    """Return the key of an address, which ignores case."""
    return address.strip().lower()
