"""Why event handlers failed, from the log group that all functions of a stage write to."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import client
from supermarket.config import log_group_name

MAX_PAGES = 50


def failure_reasons(consumer: str, since: datetime) -> dict[str, str]:
    """Find the last reason of each event, and of each message that is no event; none when the logs
    cannot be read.
    """
    reasons: dict[str, str] = {}
    with suppress(ClientError):
        for line in _lines(since):
            key = line.get("event_id") or line.get("message_id")
            if key and line.get("consumer") == consumer:
                traceback = str(line.get("exception", "")).strip().splitlines()
                reasons[key] = traceback[-1] if traceback else str(line.get("exception_name", ""))
    return reasons


def _lines(since: datetime) -> Iterator[dict[str, Any]]:
    pages = client("logs").get_paginator("filter_log_events")
    found = pages.paginate(
        logGroupName=log_group_name(),
        startTime=int(since.timestamp() * 1000),
        filterPattern='"event failed"',
    )
    for page in islice(found, MAX_PAGES):
        yield from (json_object(event["message"]) for event in page["events"])


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; empty for any other text."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
