"""The deployed listener is paused and resumed as Lambda permits it."""

from collections.abc import Iterable
from typing import Any

import pytest

from ops import aws
from ops.rebuild import gateways
from ops.rebuild.gateways import HANDLER, DeployedListener
from supermarket.errors import Unavailable


class FakeLambda:
    """One function with one mapping, which is in the next of the given states at each request, in
    the last one for ever; an update is accepted in a stable state only.
    """

    def __init__(self, states: Iterable[str]) -> None:
        self.states = list(states)
        self.updates: list[bool] = []
        self.seen = ""

    def get_paginator(self, _: str) -> "FakeLambda":
        return self

    def paginate(self) -> list[dict[str, Any]]:
        variables = {"Variables": {"STAGE": "test"}}
        function = {"FunctionName": "event_handlers", "Handler": HANDLER, "Environment": variables}
        return [{"Functions": [function]}]

    def list_event_source_mappings(self, **_: str) -> dict[str, Any]:
        return {"EventSourceMappings": [{"UUID": "m1"}]}

    def get_event_source_mapping(self, **_: str) -> dict[str, str]:
        self.seen = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"State": self.seen}

    def update_event_source_mapping(self, *, UUID: str, Enabled: bool) -> None:  # noqa: N803
        assert (UUID, self.seen) in {("m1", "Enabled"), ("m1", "Disabled")}
        self.updates.append(Enabled)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("ops.rebuild.gateways.time.sleep", waits.append)
    return waits


def listener(monkeypatch: pytest.MonkeyPatch, *states: str) -> tuple[DeployedListener, FakeLambda]:
    fake = FakeLambda(states)
    for module in (aws, gateways):
        monkeypatch.setattr(module, "client", lambda _: fake)
    return DeployedListener("test"), fake


def test_a_listener_that_is_being_paused_is_resumed_afterwards(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    deployed, fake = listener(
        monkeypatch, "Disabling", "Disabling", "Disabled", "Enabling", "Enabled"
    )
    deployed.resume()
    assert fake.updates == [True]
    assert fake.states == ["Enabled"]
    assert len(pauses) == 3


def test_a_listener_that_is_never_paused_is_reported(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    deployed, fake = listener(monkeypatch, "Enabled", "Disabling")
    with pytest.raises(Unavailable, match="m1 is not Disabled"):
        deployed.pause()
    assert fake.updates == [False]
    assert len(pauses) == gateways.MAX_POLLS
