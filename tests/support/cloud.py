"""The template's tables and secrets inside moto."""

import json
from functools import cache
from typing import Any

import botocore.session

from supermarket import secrets
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
GEMINI_KEYS = {"apiKey": "gemini_key"}


@cache
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
        "gemini": GEMINI_KEYS,
    }.items():
        manager.create_secret(Name=f"supermarket/{STAGE}/{name}", SecretString=json.dumps(value))


def forget_secrets() -> None:
    """The clients live on from test to test (making them is slow), what they fetched does not."""
    secrets._remembered.clear()
