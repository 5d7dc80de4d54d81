"""Idempotency keys in DynamoDB."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from supermarket.clock import Clock
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import RuleViolated
from supermarket.idempotency import RETENTION, REUSED, IdempotencyKey, KeyInUse
from supermarket.transaction import Transaction

IN_USE = "A request with this Idempotency-Key is being processed. Try again."


class IdempotencyRow(Row):
    """A key that was used. DynamoDB deletes it some time after `expires_at`."""

    Meta = table("idempotency")

    id = UnicodeAttribute(hash_key=True)
    fingerprint = UnicodeAttribute()
    result_id = UnicodeAttribute(attr_name="resultId")
    expires_at = NumberAttribute(attr_name="expiresAt")


class DynamoIdempotencyKeys:
    """`IdempotencyKeys` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def find_result(self, key: IdempotencyKey) -> str | None:
        row = self._find(key)
        if row is None:
            return None
        if row.fingerprint != key.fingerprint:
            raise RuleViolated(REUSED)
        return row.result_id

    def is_used(self, key: IdempotencyKey) -> bool:
        return self._find(key) is not None

    def save_result(self, key: IdempotencyKey, result_id: str, transaction: Transaction) -> None:
        row = IdempotencyRow(
            key.scope,
            fingerprint=key.fingerprint,
            result_id=result_id,
            expires_at=self._now() + int(RETENTION.total_seconds()),
        )
        # TTL deletes late: an expired key counts as deleted
        free = IdempotencyRow.id.does_not_exist() | (IdempotencyRow.expires_at <= self._now())
        DynamoTransaction.of(transaction).put(row, free, KeyInUse(IN_USE))

    def _find(self, key: IdempotencyKey) -> IdempotencyRow | None:
        row = IdempotencyRow.find(key.scope)
        return row if row and self._now() < row.expires_at else None

    def _now(self) -> int:
        return int(self._clock().timestamp())
