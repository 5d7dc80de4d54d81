"""Open connections and tickets in DynamoDB."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from ai_buddy.realtime.ports import TICKET_LIFETIME, OpenConnection
from supermarket.caller import Caller
from supermarket.clock import Clock
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction, update_once
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
    sk = UnicodeAttribute(range_key=True)
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
        row = ConnectionRow.find(CONNECTION + connection_id, CONNECTION)
        return Connection(connection_id, row.caller) if row and self._is_open(row) else None

    def remove(self, connection_id: str, user_id: str) -> None:
        ConnectionRow(CONNECTION + connection_id, CONNECTION).delete()
        ConnectionRow(user_id, CONNECTION + connection_id).delete()

    def list_open(self, user_id: str) -> Sequence[OpenConnection]:
        is_connection = ConnectionRow.sk.startswith(CONNECTION)
        rows = ConnectionRow.query(user_id, is_connection, consistent_read=True)
        oldest_first = sorted(rows, key=lambda row: (row.expires_at, row.sk))
        return [_to_connection(row) for row in oldest_first if self._is_open(row)]

    def subscribe(
        self, connection: Connection, conversation_id: str, message_id: str, received: int
    ) -> None:
        row = ConnectionRow(connection.caller.user_id, CONNECTION + connection.id)
        actions = [
            ConnectionRow.conversation_id.set(conversation_id),
            ConnectionRow.message_id.set(message_id),
            ConnectionRow.received.set(received),
        ]
        update_if(row, actions, ConnectionRow.pk.exists())  # unless it was closed meanwhile

    def add_ticket(self, fingerprint: str, caller: Caller) -> None:
        ends = int((self._clock() + TICKET_LIFETIME).timestamp())
        TicketRow(fingerprint, TICKET, caller=caller, expires_at=ends).save()

    def redeem_ticket(self, fingerprint: str) -> Caller | None:
        is_unused = TicketRow.used.does_not_exist()
        is_valid = is_unused & (TicketRow.expires_at > self._clock().timestamp())
        use = [TicketRow.used.set(True)]
        if not update_once(TicketRow(fingerprint, TICKET), use, is_valid):
            return None
        row = TicketRow.find(fingerprint, TICKET)
        return row.caller if row else None

    def _is_open(self, row: ConnectionRow) -> bool:
        return bool(row.expires_at > self._clock().timestamp())


def _to_connection(row: ConnectionRow) -> OpenConnection:
    connection_id, received = row.sk.removeprefix(CONNECTION), int(row.received or 0)
    shown = (row.conversation_id or "", row.message_id or "", received)
    return OpenConnection(connection_id, row.session_id, *shown)
