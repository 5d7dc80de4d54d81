"""The operators' commands: their adapters in memory, and how to run them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.bus_topology import BusTopology, Consumer
from ops.cli import main
from ops.dlq.service import DeadLetter
from ops.replays import EventArchive, ReplayProgress
from ops.stages import Stage
from supermarket.errors import Unavailable
from support.local_cloud import HOME

ROOT = Path(__file__).parents[2]
LONG_AGO = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TEST_STAGE = Stage("test", "ap-south-1", "supermarket-test", quiet_period_seconds=1)


def ops(*words: str) -> int:
    """Run a command in this process, on the stage of the tests; returns its exit code."""
    return main(words)


def run_ops(
    endpoints: dict[str, Any], *words: str, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator does, on the local cloud with these endpoints."""
    file = Path(os.environ[HOME]) / f"endpoints-{endpoints['aws'].rpartition(':')[2]}.json"
    file.write_text(json.dumps(endpoints))
    command, *rest = words
    return subprocess.run(  # noqa: S603 - our own program
        [
            *(sys.executable, "-m", "ops", command, "--stage", "local", "--endpoints", str(file)),
            *rest,
        ],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


class InMemoryArchive(EventArchive):
    """Starts replays; each poll returns the next of the given states, the last one for ever."""

    def __init__(self, *states: str) -> None:
        super().__init__("supermarket-test")
        self.started: list[tuple[str, str, datetime | None, datetime]] = []
        self._states = iter(states)
        self._state = "STARTING"

    def describe(self) -> Any:
        return {}

    def start(self, name: str, rule: str, since: datetime | None, until: datetime) -> None:
        self.started.append((name, rule, since, until))

    def progress(self, name: str) -> ReplayProgress:
        [(_, _, since, until)] = [one for one in self.started if one[0] == name]
        self._state = next(self._states, self._state)
        return ReplayProgress(name, self._state, since or LONG_AGO, until)


class InMemoryTopology(BusTopology):
    """Some consumers, and the number of waiting events at each poll, 0 at the end."""

    def __init__(self, *consumers: Consumer, waiting: Iterable[int] = ()) -> None:
        super().__init__("supermarket-test")
        self._all = list(consumers)
        self._waiting = iter(waiting)

    def consumers(self) -> list[Consumer]:
        return self._all

    def count_waiting(self, consumer: Consumer) -> int:
        return next(self._waiting, 0)


class InMemorySource:
    """`DeadLetterSource` of the consumer `reader`; `sent` has the ids of redriven messages."""

    def __init__(self, *messages: DeadLetter, failing: Iterable[str] = ()) -> None:
        self.name = "reader"
        self.messages = {message.id: message for message in messages}
        self.failing = set(failing)
        self.hidden: set[str] = set()
        self.sent: list[str] = []

    def count(self) -> int:
        return len(self.messages)

    def receive(self) -> Iterator[DeadLetter]:
        for message in list(self.messages.values()):
            self.hidden.add(message.id)
            yield message

    def release(self, messages: Iterable[DeadLetter]) -> None:
        self.hidden -= {message.id for message in messages}

    def redrive(self, message: DeadLetter) -> None:
        if message.id in self.failing:
            raise Unavailable("no response")
        self.sent.append(message.id)

    def delete(self, message: DeadLetter) -> None:
        del self.messages[message.id]
        self.hidden.discard(message.id)
