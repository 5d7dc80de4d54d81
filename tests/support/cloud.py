"""The template's tables, secrets, rules and queues inside moto."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.secretsmanager.models import secretsmanager_backends

from auth.repository import DynamoKeyRings
from auth.signing import SigningKey, publish
from supermarket import secrets
from supermarket.dynamo.rows import Row, database
from supermarket.wiring import public_keys
from support.quick_moto import copy_of_empty, speed_up
from support.template import resources

STAGE = "test"
REGION = "ap-south-1"
TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "StreamSpecification",
)
SIGNING_KEY = {"id": "k1", "seed": "the seed of all tests"}
CURSOR_KEYS = {"active": "k1", "k1": "the key of cursors in all tests"}
RAZORPAY_KEYS = {"keyId": "rzp_test_key", "keySecret": "rzp-secret", "webhookSecret": "hook"}
IMAGEKIT_KEYS = {"publicKey": "public_key", "privateKey": "private_key"}
GEMINI_KEYS = {"apiKey": "gemini_key"}


@contextmanager
def aws_in_memory() -> Iterator[None]:
    """Starts moto with the template's tables, empty, and its secrets.

    Creating them takes 30 to 150 ms, so they are created once for each process and copied.
    """
    tables, stored = _tables_and_secrets()
    with speed_up(), mock_aws():
        forget_secrets()
        dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables = {
            name: copy_of_empty(table) for name, table in tables.items()
        }
        secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets = deepcopy(stored)
        yield


@cache
def _tables_and_secrets() -> tuple[Any, Any]:
    with mock_aws():
        _create_tables()
        _create_secrets()
        publish(DynamoKeyRings(), SigningKey.of(SIGNING_KEY).public)
        return (
            dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables,
            secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets,
        )


@contextmanager
def storing_directly() -> Iterator[None]:
    """Let rows be saved past botocore and moto's checks, which takes a tenth of the time."""
    tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables

    def save(row: Row) -> None:
        tables[row.Meta.table_name].put_item(row.serialize())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Row, "save", save)
        yield


@cache
def client(service: str) -> Any:
    return botocore.session.get_session().create_client(service, region_name=REGION)


def _create_tables() -> None:
    dynamodb = client("dynamodb")
    for properties in resources("AWS::DynamoDB::Table").values():
        wanted = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
        if "StreamSpecification" in wanted:
            wanted["StreamSpecification"] = {**wanted["StreamSpecification"], "StreamEnabled": True}
        name = properties["TableName"]["Fn::Sub"].replace("${Stage}", STAGE)
        dynamodb.create_table(TableName=name, **wanted)


def _create_secrets() -> None:
    manager = client("secretsmanager")
    for name, value in {
        "signing-key": SIGNING_KEY,
        "cursor-keys": CURSOR_KEYS,
        "razorpay": RAZORPAY_KEYS,
        "imagekit": IMAGEKIT_KEYS,
        "gemini": GEMINI_KEYS,
    }.items():
        manager.create_secret(Name=f"supermarket/{STAGE}/{name}", SecretString=json.dumps(value))


def make_bus() -> str:
    """The bus with its archive, rules and queues; its name."""
    events, sqs, name = client("events"), client("sqs"), f"supermarket-{STAGE}"
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    events.create_archive(ArchiveName=name, EventSourceArn=bus)
    queues = resources("AWS::SQS::Queue")
    for queue in queues:
        sqs.create_queue(QueueName=queue)
    for queue, properties in queues.items():
        if "RedrivePolicy" in properties:
            dead = properties["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
            policy = {"maxReceiveCount": 20, "deadLetterTargetArn": queue_arn(dead)}
            sqs.set_queue_attributes(
                QueueUrl=queue_url(queue), Attributes={"RedrivePolicy": json.dumps(policy)}
            )
    for rule, properties in resources("AWS::Events::Rule").items():
        pattern = json.dumps(properties["EventPattern"])
        events.put_rule(Name=rule, EventBusName=name, EventPattern=pattern)
        targets = [
            {
                "Id": target["Id"],
                "Arn": queue_arn(target["Arn"]["Fn::GetAtt"]),
                "DeadLetterConfig": {
                    "Arn": queue_arn(target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"])
                },
            }
            for target in properties["Targets"]
        ]
        events.put_targets(Rule=rule, EventBusName=name, Targets=targets)
    return name


def queue_url(name: str) -> str:
    return str(client("sqs").get_queue_url(QueueName=name)["QueueUrl"])


def queue_arn(attribute: str) -> str:
    """Return the ARN of a queue of the template, given as `OrderQueue` or `OrderQueue.Arn`."""
    return f"arn:aws:sqs:ap-south-1:123456789012:{attribute.removesuffix('.Arn')}"


def forget_secrets() -> None:
    """Clear the cached secrets and public keys; clients are kept between tests, because making them
    is slow.
    """
    secrets._remembered.clear()
    public_keys()._read_at = None


@contextmanager
def held_by_a_transaction(operation: str, times: int) -> Iterator[None]:
    """Make the first `times` calls of an operation fail with a transaction conflict."""
    failures = iter(range(times))
    connected, call = database().client, database().client._make_api_call
    busy: Any = {
        "Error": {"Code": "TransactionConflictException", "Message": "Transaction is ongoing"}
    }

    def answer(name: str, arguments: dict[str, Any]) -> Any:
        if name == operation and next(failures, None) is not None:
            raise ClientError(busy, name)
        return call(name, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connected, "_make_api_call", answer)
        yield
    assert next(failures, None) is None, "the operation was called fewer times"
