"""The worker's Lambda: its time limit, its metrics and its log."""

import json
from typing import Any

import pytest

from ai_buddy import wiring, worker
from ai_buddy.model import TextDelta, TokensUsed
from ai_buddy.realtime.gateways import to_payload
from ai_buddy.sockets import take_message
from supermarket import telemetry
from support.sockets import ScriptedAgent, Sockets


class FakeContext:
    def __init__(self, seconds: float = 300) -> None:
        self.aws_request_id = "request-1"
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def run(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, agent: ScriptedAgent, **time: Any
) -> None:
    monkeypatch.setattr(wiring, "turn_worker", lambda: sockets.turn_worker(agent))
    worker.run_turn(json.loads(to_payload(sockets.workers.tasks[-1])), FakeContext(**time))


def test_a_turn_leaves_figures_and_neither_text_nor_names(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = sockets.connect()
    client.send(take_message, text="a private question")
    capsys.readouterr()

    run(sockets, monkeypatch, ScriptedAgent(TokensUsed(100, 7), TextDelta("a private answer")))

    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = {name: line[name] for line in written for name in line if "_aws" in line}
    assert metrics["TurnTokensRead"] == [100.0]
    assert metrics["TurnTokensWritten"] == [7.0]
    assert metrics["FirstToken"][0] >= 0
    assert "private" not in str(written)
    assert client.caller.user_id not in str(written)
    assert client.caller.email not in str(written)


def test_a_turn_is_logged_under_the_request_that_began_it(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    client.send(take_message, text="Hello")
    telemetry.begin("the-frame")
    task = to_payload(sockets.workers.tasks[-1])
    telemetry.begin("something else")
    monkeypatch.setattr(wiring, "turn_worker", lambda: sockets.turn_worker(ScriptedAgent()))

    worker.run_turn(json.loads(task), FakeContext())

    assert telemetry.correlation_id() == "the-frame"


def test_a_turn_ends_before_its_lambda_does(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sockets.connect()
    client.send(take_message, text="Hello")

    run(sockets, monkeypatch, ScriptedAgent(TextDelta("So"), 3.0), seconds=15.2)

    assert client.frames[-1]["code"] == "TOO_SLOW"
