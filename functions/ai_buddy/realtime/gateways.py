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
CONNECT_SECONDS = 1
READ_SECONDS = 3

_task = TypeAdapter(Task)


class ApiGatewaySender:
    """`ConnectionSender` of an API Gateway WebSocket API."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, connection_id: str, frame: str) -> bool:
        data = frame.encode(errors="replace")  # an answer may be cut in the middle of a character
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=data)
        except ClientError as refusal:
            if _code(refusal) in GONE:
                raise ConnectionGone(connection_id) from None
            _warn("frame not sent", _code(refusal))
            return False
        except BotoCoreError as failure:
            _warn("frame not sent", type(failure).__name__)
            return False
        return True

    def close(self, connection_id: str) -> None:
        try:
            self._client.delete_connection(ConnectionId=connection_id)
        except ClientError as refusal:
            if _code(refusal) not in GONE:
                raise


class LambdaWorkers:
    """`Workers` that are asynchronous invocations of a Lambda."""

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        self._function = function

    def start(self, task: Task) -> None:
        self._client.invoke(
            FunctionName=self._function, InvocationType="Event", Payload=to_payload(task)
        )


def to_payload(task: Task) -> bytes:
    """Return the event of the worker's Lambda; it holds no text of the conversation."""
    ids = {"correlationId": telemetry.correlation_id()}
    return json.dumps(ids | _task.dump_python(task, mode="json")).encode()


def from_event(event: Mapping[str, Any]) -> Task:
    """Return the task of a worker's event, which is a parsed payload."""
    return _task.validate_python(event)


def connections_client(url: str) -> Any:
    """Gives up soon: the next frame brings the text of a late one along."""
    return _client("apigatewaymanagementapi", 2, endpoint_url=url)


def workers_client() -> Any:
    """Gives up after two attempts, before its Lambda times out."""
    return _client("lambda", 2)


def _client(service: str, attempts: int, **options: Any) -> Any:
    timeouts = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return aws.client(service, timeouts, **options)


def _code(refusal: ClientError) -> str:
    return str(refusal.response.get("Error", {}).get("Code", ""))


def _warn(message: str, reason: str) -> None:
    telemetry.logger.warning(message, extra={"reason": reason})
