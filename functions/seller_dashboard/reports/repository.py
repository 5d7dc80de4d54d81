"""Checkpoints, claims and the lock of projection rebuilds, in the table `job`.

| id                           | row                | removed by DynamoDB |
|------------------------------|--------------------|---------------------|
| daily-totals#<date>          | checkpoint         | after 7 days        |
| weekly-reports#<monday>      | checkpoint         | after 7 days        |
| weekly-report#<monday>#<id>  | claim of a report  | after 400 days      |
| rebuild#seller_dashboard     | lock of rebuilds   | never               |

They are kept apart from the projections, which consist of events alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.expressions.condition import Condition

from seller_dashboard.reports.model import BatchCheckpoint, Week
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.dynamo.rows import Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.errors import DomainError
from supermarket.transaction import Transaction

CHECKPOINT_LIFETIME = timedelta(days=7)
CLAIM_LIFETIME = timedelta(days=400)


class CheckpointRow(Row):
    """How far a job has got with a day or a week."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)
    last = UnicodeAttribute()
    failed = UnicodeSetAttribute(null=True)
    retried = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class ClaimRow(Row):
    """The claim of a seller's report of a week."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute(attr_name="expiresAt")


class RebuildRow(Row):
    """The lock of projection rebuilds: its holder, when it expires unless it is renewed, and
    whether the projections lack what a rebuild has deleted. `incomplete` stays until a rebuild
    ends, so the row does not expire.
    """

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True, default="rebuild#seller_dashboard")
    holder = UnicodeAttribute()
    ends_at = NumberAttribute(attr_name="endsAt")
    incomplete = BooleanAttribute(null=True)


class DynamoBatchCheckpoints:
    """`BatchCheckpoints` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def get(self, job: str) -> BatchCheckpoint:
        try:
            row = CheckpointRow.get(job, consistent_read=True)
        except CheckpointRow.DoesNotExist:
            return BatchCheckpoint()
        return BatchCheckpoint(row.last, frozenset(row.failed or ()), row.retried or "")

    def save(self, job: str, checkpoint: BatchCheckpoint) -> None:
        CheckpointRow(
            job,
            last=checkpoint.last,
            failed=set(checkpoint.failed) or None,  # DynamoDB has no empty set
            retried=checkpoint.retried or None,
            expires_at=int((self._clock() + CHECKPOINT_LIFETIME).timestamp()),
        ).save()


class DynamoRebuildLock:
    """`RebuildLock` in DynamoDB. Rebuilds take and release it (`ops`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def is_held(self) -> bool:
        try:
            row = RebuildRow.get(RebuildRow().id, consistent_read=True)
        except RebuildRow.DoesNotExist:
            return False
        is_running = row.ends_at > self._clock().timestamp()
        if row.incomplete and not is_running:
            telemetry.logger.error("the projections are incomplete: run the rebuild again")
        return is_running or bool(row.incomplete)

    def require_free(self, transaction: Transaction, on_conflict: DomainError) -> None:
        is_free = no_rebuild_runs(self._clock()) & RebuildRow.incomplete.does_not_exist()
        DynamoTransaction.of(transaction).condition_check(RebuildRow(), is_free, on_conflict)


def no_rebuild_runs(now: datetime) -> Condition:
    """Return the condition that nobody holds the lock, or that it has expired."""
    has_expired: Condition = RebuildRow.ends_at <= int(now.timestamp())
    is_free: Condition = RebuildRow.id.does_not_exist() | has_expired
    return is_free


class DynamoReportClaims:
    """`ReportClaims` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def list_reported(self, week: Week, seller_ids: Sequence[str]) -> set[str]:
        keys = [_claim_id(week, seller_id) for seller_id in seller_ids]
        return {row.id.rpartition("#")[2] for row in ClaimRow.batch_get(keys)}

    def claim(
        self, week: Week, seller_id: str, transaction: Transaction, on_conflict: DomainError
    ) -> None:
        expires_at = int((self._clock() + CLAIM_LIFETIME).timestamp())
        row = ClaimRow(_claim_id(week, seller_id), expires_at=expires_at)
        DynamoTransaction.of(transaction).put(row, ClaimRow.id.does_not_exist(), on_conflict)


def _claim_id(week: Week, seller_id: str) -> str:
    return f"weekly-report#{week.first}#{seller_id}"
