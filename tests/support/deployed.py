"""Behind the scenes of the deployed shop: its AWS, as the owner of the account sees it."""

import json
from functools import cache
from typing import Any

import botocore.session


def aws(endpoints: dict[str, Any], service: str) -> Any:
    """A client with the account's own credentials, which no policy holds back."""
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


def signing_keys(endpoints: dict[str, Any]) -> dict[str, str]:
    name = f"supermarket/{endpoints['stage']}/signing-keys"
    answer = aws(endpoints, "secretsmanager").get_secret_value(SecretId=name)
    keys: dict[str, str] = json.loads(answer["SecretString"])
    return keys


def rows(endpoints: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Every row of a table, in DynamoDB's own typed form."""
    pages = aws(endpoints, "dynamodb").get_paginator("scan")
    found = pages.paginate(TableName=table(endpoints, name), ConsistentRead=True)
    return [row for page in found for row in page["Items"]]


def function(endpoints: dict[str, Any], handler: str) -> str:
    """The name of the deployed Lambda with this handler."""
    pages = aws(endpoints, "lambda").get_paginator("list_functions").paginate()
    names = {one["Handler"]: one["FunctionName"] for page in pages for one in page["Functions"]}
    return str(names[handler])


def function_environment(endpoints: dict[str, Any], handler: str) -> dict[str, str]:
    """What a Lambda finds in its environment, to run its code as a process here."""
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
