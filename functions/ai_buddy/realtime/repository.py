"""Open connections and tickets in DynamoDB."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from pynamodb.attributes import (
    BooleanAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.exceptions import DoesNotExist

from ai_buddy.callers import caller_of, values_of
from ai_buddy.model import (
    TICKET_SECONDS,
    Listener,
)
from ai_buddy.realtime.connections import OpenLine
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import update_if
from supermarket.websocket import Connection

LINE, TICKET = "line#", "ticket"
CONNECTION_LIFETIME = timedelta(hours=2)  # API Gateway ends connections that are older


class LineRow(Row):
    """An open connection, kept twice: by its own id, and among those of its owner."""

    Meta = table("connection")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    session_id = UnicodeAttribute(attr_name="sessionId")
    caller: MapAttribute[str, str] = MapAttribute(null=True)
    conversation_id = UnicodeAttribute(null=True, attr_name="conversationId")
    message_id = UnicodeAttribute(null=True, attr_name="messageId")
    heard = NumberAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class TicketRow(Row):
    """A ticket under its fingerprint."""

    Meta = table("connection")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=TICKET)
    caller: MapAttribute[str, str] = MapAttribute(null=True)
    used = BooleanAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoConnections:
    """`Connections` in DynamoDB. TTL deletes late, so the clock decides."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def open(self, connection: Connection) -> None:
        caller = connection.caller
        ends = int((self._clock() + CONNECTION_LIFETIME).timestamp())
        transaction = DynamoTransaction()
        for row in (
            LineRow(LINE + connection.id, LINE, caller=values_of(caller)),
            LineRow(caller.user_id, LINE + connection.id),
        ):
            row.session_id, row.expires_at = caller.session_id, ends
            transaction.put(row)
        transaction.commit()

    def find(self, connection_id: str) -> Connection | None:
        try:
            row = LineRow.get(LINE + connection_id, LINE, consistent_read=True)
        except DoesNotExist:
            return None
        return (
            Connection(connection_id, caller_of(row.caller.as_dict()))
            if self._is_open(row)
            else None
        )

    def close(self, connection_id: str, user_id: str) -> None:
        LineRow(LINE + connection_id, LINE).delete()
        LineRow(user_id, LINE + connection_id).delete()

    def of_user(self, user_id: str) -> Sequence[OpenLine]:
        oldest_first = sorted(self._lines(user_id), key=lambda row: (row.expires_at, row.sk))
        return [OpenLine(_line_id(row), row.session_id) for row in oldest_first]

    def listen(self, connection: Connection, conversation_id: str, heard: Listener) -> None:
        row = LineRow(connection.caller.user_id, LINE + connection.id)
        actions = [
            LineRow.conversation_id.set(conversation_id),
            LineRow.message_id.set(heard.message_id),
            LineRow.heard.set(heard.heard),
        ]
        update_if(row, actions, LineRow.pk.exists())  # unless it hung up meanwhile

    def listeners(self, user_id: str, conversation_id: str) -> Iterable[Listener]:
        return [
            Listener(_line_id(row), row.message_id or "", int(row.heard or 0), row.session_id)
            for row in self._lines(user_id)
            if row.conversation_id == conversation_id
        ]

    def _lines(self, user_id: str) -> Iterator[LineRow]:
        rows = LineRow.query(user_id, LineRow.sk.startswith(LINE), consistent_read=True)
        return (row for row in rows if self._is_open(row))

    def _is_open(self, row: LineRow) -> bool:
        return bool(row.expires_at > self._clock().timestamp())


class DynamoTickets:
    """`Tickets` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def keep(self, fingerprint: str, caller: Caller) -> None:
        ends = int((self._clock() + timedelta(seconds=TICKET_SECONDS)).timestamp())
        row = TicketRow(fingerprint, TICKET, caller=values_of(caller), expires_at=ends)
        row.save()

    def redeem(self, fingerprint: str) -> Caller | None:
        row = TicketRow(fingerprint, TICKET)
        good = TicketRow.used.does_not_exist() & (TicketRow.expires_at > self._clock().timestamp())
        return (
            caller_of(row.caller.as_dict())
            if update_if(row, [TicketRow.used.set(True)], good)
            else None
        )


def _line_id(row: LineRow) -> str:
    return str(row.sk.removeprefix(LINE))
