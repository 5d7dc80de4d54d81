"""The AWS resources of the deployed shop, with the credentials of the account's owner."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session

from auth.signing import SigningKey
from local.locks import locked
from support.local_cloud import HOME

RELAY = "outbox.streams.relay_outbox"


def aws(endpoints: dict[str, Any], service: str) -> Any:
    """Return a client with the account's credentials, which no policy restricts."""
    return _client(service, endpoints["region"], endpoints["aws"])


@cache
def _client(service: str, region: str, address: str) -> Any:
    return botocore.session.get_session().create_client(
        service,
        region_name=region,
        endpoint_url=address,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def table(endpoints: dict[str, Any], name: str) -> str:
    return f"supermarket-{endpoints['stage']}-{name}"


def signing_key(endpoints: dict[str, Any]) -> SigningKey:
    name = f"supermarket/{endpoints['stage']}/signing-key"
    answer = aws(endpoints, "secretsmanager").get_secret_value(SecretId=name)
    return SigningKey.of(json.loads(answer["SecretString"]))


def rows(endpoints: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Every row of a table, in DynamoDB's own typed form."""
    pages = aws(endpoints, "dynamodb").get_paginator("scan")
    found = pages.paginate(TableName=table(endpoints, name), ConsistentRead=True)
    return [row for page in found for row in page["Items"]]


def rows_of(endpoints: dict[str, Any], name: str, pk: str) -> list[dict[str, Any]]:
    """The rows of a table under one partition key, in the order of their sort key."""
    found = aws(endpoints, "dynamodb").query(
        TableName=table(endpoints, name),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": pk}},
        ConsistentRead=True,
    )
    items: list[dict[str, Any]] = found["Items"]
    return items


def let_reservation_run_out(endpoints: dict[str, Any], order_id: str) -> None:
    """Let the reservation of an unpaid order expire."""
    dynamodb = aws(endpoints, "dynamodb")
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.update_item(
            TableName=table(endpoints, "order"),
            Key={"orderId": {"S": order_id}},
            UpdateExpression="SET dueAt = :long_ago, #order.reserved_until = :long_ago",
            ConditionExpression="attribute_exists(dueAt)",
            ExpressionAttributeNames={"#order": "order"},
            ExpressionAttributeValues={":long_ago": {"S": "2026-01-01T00:00:00.000Z"}},
        )


def lose_news_of_payment(endpoints: dict[str, Any], order_id: str) -> None:
    """Set a paid order back to the state before the event of its payment."""
    aws(endpoints, "dynamodb").update_item(
        TableName=table(endpoints, "order"),
        Key={"orderId": {"S": order_id}},
        UpdateExpression=(
            "SET #order.#status = :pending REMOVE #order.paid_at, #order.timeline[1]"
        ),
        ConditionExpression="#order.#status = :confirmed",
        ExpressionAttributeNames={"#order": "order", "#status": "status"},
        ExpressionAttributeValues={":pending": {"S": "PENDING"}, ":confirmed": {"S": "CONFIRMED"}},
    )


@contextmanager
def alone_with_the_relay() -> Iterator[None]:
    """Let one test at a time stop the relay of events, across all processes."""
    with locked(Path(os.environ[HOME]) / "relaying"):
        yield


@contextmanager
def no_relay(endpoints: dict[str, Any]) -> Iterator[None]:
    """Disable the stream of the outbox inside the block."""
    lambdas = aws(endpoints, "lambda")
    found = lambdas.list_event_source_mappings(FunctionName=function(endpoints, RELAY))
    [stream] = found["EventSourceMappings"]
    with alone_with_the_relay():
        lambdas.update_event_source_mapping(UUID=stream["UUID"], Enabled=False)
        try:
            yield
        finally:
            lambdas.update_event_source_mapping(UUID=stream["UUID"], Enabled=True)


def run_job(endpoints: dict[str, Any], handler: str, day: date | None = None) -> dict[str, Any]:
    """Run a scheduled Lambda, optionally for a day, and return its report."""
    payload = json.dumps({"date": str(day)} if day else {}).encode()
    answer = aws(endpoints, "lambda").invoke(
        FunctionName=function(endpoints, handler), Payload=payload
    )
    result = answer["Payload"].read()
    assert "FunctionError" not in answer, result
    report: dict[str, Any] = json.loads(result)
    return report


def sweep(endpoints: dict[str, Any]) -> None:
    """Run the job that resends the unsent events of the outbox."""
    answer = aws(endpoints, "lambda").invoke(
        FunctionName=function(endpoints, "outbox.jobs.resend_unsent_events"), Payload=b"{}"
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


def function(endpoints: dict[str, Any], handler: str) -> str:
    """The name of the deployed Lambda with this handler."""
    pages = aws(endpoints, "lambda").get_paginator("list_functions").paginate()
    names = {one["Handler"]: one["FunctionName"] for page in pages for one in page["Functions"]}
    return str(names[handler])


def function_environment(endpoints: dict[str, Any], handler: str) -> dict[str, str]:
    """Return the environment variables of a Lambda, to run its code in a local process."""
    name = function(endpoints, handler)
    deployed = aws(endpoints, "lambda").get_function_configuration(FunctionName=name)
    return {
        **deployed["Environment"]["Variables"],
        "AWS_ENDPOINT_URL": endpoints["aws"],
        "AWS_REGION": endpoints["region"],
        "AWS_DEFAULT_REGION": endpoints["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
