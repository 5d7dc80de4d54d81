"""Frames through API Gateway's open connections, and workers as Lambda invocations."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import TypeAdapter

from ai_buddy.model import Task
from ai_buddy.realtime.ports import ConnectionGone
from supermarket import aws, telemetry

GONE = {"GoneException", "410"}

_task = TypeAdapter(Task)


class ApiGatewaySender:
    """`ConnectionSender` of an API Gateway WebSocket API."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, connection_id: str, frame: str) -> bool:
        data = frame.encode(errors="replace")  # an answer may be cut in the middle of a character
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=data)
        except (ClientError, BotoCoreError) as failure:
            reason = _reason(failure)
            if reason in GONE:
                raise ConnectionGone(connection_id) from None
            telemetry.logger.warning("frame not sent", extra={"reason": reason})
            return False
        return True

    def close(self, connection_id: str) -> None:
        try:
            self._client.delete_connection(ConnectionId=connection_id)
        except ClientError as refusal:
            if _reason(refusal) not in GONE:
                raise


class LambdaWorkers:
    """`Workers` that are asynchronous invocations of a Lambda."""

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        self._function = function

    def start(self, task: Task) -> None:
        event = {"InvocationType": "Event", "Payload": to_payload(task)}
        self._client.invoke(FunctionName=self._function, **event)


def to_payload(task: Task) -> bytes:
    """Return the event of the worker's Lambda; it holds no text of the conversation."""
    ids = {"correlationId": telemetry.correlation_id()}
    return json.dumps(ids | _task.dump_python(task, mode="json")).encode()


def from_event(event: Mapping[str, Any]) -> Task:
    """Return the task of a worker's event, which is a parsed payload."""
    return _task.validate_python(event)


def connections_client(url: str) -> Any:
    return _client("apigatewaymanagementapi", endpoint_url=url)


def workers_client() -> Any:
    return _client("lambda")


def _client(service: str, **options: Any) -> Any:
    """Make a client that gives up soon: before its Lambda times out."""
    timeouts = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    return aws.client(service, timeouts, **options)


def _reason(failure: Exception) -> str:
    """Return the error code of the answer, or the kind of failure without an answer."""
    if isinstance(failure, ClientError):
        return str(failure.response.get("Error", {}).get("Code", ""))
    return type(failure).__name__
