"""The listener as it is deployed is switched as Lambda wants it."""

from collections.abc import Iterable
from typing import Any

import pytest

from ops.rebuild import listener as listeners
from ops.rebuild.listener import HANDLER, DeployedListener
from supermarket.errors import Unavailable


class FakeLambda:
    """One function with one mapping, whose state is another at every look, the last one for ever;
    it takes no order while it follows another.
    """

    def __init__(self, states: Iterable[str]) -> None:
        self.states = list(states)
        self.orders: list[bool] = []
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
        self.orders.append(Enabled)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("ops.rebuild.listener.time.sleep", waits.append)
    return waits


def listener(monkeypatch: pytest.MonkeyPatch, *states: str) -> tuple[DeployedListener, FakeLambda]:
    deployed, fake = DeployedListener("test"), FakeLambda(states)
    monkeypatch.setattr(deployed, "_lambda", fake)
    return deployed, fake


@pytest.mark.usefixtures("aws")
def test_a_listener_that_is_still_being_stopped_is_started_when_it_has_stopped(
    monkeypatch: pytest.MonkeyPatch, looks: list[float]
) -> None:
    deployed, fake = listener(
        monkeypatch, "Disabling", "Disabling", "Disabled", "Enabling", "Enabled"
    )
    deployed.resume()
    assert fake.orders == [True]
    assert fake.states == ["Enabled"]
    assert len(looks) == 3


@pytest.mark.usefixtures("aws")
def test_a_listener_that_never_stops_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, looks: list[float]
) -> None:
    deployed, fake = listener(monkeypatch, "Enabled", "Disabling")
    with pytest.raises(Unavailable, match="m1 is Disabled"):
        deployed.pause()
    assert fake.orders == [False]
    assert len(looks) == listeners.LOOKS
