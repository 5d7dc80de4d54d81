"""Checkpoints and drift in DynamoDB."""

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.operand import Path

from payment.reconciliation.model import Checkpoint
from payment.reconciliation.ports import KnownDrift
from supermarket.contracts import PaymentDriftFound
from supermarket.dynamo.rows import Mapped, Row, table
from supermarket.dynamo.transaction import DynamoTransaction
from supermarket.retry import StaleWrite
from supermarket.transaction import Transaction


class CheckpointRow(Row):
    """The checkpoint of a window, at `checkpoint#reconciliation#<name>`."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    checkpoint = Mapped[Checkpoint](Checkpoint)


class DriftRow(Row):
    """A drift, at `drift#<subject>#<kind>`; it stays, so that it is reported once."""

    Meta = table("payment")

    pk = UnicodeAttribute(hash_key=True)
    drift = Mapped[PaymentDriftFound](PaymentDriftFound)


class DynamoDriftStore:
    """`DriftStore` in DynamoDB."""

    def find_checkpoint(self, name: str) -> Checkpoint | None:
        row = CheckpointRow.find(_checkpoint_key(name))
        return row.checkpoint if row else None

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        row = CheckpointRow(_checkpoint_key(checkpoint.name), checkpoint=checkpoint)
        before = checkpoint.version - 1
        is_unchanged = (
            Path("checkpoint.version") == before if before else CheckpointRow.pk.does_not_exist()
        )
        transaction = DynamoTransaction()
        transaction.put(row, is_unchanged, StaleWrite())
        transaction.commit()

    def add(self, drift: PaymentDriftFound, transaction: Transaction) -> None:
        row = DriftRow(f"drift#{drift.subject_id}#{drift.kind}", drift=drift)
        known = KnownDrift("This drift was reported before")
        DynamoTransaction.of(transaction).put(row, DriftRow.pk.does_not_exist(), known)


def _checkpoint_key(name: str) -> str:
    return f"checkpoint#reconciliation#{name}"
