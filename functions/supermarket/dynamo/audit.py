"""The audit trail in DynamoDB. No policy allows a function to update or delete its rows."""

from dataclasses import replace

from pynamodb.attributes import JSONAttribute, UnicodeAttribute

from supermarket import telemetry
from supermarket.audit import AuditEntry, Facts
from supermarket.clock import Clock, NewId, from_iso, iso
from supermarket.day_lists import Days, partition_of, read_days
from supermarket.dynamo.rows import Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.transaction import Transaction

SEPARATOR = "#"
LAST = "~"  # sorts after all characters of a time


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
    day = UnicodeAttribute()  # a partition of `day_lists`

    by_day = index("byDay", "day", "sk")

    @property
    def entry(self) -> AuditEntry:
        return AuditEntry(
            place=self.sk,
            subject=self.pk,
            action=self.action,
            actor=self.actor,
            at=from_iso(self.sk.partition(SEPARATOR)[0]),
            before=self.before,
            after=self.after,
            request_id=self.correlation_id,
        )


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
        now = self._clock()
        row = AuditRow(
            subject,
            f"{iso(now)}{SEPARATOR}{self._new_id()}",
            day=partition_of(now, subject),
            action=action,
            actor=actor,
            before=dict(before),
            after=dict(after),
            correlation_id=telemetry.correlation_id(),
            causation_id=telemetry.causation_id(),
        )
        # a put could replace a row, so the row must be new
        DynamoTransaction.of(transaction).put(row, AuditRow.pk.does_not_exist())


class DynamoAuditLog:
    """`AuditLog` in DynamoDB."""

    def list_entries(
        self, subject: str | None, days: Days, limit: int
    ) -> tuple[list[AuditEntry], Days | None]:
        if subject is None:
            return read_days(_read_partition, lambda entry: entry.place, days, limit)
        between = AuditRow.sk.between(days.first.isoformat(), days.before or f"{days.last}{LAST}")
        rows = AuditRow.query(subject, between, scan_index_forward=False, limit=limit + 2)
        # a range of keys includes its ends
        found = [row.entry for row in rows if row.sk != days.before]
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], replace(days, last=last.at.date(), before=last.place)


def _read_partition(partition: str, before: str | None, limit: int) -> list[AuditEntry]:
    older = AuditRow.sk < before if before else None
    rows = AuditRow.by_day.query(partition, older, scan_index_forward=False, limit=limit)
    return [row.entry for row in rows]
