"""The template's tables and secrets inside moto."""

import json
from typing import Any

import botocore.session
from pynamodb.models import Model

from supermarket import secrets, wiring
from supermarket.dynamo import rows
from support.template import resources

STAGE = "test"
TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "StreamSpecification",
)
SIGNING_KEYS = {"active": "k1", "k1": "the-key-of-all-tests-is-long-enough-for-hs256"}
RAZORPAY_KEYS = {"keyId": "rzp_test_key", "keySecret": "rzp-secret", "webhookSecret": "hook"}
IMAGEKIT_KEYS = {"publicKey": "public_key", "privateKey": "private_key"}


def client(service: str) -> Any:
    return botocore.session.get_session().create_client(service, region_name="ap-south-1")


def make_tables() -> None:
    dynamodb = client("dynamodb")
    for properties in resources("AWS::DynamoDB::Table").values():
        wanted = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
        if "StreamSpecification" in wanted:
            wanted["StreamSpecification"] = {**wanted["StreamSpecification"], "StreamEnabled": True}
        name = properties["TableName"]["Fn::Sub"].replace("${Stage}", STAGE)
        dynamodb.create_table(TableName=name, **wanted)


def make_secrets() -> None:
    manager = client("secretsmanager")
    for name, value in {
        "signing-keys": SIGNING_KEYS,
        "razorpay": RAZORPAY_KEYS,
        "imagekit": IMAGEKIT_KEYS,
    }.items():
        manager.create_secret(Name=f"supermarket/{STAGE}/{name}", SecretString=json.dumps(value))


def forget_clients() -> None:
    """Every test gets clients of its own: those of an earlier test talk to a cloud that is gone."""
    rows.database.cache_clear()
    secrets._client.cache_clear()
    secrets._remembered.clear()
    for cached in vars(wiring).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
    for row in _all_rows(rows.Row):
        row._connection = None


def _all_rows(base: type[Model]) -> list[type[Model]]:
    return [row for child in base.__subclasses__() for row in (child, *_all_rows(child))]
