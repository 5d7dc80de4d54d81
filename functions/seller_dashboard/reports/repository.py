"""Checkpoints, claims and the lock of projection rebuilds, in the table `job`.

| id                           | row               | removed by DynamoDB |
|------------------------------|-------------------|---------------------|
| daily-totals#<date>          | checkpoint        | after 7 days        |
| weekly-reports#<monday>      | checkpoint        | after 7 days        |
| weekly-report#<monday>#<id>  | claim of a report | after 400 days      |
| rebuild#seller_dashboard     | lock of rebuilds  | never               |

They are kept apart from the projections, which consist of events alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from seller_dashboard.projections.model import Period
from seller_dashboard.reports.model import AlreadyReported, BatchCheckpoint, RebuildInProgress
from supermarket import telemetry
from supermarket.clock import Clock
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.transaction import Transaction

CHECKPOINT_LIFETIME = timedelta(days=7)
CLAIM_LIFETIME = timedelta(days=400)


class JobRow(Row):
    """Base of the rows in the table."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)


class CheckpointRow(JobRow):
    """How far a job has got with a day or a week."""

    checkpoint = Mapped[BatchCheckpoint](BatchCheckpoint)
    expires_at = NumberAttribute(attr_name="expiresAt")


class ClaimRow(JobRow):
    """The claim of a seller's report of a week."""

    expires_at = NumberAttribute(attr_name="expiresAt")


class RebuildRow(JobRow):
    """The lock of projection rebuilds: its holder, when it expires unless it is renewed, and
    whether the projections lack what a rebuild has deleted, which is so until a rebuild ends.
    """

    id = UnicodeAttribute(hash_key=True, default="rebuild#seller_dashboard")
    holder = UnicodeAttribute()
    ends_at = NumberAttribute(attr_name="endsAt")
    incomplete = BooleanAttribute(null=True)


class DynamoJobs:
    """`Jobs` in DynamoDB. Rebuilds (`ops`) take and release their lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def get_checkpoint(self, job: str) -> BatchCheckpoint:
        row = CheckpointRow.find(job)
        return row.checkpoint if row else BatchCheckpoint()

    def save_checkpoint(self, job: str, checkpoint: BatchCheckpoint) -> None:
        expires_at = int((self._clock() + CHECKPOINT_LIFETIME).timestamp())
        CheckpointRow(job, checkpoint=checkpoint, expires_at=expires_at).save()

    def is_rebuilding(self) -> bool:
        row = RebuildRow.find(RebuildRow().id)
        if row is None:
            return False
        is_running = row.ends_at > self._clock().timestamp()
        if row.incomplete and not is_running:
            telemetry.logger.error("the projections are incomplete: run the rebuild again")
        return is_running or bool(row.incomplete)

    def require_no_rebuild(self, transaction: Transaction) -> None:
        is_free = no_rebuild_runs(self._clock()) & RebuildRow.incomplete.does_not_exist()
        conflict = RebuildInProgress("The projections are being rebuilt")
        DynamoTransaction.of(transaction).condition_check(RebuildRow(), is_free, conflict)

    def list_reported(self, week: Period, seller_ids: Sequence[str]) -> set[str]:
        keys = ((_claim_id(week, seller_id),) for seller_id in seller_ids)
        return {row.id.rpartition("#")[2] for row in ClaimRow.find_many(keys, consistent=False)}

    def claim_report(self, week: Period, seller_id: str, transaction: Transaction) -> None:
        expires_at = int((self._clock() + CLAIM_LIFETIME).timestamp())
        row = ClaimRow(_claim_id(week, seller_id), expires_at=expires_at)
        conflict = AlreadyReported("This week was reported already")
        DynamoTransaction.of(transaction).put(row, ClaimRow.id.does_not_exist(), conflict)


def no_rebuild_runs(now: datetime) -> Condition:
    """Return the condition that no rebuild holds the lock, or that the lock has expired."""
    has_expired = RebuildRow.ends_at <= int(now.timestamp())
    is_free: Condition = RebuildRow.id.does_not_exist() | has_expired
    return is_free


def _claim_id(week: Period, seller_id: str) -> str:
    return f"weekly-report#{week.first}#{seller_id}"
