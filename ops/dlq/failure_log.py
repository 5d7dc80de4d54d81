"""Why event handlers failed, from the log group of a stage."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import client

MAX_PAGES = 50


class FailureLog:
    """`FailureReasons` from the log group that all functions of a stage write to."""

    def __init__(self, log_group: str) -> None:
        self._log_group = log_group

    def __call__(self, consumer: str, since: datetime) -> dict[str, str]:
        """Find the last reason of each event, and of each message that is no event; none when the
        logs cannot be read.
        """
        reasons: dict[str, str] = {}
        with suppress(ClientError):
            for line in self._lines(since):
                key = line.get("event_id") or line.get("message_id")
                if key and line.get("consumer") == consumer:
                    reasons[key] = _last_line(line)
        return reasons

    def _lines(self, since: datetime) -> Iterator[dict[str, Any]]:
        pages = (
            client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=self._log_group,
                startTime=int(since.timestamp() * 1000),
                filterPattern='"event failed"',
            )
        )
        for page in islice(pages, MAX_PAGES):
            yield from (json_object(event["message"]) for event in page["events"])


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; empty for any other text."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _last_line(line: Mapping[str, Any]) -> str:
    traceback: list[str] = str(line.get("exception", "")).strip().splitlines()
    return traceback[-1] if traceback else str(line.get("exception_name", ""))
