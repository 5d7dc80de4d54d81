"""The handler that Lambdas are compared with: one boto3 client and one GetItem."""

from typing import Any

import boto3

client = boto3.client("dynamodb")


def handler(_event: object, _context: object) -> dict[str, Any]:
    client.get_item(TableName="supermarket-test-signin", Key={"userId": {"S": "user-1"}})
    return {"statusCode": 200}
