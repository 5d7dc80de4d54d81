"""EventBridge, the probes of the platform's dependencies, and the routes of the API."""

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from outbox.model import SendFailure, SendFailures, UnsentEvent
from outbox.ports import BatchRejected, BusUnavailable, Probe
from supermarket import aws
from supermarket.clock import iso

DESCRIPTION = Path(__file__).parents[1] / "documentation" / "openapi.json"
CONNECT_SECONDS = 1
READ_SECONDS = 3
FIRST_SERVER_ERROR = 500

# no retry changes these; every other error may be gone the next time
FINAL_ENTRY_ERRORS = {"InvalidArgument", "MalformedDetail", "NotAuthorizedForSourceException"}
REJECTED_BATCH_ERRORS = {
    *("ValidationException", "ValidationError", "SerializationException"),
    *("RequestEntityTooLarge", "RequestEntityTooLargeException"),
}


class EventBridge:
    """`EventBus` on Amazon EventBridge."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def put(self, events: Sequence[UnsentEvent]) -> SendFailures:
        """Check the result of each entry: EventBridge may accept some and reject others."""
        try:
            response = self._client.put_events(Entries=[self._entry(event) for event in events])
        except (BotoCoreError, ClientError) as fault:
            kind = BatchRejected if _is_rejected_batch(fault) else BusUnavailable
            raise kind(repr(fault)) from fault
        return {
            event.id: SendFailure(
                f"{result['ErrorCode']}: {result.get('ErrorMessage', '')}",
                is_final=result["ErrorCode"] in FINAL_ENTRY_ERRORS,
            )
            for event, result in zip(events, response["Entries"], strict=True)
            if "ErrorCode" in result
        }

    def _entry(self, event: UnsentEvent) -> dict[str, str]:
        return {
            "EventBusName": self._bus,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": event.detail,
            "Time": iso(event.occurred_at),
        }


def _is_rejected_batch(fault: BotoCoreError | ClientError) -> bool:
    if not isinstance(fault, ClientError):
        return isinstance(fault, ParamValidationError)
    return (
        fault.response["Error"]["Code"] in REJECTED_BATCH_ERRORS
        or fault.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.CONTENT_TOO_LARGE
    )


def event_bridge_client() -> Any:
    """A client with retries: what is not sent now has to be sent again later."""
    return _client("events", attempts=3)


def aws_probes(table: str, bus: str, secret: str) -> dict[str, Probe]:
    """Probes of what requests need: a table, the secrets and, behind the outbox, the bus."""
    database, secrets, events = (_client(s) for s in ("dynamodb", "secretsmanager", "events"))
    key = {"userId": {"S": "unknown"}}
    return {
        "database": lambda: database.get_item(TableName=table, Key=key),
        "secrets": lambda: secrets.get_secret_value(SecretId=secret),
        "events": lambda: events.describe_event_bus(Name=bus),
    }


def web_probe(base_url: str) -> Probe:
    """A probe that accepts every response but a server error (5xx)."""
    # with the slash: a simulator that is mounted on a path has no route without it
    url = f"{base_url.rstrip('/')}/"
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), retries=False
    )

    def probe() -> None:
        status = pool.request("HEAD", url, redirect=False).status
        if status >= FIRST_SERVER_ERROR:
            raise ConnectionError(f"status {status}")

    return probe


def described_routes() -> Iterator[str]:
    """Yield every route of the API's description, as `GET /api/cart`; with `GET` goes `HEAD`."""
    for path, operations in json.loads(DESCRIPTION.read_text())["paths"].items():
        yield from (f"{method.upper()} {path}" for method in operations)
        if "get" in operations:
            yield f"HEAD {path}"


def _client(service: str, attempts: int = 1) -> Any:
    timeouts = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return aws.client(service, timeouts)
