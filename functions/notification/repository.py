"""What was sent to whom, in the table `notification`.

| pk                         | one row per                                                       |
|----------------------------|-------------------------------------------------------------------|
| MESSAGE#<event id>.<kind>  | mail: claimed, then sent, and from then on its recipient's to read |
| ALLOWANCE#<hour>#<address> | address and hour: how many mails it was sent                       |
| SUPPRESSED#<address>       | address that mails came back from, or that complained              |

DynamoDB removes messages after a year and allowances after their hour; what is suppressed stays
until an operator takes it off (`make unsuppress`).
"""

from datetime import datetime, timedelta
from itertools import islice

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from notification.model import Message
from notification.ports import BeingSent, MessagePage
from supermarket.clock import Clock, from_iso, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import error_code
from supermarket.errors import Conflict, RetryLater, Unavailable

MESSAGE, ALLOWANCE, SUPPRESSED = "MESSAGE#", "ALLOWANCE#", "SUPPRESSED#"
REMEMBERED_FOR = timedelta(days=365)
# Somebody who claimed a mail longer ago than this died over it: it is longer than the Lambda's
# timeout and shorter than the time until the queue tries again.
AN_ATTEMPT_TAKES = timedelta(seconds=40)
HOUR = timedelta(hours=1)
REFUSED = "ConditionalCheckFailedException"
GONE = "A message disappeared at this very moment. Try again."


class ByRecipient(GlobalSecondaryIndex["MessageRow"]):
    """A person's messages by the time they were sent."""

    class Meta:
        index_name = "byRecipient"
        projection = AllProjection()

    recipient_id = UnicodeAttribute(hash_key=True, attr_name="recipientId")
    place = UnicodeAttribute(range_key=True)


class ByUnread(GlobalSecondaryIndex["MessageRow"]):
    """Only what a person has not read yet."""

    class Meta:
        index_name = "byUnread"
        projection = KeysOnlyProjection()

    unread_by = UnicodeAttribute(hash_key=True, attr_name="unreadBy")
    place = UnicodeAttribute(range_key=True)


class MessageRow(Row):
    """One mail. While it is being sent there is only the claim, and no person's name."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    claimed_until = NumberAttribute(null=True, attr_name="claimedUntil")
    settled_at = UnicodeAttribute(null=True, attr_name="settledAt")
    recipient_id = UnicodeAttribute(null=True, attr_name="recipientId")
    place = UnicodeAttribute(null=True)
    kind = UnicodeAttribute(null=True)
    subject = UnicodeAttribute(null=True)
    text = UnicodeAttribute(null=True)
    unread_by = UnicodeAttribute(null=True, attr_name="unreadBy")
    read_at = UnicodeAttribute(null=True, attr_name="readAt")
    expires_at = NumberAttribute(attr_name="expiresAt")

    by_recipient = ByRecipient()
    by_unread = ByUnread()


class AllowanceRow(Row):
    """What one address got in one hour."""

    Meta = table("notification")

    pk = UnicodeAttribute(hash_key=True)
    mails = NumberAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


class SuppressionRow(Row):
    """An address that no mail is sent to."""

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
            MessageRow.claimed_until.set(int((now + AN_ATTEMPT_TAKES).timestamp())),
            MessageRow.expires_at.set(int((now + REMEMBERED_FOR).timestamp())),
        ]
        row = MessageRow(MESSAGE + message_id)
        try:
            row.update(actions, is_free)
        except UpdateError as failure:
            if error_code(failure) != REFUSED:
                raise
            row.refresh(consistent_read=True)
            if row.settled_at is None:
                raise BeingSent(message_id) from None
            return False
        return True

    def keep(self, message: Message) -> None:
        sent = iso(message.sent_at)
        actions: list[Action] = [
            MessageRow.settled_at.set(sent),
            MessageRow.claimed_until.remove(),
            MessageRow.recipient_id.set(message.recipient_id),
            MessageRow.unread_by.set(message.recipient_id),
            MessageRow.place.set(f"{sent}#{message.id}"),
            MessageRow.kind.set(message.kind),
            MessageRow.subject.set(message.subject),
            MessageRow.text.set(message.text),
        ]
        MessageRow(MESSAGE + message.id).update(actions)

    def drop(self, message_id: str) -> None:
        actions: list[Action] = [
            MessageRow.settled_at.set(iso(self._clock())),
            MessageRow.claimed_until.remove(),
        ]
        MessageRow(MESSAGE + message_id).update(actions)

    def page_of(self, recipient_id: str, before: str | None, limit: int) -> MessagePage:
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
        try:
            row.update(_reading(at), MessageRow.recipient_id == recipient_id)
        except UpdateError as failure:
            if error_code(failure) != REFUSED:
                raise
            return None
        return _message(row)

    def mark_all_read(self, message_ids: list[str], at: datetime) -> None:
        transaction = DynamoTransaction()
        for message_id in message_ids:
            transaction.update(
                MessageRow(MESSAGE + message_id),
                _reading(at),
                condition=MessageRow.pk.exists(),
                on_conflict=Conflict(GONE),
            )
        transaction.commit()


class DynamoAllowance:
    """`Allowance` in DynamoDB: a counter per address and hour."""

    def __init__(self, clock: Clock, mails_per_hour: int) -> None:
        self._clock = clock
        self._mails_per_hour = mails_per_hour

    def take(self, address: str) -> None:
        is_left = AllowanceRow.pk.does_not_exist() | (AllowanceRow.mails < self._mails_per_hour)
        try:
            self._count(address, 1, is_left)
        except UpdateError as failure:
            if error_code(failure) != REFUSED:
                raise
            why = f"the address has had its {self._mails_per_hour} mails of this hour"
            now = self._clock()
            raise RetryLater(why, _hour(now) + HOUR - now) from None

    def give_back(self, address: str) -> None:
        self._count(address, -1)

    def _count(self, address: str, mails: int, condition: Condition | None = None) -> None:
        hour = _hour(self._clock())
        row = AllowanceRow(f"{ALLOWANCE}{hour:%Y-%m-%dT%H}#{_plain(address)}")
        expires_at = AllowanceRow.expires_at.set(int((hour + 2 * HOUR).timestamp()))
        row.update([AllowanceRow.mails.add(mails), expires_at], condition)


class DynamoSuppressions:
    """`Suppressions` in DynamoDB."""

    def has(self, address: str) -> bool:
        try:
            SuppressionRow.get(SUPPRESSED + _plain(address), consistent_read=True)
        except SuppressionRow.DoesNotExist:
            return False
        return True

    def add(self, address: str, why: str, at: datetime) -> None:
        SuppressionRow(SUPPRESSED + _plain(address), why=why, since=iso(at)).save()

    def remove(self, address: str) -> bool:
        """Whether it was there. Unavailable if the database does not say."""
        try:
            was_there = self.has(address)
            SuppressionRow(SUPPRESSED + _plain(address)).delete()
        except PynamoDBException as failure:
            raise Unavailable(f"The database does not answer: {failure}") from failure
        return was_there


def _reading(at: datetime) -> list[Action]:
    """The first time counts."""
    return [MessageRow.read_at.set(MessageRow.read_at | iso(at)), MessageRow.unread_by.remove()]


def _message(row: MessageRow) -> Message:
    return Message(
        id=row.pk.removeprefix(MESSAGE),
        recipient_id=str(row.recipient_id),
        kind=str(row.kind),
        subject=str(row.subject),
        text=str(row.text),
        sent_at=from_iso(str(row.settled_at)),
        read=row.read_at is not None,
    )


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _plain(address: str) -> str:
    """Mailboxes are told apart without regard to case."""
    return address.strip().lower()
