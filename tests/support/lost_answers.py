"""Lost answers of DynamoDB: each write takes effect, its first answer is lost, and botocore sends
it again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler

from supermarket.dynamo.rows import database

WRITES = ("UpdateItem", "PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")


@contextmanager
def losing_answers() -> Iterator[list[str]]:
    """Lose the first answer of each write in the block; yields the names of these writes."""
    lost: list[str] = []

    def lose(attempts: int, operation: Any, **_: Any) -> Any:
        if attempts == 1:
            lost.append(operation.name)
            return 0.0  # seconds until botocore sends the request again
        return None

    events = database().client.meta.events
    names = [f"needs-retry.dynamodb.{write}" for write in WRITES]
    for name in names:
        events.register_first(name, lose)
    try:
        with pytest.MonkeyPatch.context() as patch:
            _honour_tokens(patch)
            yield lost
    finally:
        for name in names:
            events.unregister(name, lose)


def _honour_tokens(patch: pytest.MonkeyPatch) -> None:
    """Apply a repeated transaction only once, as DynamoDB does and moto does not."""
    committed: set[str] = set()
    apply = DynamoHandler.transact_write_items

    def transact(handler: DynamoHandler) -> ActionResult:
        token = handler.body["ClientRequestToken"]
        if token in committed:
            return ActionResult({})
        result = apply(handler)
        committed.add(token)
        return result

    patch.setattr(DynamoHandler, "transact_write_items", transact)
