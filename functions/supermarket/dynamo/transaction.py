"""The transaction on DynamoDB: one TransactWriteItems; failed conditions become domain errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from supermarket import telemetry
from supermarket.aws import error_code, is_transient
from supermarket.contracts import Event
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.rows import Row, database
from supermarket.dynamo.writes import ATTEMPTS, CONTENDED, wait
from supermarket.errors import Busy, Conflict, DomainError, Unavailable
from supermarket.transaction import AddWrites, Transaction, add_nothing

TRANSIENT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

UNEXPECTED = "A write without `on_conflict` failed its condition."

# PynamoDB sends the writes grouped in this order, and DynamoDB reports failures by position
KINDS = ("condition_check_items", "delete_items", "put_items", "update_items")


@dataclass(frozen=True, eq=False)
class _Write:
    """One write, the error for a failed condition, and the one for a row that is held."""

    kind: str
    operation: dict[str, Any]
    on_conflict: DomainError | None
    on_busy: DomainError | None = None


class DynamoTransaction:
    """Collects puts, updates, deletes and condition checks; `commit` sends them as one call.

        transaction = DynamoTransaction()
        transaction.put(OrderRow("o1", …), OrderRow.order_id.does_not_exist(), Conflict("…"))
        transaction.emit(OrderPlaced(…))
        transaction.commit()

    `on_conflict` is the error that `commit` raises when the condition of that write does not hold,
    `on_busy` the one that it raises at once, instead of repeating the transaction, while another
    transaction holds the row. DynamoDB allows 100 writes in one transaction.
    """

    def __init__(self) -> None:
        self._writes: list[_Write] = []

    @classmethod
    def of(cls, transaction: Transaction) -> Self:
        """Return the transaction that a service passed on, typed for a repository.

        Raises TypeError when it is not a DynamoDB transaction.
        """
        if not isinstance(transaction, cls):
            raise TypeError("a DynamoDB repository takes part in DynamoDB transactions only")
        return transaction

    def put(
        self, row: Row, condition: Condition | None = None, on_conflict: DomainError | None = None
    ) -> None:
        """Add a put of the whole row."""
        self._add("put_items", row.get_save_kwargs_from_instance(condition=condition), on_conflict)

    def update(
        self,
        row: Row,
        actions: Sequence[Action],
        condition: Condition | None = None,
        on_conflict: DomainError | None = None,
        on_busy: DomainError | None = None,
    ) -> None:
        """Add an update of the row with the keys of `row`."""
        changes = row.get_update_kwargs_from_instance(actions=list(actions), condition=condition)
        self._writes.append(_Write("update_items", changes, on_conflict, on_busy))

    def delete(
        self, row: Row, condition: Condition | None = None, on_conflict: DomainError | None = None
    ) -> None:
        """Add a delete of the row with the keys of `row`."""
        deletion = row.get_delete_kwargs_from_instance(condition=condition)
        self._add("delete_items", deletion, on_conflict)

    def condition_check(
        self, row: Row, condition: Condition, on_conflict: DomainError | None = None
    ) -> None:
        """Add a condition on the row with the keys of `row`, without a write to it."""
        check = row.get_delete_kwargs_from_instance(condition=condition)
        self._add("condition_check_items", check, on_conflict)

    def emit(self, event: Event, event_id: str | None = None) -> None:
        """Add the outbox row of an event."""
        self.put(OutboxRow.of(event, event_id))

    def commit(self) -> None:
        """Send all writes. Raises what the failed write's `on_conflict` says; Busy, or the write's
        `on_busy`, when other transactions keep holding the rows; Unavailable when DynamoDB does not
        answer.
        """
        operations: dict[str, Any] = {
            kind: [write.operation for write in self._writes if write.kind == kind]
            for kind in KINDS
        }
        for attempt in range(ATTEMPTS):
            try:
                database().transact_write_items(**operations)
            except TransactWriteError as failure:
                self._raise_unless_transient(failure)
                wait(attempt)
            else:
                return
        raise Busy(CONTENDED)

    def _add(self, kind: str, operation: dict[str, Any], on_conflict: DomainError | None) -> None:
        self._writes.append(_Write(kind, operation, on_conflict))

    def _raise_unless_transient(self, failure: TransactWriteError) -> None:
        """Raise what a failure means; return when repeating the transaction makes sense."""
        if error_code(failure) != "TransactionCanceledException":
            if not is_transient(failure):
                raise failure  # the transaction itself is at fault
            telemetry.logger.error("transaction failed", extra={"problem": str(failure.cause)})
            raise Unavailable("The database does not answer. Try again.") from failure
        reasons = failure.cancellation_reasons
        sent = sorted(self._writes, key=lambda write: KINDS.index(write.kind))
        outcomes = [
            (write, reason.code)
            for write, reason in zip(sent, reasons, strict=True)
            if reason is not None
        ]
        failed = [write for write, code in outcomes if code == "ConditionalCheckFailed"]
        if failed:
            raise _merged([write for write in self._writes if write in failed]) from failure
        for write, code in outcomes:
            if write.on_busy and code in TRANSIENT:
                raise write.on_busy from failure
        if not all(reason is None or reason.code in TRANSIENT for reason in reasons):
            raise failure


def _merged(failed: Sequence[_Write]) -> Exception:
    """Return the error of the first failed write, with the field errors of all of them."""
    errors = [write.on_conflict for write in failed]
    first = errors[0]
    if first is None:
        return RuntimeError(UNEXPECTED)
    first.errors = tuple(chain.from_iterable(error.errors for error in errors if error))
    return first


class _ConditionFailed(Conflict):
    """The condition of a write of one row does not hold."""


def update_once(
    row: Row,
    actions: Sequence[Action],
    condition: Condition | None = None,
    also: AddWrites = add_nothing,
) -> bool:
    """Update a row if the condition holds; returns whether it did.

    The SDK sends a write again when its answer is lost. In a transaction, whose token both have,
    the second one changes nothing; `update_if` would add twice, or fail because of the first one.
    `also` adds further writes, whose failures come first. `row` is not updated.
    """
    return _commit_if(
        lambda work, failed: work.update(row, actions, condition, on_conflict=failed), also
    )


def put_once(row: Row, also: AddWrites = add_nothing) -> bool:
    """Write a whole row with a version as `update_once` does, unless its version has changed."""
    return _commit_if(lambda work, failed: work.put(row, on_conflict=failed), also)


def _commit_if(
    write: Callable[[DynamoTransaction, DomainError], None],
    also: AddWrites,
) -> bool:
    transaction = DynamoTransaction()
    also(transaction)
    write(transaction, _ConditionFailed(CONTENDED))
    try:
        transaction.commit()
    except _ConditionFailed:
        return False
    return True
