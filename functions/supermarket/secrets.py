"""Secrets by name from Secrets Manager, cached for five minutes, so that a rotation takes effect
without a deployment. While the store does not answer, the last value is used.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from supermarket import aws, telemetry
from supermarket.config import secret_name

REMEMBERED_FOR_SECONDS = 300
# an outage of the store costs one request in each period its time, and not every request
RETRY_AFTER_SECONDS = 30
# without a value a Lambda can serve no request: it tries again soon
FIRST_RETRY_AFTER_SECONDS = 3
CONNECT_SECONDS = 1
READ_SECONDS = 2
ATTEMPTS = 3

type Value = dict[str, str]


@dataclass(frozen=True)
class _Remembered:
    """What is known of a secret until the next fetch: its value, or why there is none."""

    value: Value | Exception
    fetch_after: float


_remembered: dict[str, _Remembered] = {}


def secret(name: str) -> Value:
    """Return the JSON object of the secret `supermarket/<stage>/<name>`. Raises botocore's error
    when it was never fetched and cannot be fetched now.
    """
    known = _remembered.get(name)
    if known is None or time.monotonic() >= known.fetch_after:
        known = _remembered[name] = _fetch(name, known)
    if isinstance(known.value, Exception):
        raise known.value.with_traceback(None)
    return known.value


def replace_secret(name: str, value: Mapping[str, str]) -> None:
    """Store another value, which others read when they fetch the secret again."""
    client().put_secret_value(SecretId=secret_name(name), SecretString=json.dumps(dict(value)))
    _remembered.pop(name, None)


def _fetch(name: str, last: _Remembered | None) -> _Remembered:
    try:
        answer = client().get_secret_value(SecretId=secret_name(name))
    except (BotoCoreError, ClientError) as failure:
        telemetry.logger.exception("secret not fetched", extra={"secret": name})
        if last is None or isinstance(last.value, Exception):
            return _Remembered(failure, time.monotonic() + FIRST_RETRY_AFTER_SECONDS)
        return _Remembered(last.value, time.monotonic() + RETRY_AFTER_SECONDS)
    value = json.loads(answer["SecretString"])
    return _Remembered(value, time.monotonic() + REMEMBERED_FOR_SECONDS)


@cache
def client() -> Any:
    """Return the Secrets Manager client of this Lambda."""
    return aws.client(
        "secretsmanager",
        Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )
