"""API Gateway's open connections, and Lambda for what takes longer than a request."""

import json
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ai_buddy.callers import caller_of, values_of
from ai_buddy.model import Task, TurnKey
from ai_buddy.realtime.connections import LineGone
from supermarket import aws, telemetry

GONE = {"GoneException", "410"}
CONNECT_SECONDS = 1
READ_SECONDS = 3


class ApiGatewayLines:
    """`Lines` of an API Gateway WebSocket API."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, connection_id: str, frame: str) -> bool:
        """What did not get through now may do so later."""
        data = frame.encode(errors="replace")  # half a character is no reason to say nothing
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=data)
        except ClientError as refusal:
            if _code(refusal) in GONE:
                raise LineGone(connection_id) from None
            _warn("frame not sent", _code(refusal))
            return False
        except BotoCoreError as failure:
            _warn("frame not sent", type(failure).__name__)
            return False
        return True

    def hang_up(self, connection_id: str) -> None:
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
            FunctionName=self._function, InvocationType="Event", Payload=payload(task)
        )


def payload(task: Task) -> bytes:
    """A task as the worker's Lambda takes it; no word of the conversation is in it."""
    ids = {"messageId": task.key.id, "correlationId": telemetry.correlation_id()}
    return json.dumps({**ids, **values_of(task.caller)}).encode()


def task(event: dict[str, str]) -> Task:
    """The inverse of `payload`, parsed."""
    caller = caller_of(event)
    return Task(TurnKey.of(caller.user_id, event["messageId"]), caller)


def lines_client(url: str) -> Any:
    """Impatient: a frame that is late is worth little, and the next one brings its text along."""
    return _client("apigatewaymanagementapi", 2, endpoint_url=url)


def workers_client() -> Any:
    """Two tries end before the Lambda does that makes them."""
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


def _warn(what: str, reason: str) -> None:
    telemetry.logger.warning(what, extra={"reason": reason})
