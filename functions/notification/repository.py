"""Sent mails, rate limits and suppressed addresses, in the table `notification`.

| pk                         | one row per                                                       |
|----------------------------|-------------------------------------------------------------------|
| MESSAGE#<event id>.<kind>  | mail: claimed, then sent and in the recipient's inbox              |
| LIMIT#<hour>#<address>     | address and hour: the number of mails                              |
| SUPPRESSED#<address>       | address that bounced or complained                                 |

DynamoDB deletes messages after a year and limits after their hour; suppressions stay until an
operator removes them (`make unsuppress`).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from notification.model import Message
from notification.ports import MessagePage, SendInProgress
from supermarket.clock import Clock, iso
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import try_write, update_if
from supermarket.errors import Conflict, RetryLater, Unavailable

MESSAGE, LIMIT, SUPPRESSED = "MESSAGE#", "LIMIT#", "SUPPRESSED#"
RETENTION = timedelta(days=365)
# longer than the Lambda's timeout, so that an older claim belongs to a crashed invocation, and
# shorter than the time until the queue retries
CLAIM_LIFETIME = timedelta(seconds=40)
HOUR = timedelta(hours=1)
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


class RateLimitRow(Row):
    """The mails to one address in one hour."""

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
        if update_if(row, actions, is_free):
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
        MessageRow(MESSAGE + message.id).update(actions)

    def save_skipped(self, message_id: str) -> None:
        actions: list[Action] = [
            MessageRow.settled_at.set(iso(self._clock())),
            MessageRow.claimed_until.remove(),
        ]
        MessageRow(MESSAGE + message_id).update(actions)

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


class DynamoRateLimit:
    """`RateLimit` in DynamoDB: a counter per address and hour."""

    def __init__(self, clock: Clock, mails_per_hour: int) -> None:
        self._clock = clock
        self._mails_per_hour = mails_per_hour

    def acquire(self, address: str) -> None:
        is_left = RateLimitRow.pk.does_not_exist() | (RateLimitRow.mails < self._mails_per_hour)
        if not try_write(lambda: self._count(address, 1, is_left)):
            reason = f"the address received its {self._mails_per_hour} mails of this hour"
            now = self._clock()
            raise RetryLater(reason, _hour(now) + HOUR - now)

    def release(self, address: str) -> None:
        self._count(address, -1)

    def _count(self, address: str, mails: int, condition: Condition | None = None) -> None:
        hour = _hour(self._clock())
        row = RateLimitRow(f"{LIMIT}{hour:%Y-%m-%dT%H}#{_plain(address)}")
        expires_at = RateLimitRow.expires_at.set(int((hour + 2 * HOUR).timestamp()))
        row.update([RateLimitRow.mails.add(mails), expires_at], condition)


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


def _mark_read(at: datetime) -> list[Action]:
    """Return the actions that mark a message as read; the first time is kept."""
    return [MessageRow.read_at.set(MessageRow.read_at | iso(at)), MessageRow.unread_by.remove()]


def _message(row: MessageRow) -> Message:
    return replace(row.message, read=row.read_at is not None)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _plain(address: str) -> str:
    """Return the key of an address, which ignores case."""
    return address.strip().lower()
