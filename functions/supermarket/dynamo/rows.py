"""What every PynamoDB row shares: its table's name, one client, and timeouts that fit a Lambda."""

import os
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.connection import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from supermarket.config import table_name

CONNECT_TIMEOUT_SECONDS = 1
# three tries end before the Lambda does, so that its caller gets an answer of ours
READ_TIMEOUT_SECONDS = 2.5
RETRIES = 2


def table(name: str) -> Any:
    """The `Meta` of a row in the table `supermarket-<stage>-<name>`."""
    return type("Meta", (), {"table_name": table_name(name), "region": os.environ["AWS_REGION"]})


@cache
def database() -> Connection:
    """The one connection of this Lambda."""
    return Connection(
        region=os.environ["AWS_REGION"],
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=READ_TIMEOUT_SECONDS,
        max_retry_attempts=RETRIES,
    )


class Row(Model):
    """Base of all rows. Rows live and die inside a repository."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        connection = super()._get_connection()
        # PynamoDB makes a client per class; each would cost a cold start its own service model and
        # TLS handshake
        connection.connection._client = database().client  # noqa: SLF001
        return connection


def error_code(failure: PynamoDBException) -> str | None:
    """DynamoDB's name for what went wrong; None when it did not answer at all."""
    # PynamoDB's own `cause_response_code` breaks on a time-out, whose `response` is None
    return failure.cause_response_code if isinstance(failure.cause, ClientError) else None
