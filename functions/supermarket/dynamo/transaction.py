"""The transaction on DynamoDB: one TransactWriteItems, whose refusals come back as domain
errors.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from supermarket import telemetry
from supermarket.contracts import Event
from supermarket.dynamo.outbox import OutboxRow
from supermarket.dynamo.rows import Row, database, error_code
from supermarket.errors import Conflict, DomainError, Unavailable
from supermarket.transaction import Transaction

ATTEMPTS = 8
FIRST_WAIT_SECONDS = 0.02
BUSY = "TransactionConflictException"
TRANSIENT = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

CONTENDED = "Somebody else changed the same thing at this very moment. Try again."
UNEXPECTED = "A write was refused that nobody expected to be."

# PynamoDB sends the writes grouped in this order, and DynamoDB names the refused ones by position
KINDS = ("condition_check_items", "delete_items", "put_items", "update_items")


@dataclass(frozen=True)
class _Write:
    """One write: the how-manieth it was to be added, and what it means when it is refused."""

    place: int
    operation: dict[str, Any]
    refused: DomainError | None


class DynamoTransaction:
    """Collects puts, updates, deletes and conditions; `commit` sends them as one call that does all
    or nothing.

    Each write says which `DomainError` it means when its condition does not hold (`refused`).
    DynamoDB allows 100 of them in one transaction.
    """

    def __init__(self) -> None:
        self._writes: dict[str, list[_Write]] = {kind: [] for kind in KINDS}

    def put(
        self, row: Row, condition: Condition | None = None, refused: DomainError | None = None
    ) -> None:
        """Write the whole of `row`."""
        self._add("put_items", row.get_save_kwargs_from_instance(condition=condition), refused)

    def update(
        self,
        row: Row,
        actions: Sequence[Action],
        condition: Condition | None = None,
        refused: DomainError | None = None,
    ) -> None:
        """Change some attributes of the row with the keys of `row`."""
        changes = row.get_update_kwargs_from_instance(actions=list(actions), condition=condition)
        self._add("update_items", changes, refused)

    def delete(
        self, row: Row, condition: Condition | None = None, refused: DomainError | None = None
    ) -> None:
        """Remove the row with the keys of `row`."""
        self._add("delete_items", row.get_delete_kwargs_from_instance(condition=condition), refused)

    def require(self, row: Row, condition: Condition, refused: DomainError | None = None) -> None:
        """Write nothing to the row with the keys of `row`, but insist on `condition`."""
        check = row.get_delete_kwargs_from_instance(condition=condition)
        self._add("condition_check_items", check, refused)

    def emit(self, event: Event, event_id: str | None = None) -> None:
        self.put(OutboxRow.of(event, event_id))

    def commit(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                database().transact_write_items(**self._operations())
            except TransactWriteError as failure:
                self._raise_refusals(failure)
                _wait(attempt)
            else:
                return
        raise Conflict(CONTENDED)

    def _add(self, kind: str, operation: dict[str, Any], refused: DomainError | None) -> None:
        place = sum(map(len, self._writes.values()))
        self._writes[kind].append(_Write(place, operation, refused))

    def _operations(self) -> dict[str, Any]:
        return {kind: [write.operation for write in self._writes[kind]] for kind in KINDS}

    def _raise_refusals(self, failure: TransactWriteError) -> None:
        """Return quietly when trying again makes sense; raise what the refusal means otherwise."""
        if error_code(failure) != "TransactionCanceledException":
            telemetry.logger.error("no transaction", extra={"problem": str(failure.cause)})
            raise Unavailable("The database does not answer. Try again.") from failure
        reasons = failure.cancellation_reasons
        writes = chain.from_iterable(self._writes.values())
        refused = [
            write
            for write, reason in zip(writes, reasons, strict=True)
            if reason is not None and reason.code == "ConditionalCheckFailed"
        ]
        if refused:
            raise _merged(refused) from failure
        if not all(reason is None or reason.code in TRANSIENT for reason in reasons):
            raise failure


def dynamo(transaction: Transaction) -> DynamoTransaction:
    """The DynamoDB side of a transaction that came through a service, for repositories to add
    to.
    """
    if not isinstance(transaction, DynamoTransaction):
        raise TypeError("a DynamoDB repository takes part in DynamoDB transactions only")
    return transaction


def past_transactions[Outcome](write: Callable[[], Outcome]) -> Outcome:
    """What a single write comes to. DynamoDB refuses it while a transaction has its row in hand,
    which takes some milliseconds; the last of several refusals is raised.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return write()
        except PynamoDBException as failure:
            if error_code(failure) != BUSY:
                raise
            _wait(attempt)
    return write()


def _wait(attempt: int) -> None:
    # full jitter: buyers who collided must not collide again in step
    time.sleep(random.uniform(0, FIRST_WAIT_SECONDS * 2**attempt))  # noqa: S311


def _merged(writes: Sequence[_Write]) -> Exception:
    """What the first of the refused writes means, with the field errors of all."""
    refusals = [write.refused for write in sorted(writes, key=lambda write: write.place)]
    first = refusals[0]
    if first is None:
        return RuntimeError(UNEXPECTED)
    errors = chain.from_iterable(refusal.errors for refusal in refusals if refusal)
    return type(first)(first.message, tuple(errors))
