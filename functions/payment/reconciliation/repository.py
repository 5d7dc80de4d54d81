"""Agendas, checkpoints and drift in DynamoDB, and the pace of the calls to Razorpay.

| table   | id                                   | row        | removed by DynamoDB |
|---------|--------------------------------------|------------|---------------------|
| job     | reconciliation#<name>                | agenda     | never               |
| job     | reconciliation#<name>#<plan>#<since> | checkpoint | after 30 days       |
| job     | pace#razorpay                        | pace       | never               |
| payment | drift#<subject>#<kind>               | drift      | never               |
"""

from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path

from payment.reconciliation.model import Agenda, Checkpoint
from payment.reconciliation.ports import DriftPage, KnownDrift
from supermarket.clock import Clock, iso
from supermarket.contracts import PaymentDriftFound
from supermarket.dynamo.rows import Mapped, Row, index, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.dynamo.writes import update_if
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction

CHECKPOINT_LIFETIME = timedelta(days=30)
PACE = "pace#razorpay"
DRIFT = "drift"


class AgendaRow(Row):
    """An agenda."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)
    agenda = Mapped[Agenda](Agenda)


class CheckpointRow(Row):
    """The checkpoint of a window."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True)
    checkpoint = Mapped[Checkpoint](Checkpoint)
    expires_at = NumberAttribute(attr_name="expiresAt")


class PaceRow(Row):
    """When the next call may be made, in milliseconds since 1970."""

    Meta = table("job")

    id = UnicodeAttribute(hash_key=True, default=PACE)
    next_at = NumberAttribute(attr_name="nextAt")


class DriftRow(Row):
    """A drift; it stays, so that it is reported once. There are few: all have the same `day`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    drift = Mapped[PaymentDriftFound](PaymentDriftFound)
    day = UnicodeAttribute(default=DRIFT)
    sort_key = UnicodeAttribute(attr_name="sortKey")

    by_day = index("byDay", "day", "sortKey", keys_only=True)


class DynamoDriftStore:
    """`DriftStore` in DynamoDB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def find_agenda(self, name: str) -> Agenda | None:
        row = AgendaRow.find(_key(name))
        return row.agenda if row else None

    def save_agenda(self, agenda: Agenda) -> None:
        _save(AgendaRow(_key(agenda.name), agenda=agenda), "agenda", agenda.version)

    def find_checkpoint(self, name: str) -> Checkpoint | None:
        row = CheckpointRow.find(_key(name))
        return row.checkpoint if row else None

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        expires_at = int((self._clock() + CHECKPOINT_LIFETIME).timestamp())
        row = CheckpointRow(_key(checkpoint.name), checkpoint=checkpoint, expires_at=expires_at)
        _save(row, "checkpoint", checkpoint.version)

    def add(self, drift: PaymentDriftFound, transaction: Transaction) -> None:
        pk = f"drift#{drift.subject_id}#{drift.kind}"
        row = DriftRow(pk, drift=drift, sort_key=f"{iso(drift.found_at)}#{pk}")
        known = KnownDrift("This drift was reported before")
        DynamoTransaction.of(transaction).put(row, DriftRow.pk.does_not_exist(), known)

    def list_newest(self, before: str | None, limit: int) -> DriftPage:
        older = DriftRow.sort_key < before if before else None
        keys = list(DriftRow.by_day.query(DRIFT, older, scan_index_forward=False, limit=limit + 1))
        rows = DriftRow.find_many((key.pk,) for key in keys[:limit])
        newest = sorted(rows, key=lambda row: row.sort_key, reverse=True)
        following = newest[-1].sort_key if len(keys) > limit else None
        return DriftPage(tuple(row.drift for row in newest), following)


class DynamoSlots:
    """`Slots` in one row of DynamoDB, so that all Lambdas share them."""

    def reserve(self, now: datetime, interval: timedelta, longest: timedelta) -> datetime | None:
        start, step, limit = _millis(now), _in_millis(interval), _in_millis(longest)
        row = PaceRow()
        follows = [PaceRow.next_at.add(step)]
        is_near: Condition = PaceRow.next_at.between(start, start + limit)
        is_free: Condition = PaceRow.id.does_not_exist() | (PaceRow.next_at < start)
        if not update_if(row, follows, is_near):
            if update_if(row, [PaceRow.next_at.set(start + step)], is_free):
                return now
            if not update_if(row, follows, is_near):  # it was taken meanwhile, or it is far
                return None
        return now + timedelta(milliseconds=int(row.next_at) - step - start)

    def postpone(self, until: datetime) -> None:
        is_later: Condition = PaceRow.id.does_not_exist() | (PaceRow.next_at < _millis(until))
        update_if(PaceRow(), [PaceRow.next_at.set(_millis(until))], is_later)


def _save(row: Row, name: str, version: int) -> None:
    """Put a row if its `name` is stored in the version before, or not at all before the first."""
    is_first: Condition = Path("id").does_not_exist()
    is_unchanged = Path(f"{name}.version") == version - 1 if version > 1 else is_first
    transaction = DynamoTransaction()
    transaction.put(row, is_unchanged, StaleWrite())
    transaction.commit()


def _key(name: str) -> str:
    return f"reconciliation#{name}"


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _in_millis(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
