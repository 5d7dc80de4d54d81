"""Runs one invocation of the relay in this process, with a bus that accepts every second entry, and
kills the process before or after the given call of the bus.

usage: failing_bus.py CALL before|after < event.json

Exits with 9 when it was killed, with 0 (and the response on stdout) when there was no such call.
"""

import json
import os
import sys
from itertools import count
from typing import Any
from unittest.mock import patch

KILLED = 9
THROTTLED = {"ErrorCode": "ThrottlingException", "ErrorMessage": "too much at once"}


class FailingBus:
    """An EventBridge client that ends the process in one of its calls."""

    def __init__(self, client: Any, call: int, moment: str) -> None:
        self._client = client
        self._exit_at = (call, moment)
        self._calls = count(1)
        self._entries = count()

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        call = next(self._calls)
        self._exit((call, "before"))
        taken = [next(self._entries) % 2 == 0 for _ in Entries]
        sent = [entry for entry, is_taken in zip(Entries, taken, strict=True) if is_taken]
        results = iter(self._client.put_events(Entries=sent)["Entries"] if sent else [])
        self._exit((call, "after"))
        return {"Entries": [next(results) if is_taken else THROTTLED for is_taken in taken]}

    def _exit(self, position: tuple[int, str]) -> None:
        if position == self._exit_at:
            os._exit(KILLED)


def main(call: int, moment: str) -> None:
    from outbox import gateways, streams

    bus = FailingBus(gateways.event_bridge_client(), call, moment)
    with patch.object(gateways, "event_bridge_client", lambda: bus):
        answer = streams.relay_outbox(json.load(sys.stdin), None)
    sys.stdout.write("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
