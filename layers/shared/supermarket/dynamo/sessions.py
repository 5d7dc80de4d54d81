"""Sessions in DynamoDB."""

from datetime import datetime

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from supermarket.clock import Clock
from supermarket.dynamo.rows import Row, table
from supermarket.sessions import SESSION_LIFETIME


class SessionRow(Row):
    """One sign-in. DynamoDB removes it some time after `expires_at`."""

    Meta = table("session")

    session_id = UnicodeAttribute(hash_key=True, attr_name="sessionId")
    user_id = UnicodeAttribute(attr_name="userId")
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoSessions:
    """`Sessions` in DynamoDB; one strongly consistent read per check."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def open(self, session_id: str, user_id: str) -> None:
        ends: datetime = self._clock() + SESSION_LIFETIME
        SessionRow(session_id, user_id=user_id, expires_at=int(ends.timestamp())).save()

    def is_open(self, session_id: str, user_id: str) -> bool:
        try:
            row = SessionRow.get(session_id, consistent_read=True)
        except SessionRow.DoesNotExist:
            return False
        # TTL deletes late, so the clock decides
        return row.user_id == user_id and row.expires_at > self._clock().timestamp()

    def end(self, session_id: str) -> None:
        SessionRow(session_id).delete()
