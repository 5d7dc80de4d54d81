"""Secrets by name from Secrets Manager, cached for five minutes, so that a rotation takes effect
without a deployment.
"""

import json
import time
from functools import cache
from typing import Any

from supermarket import aws
from supermarket.config import secret_name

REMEMBERED_FOR_SECONDS = 300

_remembered: dict[str, tuple[float, dict[str, str]]] = {}


def secret(name: str) -> dict[str, str]:
    """Return the JSON object of the secret `supermarket/<stage>/<name>`."""
    fetched_at, value = _remembered.get(name, (float("-inf"), {}))
    if time.monotonic() - fetched_at > REMEMBERED_FOR_SECONDS:
        answer = client().get_secret_value(SecretId=secret_name(name))
        value = json.loads(answer["SecretString"])
        _remembered[name] = (time.monotonic(), value)
    return value


@cache
def client() -> Any:
    """Return the Secrets Manager client of this Lambda."""
    return aws.client("secretsmanager")
