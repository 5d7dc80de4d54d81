"""The audit trail in DynamoDB. No policy allows a function to update or delete its rows."""

from pynamodb.attributes import JSONAttribute, UnicodeAttribute

from supermarket import telemetry
from supermarket.audit import Facts
from supermarket.clock import Clock, NewId, iso
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.transaction import Transaction


class AuditRow(Row):
    """One action; the sort key is `<time>#<id>`."""

    Meta = table("audit")

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    action = UnicodeAttribute()
    actor = UnicodeAttribute()
    before = JSONAttribute()
    after = JSONAttribute()
    correlation_id = UnicodeAttribute(attr_name="correlationId")
    causation_id = UnicodeAttribute(attr_name="causationId", null=True)


class DynamoAuditTrail:
    """`AuditTrail` in DynamoDB."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    def record(
        self,
        transaction: Transaction,
        *,
        subject: str,
        action: str,
        actor: str,
        before: Facts,
        after: Facts,
    ) -> None:
        row = AuditRow(
            subject,
            f"{iso(self._clock())}#{self._new_id()}",
            action=action,
            actor=actor,
            before=dict(before),
            after=dict(after),
            correlation_id=telemetry.correlation_id(),
            causation_id=telemetry.causation_id(),
        )
        # a put could replace a row, so the row must be new
        DynamoTransaction.of(transaction).put(row, AuditRow.pk.does_not_exist())
