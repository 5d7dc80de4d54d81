"""Open connections and tickets in DynamoDB."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist

from ai_buddy.model import Subscription
from ai_buddy.realtime.ports import TICKET_LIFETIME, OpenConnection
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import update_if
from supermarket.websocket import Connection

CONNECTION, TICKET = "connection#", "ticket"  # prefixes of keys
CONNECTION_LIFETIME = timedelta(hours=2)  # API Gateway closes older connections


class ConnectionRow(Row):
    """An open connection, stored twice: under its own id, and among those of its owner."""

    Meta = table("connection")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    session_id = UnicodeAttribute(attr_name="sessionId")
    caller = Mapped[Caller](Caller, null=True)
    conversation_id = UnicodeAttribute(null=True, attr_name="conversationId")
    message_id = UnicodeAttribute(null=True, attr_name="messageId")
    received = NumberAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class TicketRow(Row):
    """A ticket under its fingerprint."""

    Meta = table("connection")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=TICKET)
    caller = Mapped[Caller](Caller, null=True)
    used = BooleanAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoConnections:
    """`Connections` in DynamoDB. TTL deletes late, so the clock decides which are open."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add(self, connection: Connection) -> None:
        caller, key = connection.caller, CONNECTION + connection.id
        stored: dict[str, Any] = {
            "session_id": caller.session_id,
            "expires_at": int((self._clock() + CONNECTION_LIFETIME).timestamp()),
        }
        transaction = DynamoTransaction()
        transaction.put(ConnectionRow(key, CONNECTION, caller=caller, **stored))
        transaction.put(ConnectionRow(caller.user_id, key, **stored))
        transaction.commit()

    def find(self, connection_id: str) -> Connection | None:
        key = CONNECTION + connection_id
        try:
            row = ConnectionRow.get(key, CONNECTION, consistent_read=True)
        except DoesNotExist:
            return None
        return Connection(connection_id, row.caller) if self._is_open(row) else None

    def remove(self, connection_id: str, user_id: str) -> None:
        ConnectionRow(CONNECTION + connection_id, CONNECTION).delete()
        ConnectionRow(user_id, CONNECTION + connection_id).delete()

    def list_open(self, user_id: str) -> Sequence[OpenConnection]:
        oldest_first = sorted(self._open_rows(user_id), key=lambda row: (row.expires_at, row.sk))
        return [OpenConnection(_id(row), row.session_id) for row in oldest_first]

    def subscribe(
        self, connection: Connection, conversation_id: str, received: Subscription
    ) -> None:
        row = ConnectionRow(connection.caller.user_id, CONNECTION + connection.id)
        actions = [
            ConnectionRow.conversation_id.set(conversation_id),
            ConnectionRow.message_id.set(received.message_id),
            ConnectionRow.received.set(received.received),
        ]
        update_if(row, actions, ConnectionRow.pk.exists())  # unless it was closed meanwhile

    def list_subscriptions(self, user_id: str, conversation_id: str) -> Sequence[Subscription]:
        return [
            Subscription(_id(row), row.message_id or "", int(row.received or 0), row.session_id)
            for row in self._open_rows(user_id)
            if row.conversation_id == conversation_id
        ]

    def _open_rows(self, user_id: str) -> Iterator[ConnectionRow]:
        is_connection = ConnectionRow.sk.startswith(CONNECTION)
        rows = ConnectionRow.query(user_id, is_connection, consistent_read=True)
        return (row for row in rows if self._is_open(row))

    def _is_open(self, row: ConnectionRow) -> bool:
        return bool(row.expires_at > self._clock().timestamp())


class DynamoTickets:
    """`Tickets` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add(self, fingerprint: str, caller: Caller) -> None:
        ends = int((self._clock() + TICKET_LIFETIME).timestamp())
        TicketRow(fingerprint, TICKET, caller=caller, expires_at=ends).save()

    def redeem(self, fingerprint: str) -> Caller | None:
        row = TicketRow(fingerprint, TICKET)
        is_unused = TicketRow.used.does_not_exist()
        is_valid = is_unused & (TicketRow.expires_at > self._clock().timestamp())
        return row.caller if update_if(row, [TicketRow.used.set(True)], is_valid) else None


def _id(row: ConnectionRow) -> str:
    return str(row.sk.removeprefix(CONNECTION))
