"""Writes of single rows: conditions as booleans, and retries while a transaction holds the row."""

import random
import time
from collections.abc import Callable, Sequence

from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from supermarket.aws import error_code
from supermarket.errors import Busy

ATTEMPTS = 8
FIRST_WAIT_SECONDS = 0.02
CONTENDED = "This is being changed by other requests. Try again."
CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CONFLICT = "TransactionConflictException"

# SystemRandom: copies of a process that continue from one snapshot must not wait in step
_random = random.SystemRandom()


def try_write(write: Callable[[], object]) -> bool:
    """Run a conditional write of one row; returns False when its condition does not hold.

    try_write(lambda: row.save(condition=ProductRow.id.does_not_exist()))
    """
    try:
        retry_on_transaction_conflict(write)
    except PynamoDBException as failure:
        if error_code(failure) != CONDITION_FAILED:
            raise
        return False
    return True


def update_if(row: Model, actions: Sequence[Action], condition: Condition) -> bool:
    """Update a row if the condition holds; returns whether it did. `row` is then as stored.

    For writes that may be sent twice: the SDK repeats one whose answer is lost. Others use
    `transaction.update_once`.
    """
    return try_write(lambda: row.update(list(actions), condition=condition))


def retry_on_transaction_conflict[Outcome](write: Callable[[], Outcome]) -> Outcome:
    """Run a write of one row until no transaction holds the row, which takes milliseconds.

    Raises Busy when transactions keep holding it.
    """
    for attempt in range(ATTEMPTS):
        try:
            return write()
        except PynamoDBException as failure:
            if error_code(failure) != TRANSACTION_CONFLICT:
                raise
            wait(attempt)
    raise Busy(CONTENDED)


def wait(attempt: int) -> None:
    """Wait after a failed attempt (counted from 0): exponential backoff with full jitter."""
    time.sleep(_random.uniform(0, FIRST_WAIT_SECONDS * 2**attempt))
