"""Transactions that DynamoDB cancels because another one holds a row."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from supermarket.dynamo.rows import database


def contend(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Cancel the next `times` transactions."""
    client = database().client
    real = client._make_api_call
    refusals = iter(range(times))

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems" and next(refusals, None) is not None:
            response: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": "in progress"},
                "CancellationReasons": [
                    {"Code": "TransactionConflict"} for _ in arguments["TransactItems"]
                ],
            }
            raise ClientError(response, operation)
        return real(operation, arguments)

    monkeypatch.setattr("supermarket.dynamo.writes.FIRST_WAIT_SECONDS", 0)
    monkeypatch.setattr(client, "_make_api_call", call)
