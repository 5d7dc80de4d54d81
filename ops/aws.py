"""AWS clients for commands, and the deployed functions of a stage."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.config import Config

from supermarket import aws

LONGEST_RUN_SECONDS = 900  # of any Lambda


@cache
def client(service: str) -> Any:
    """A client that retries longer than one of a Lambda."""
    return aws.client(service, Config(retries={"mode": "standard", "total_max_attempts": 5}))


@cache
def invoking_client() -> Any:
    """A client of Lambda that waits for the longest run, and never starts a function twice."""
    config = Config(read_timeout=LONGEST_RUN_SECONDS, retries={"total_max_attempts": 1})
    return aws.client("lambda", config)


def functions_of(stage: str) -> Iterator[dict[str, Any]]:
    """Yield Lambda's description of each function of a stage."""
    for page in client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            variables = function.get("Environment", {}).get("Variables", {})
            if variables.get("STAGE") == stage:
                yield function
