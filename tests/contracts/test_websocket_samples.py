"""The sample frames name existing functions, and these answer them."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from support.contracts import EVENTS_FOLDER
from support.sockets import Sockets
from support.template import functions, resources

SAMPLES = sorted((EVENTS_FOLDER / "samples" / "websocket").glob("*.json"))
EXPECTED = {
    "ConnectSocket": 403,  # the origin of the samples is not allowed in the tests
    "DisconnectSocket": 200,
    "RefuseUnknownAction": 200,
    "TakeMessage": 200,
}


def load(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text())
    return event


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_has_the_name_of_the_function_of_its_route(path: Path) -> None:
    [api] = resources("AWS::Serverless::WebSocketApi").values()
    route = api["Routes"][load(path)["requestContext"]["routeKey"]]
    assert route["FunctionArn"] == {"Fn::GetAtt": f"{path.stem}.Arn"}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = Sockets(monkeypatch)
    module, name = functions()[path.stem]["Handler"].rsplit(".", 1)
    event = load(path)

    answer = getattr(import_module(module), name)(event, None)

    assert answer == {"statusCode": EXPECTED[path.stem]}
    frames = sockets.sender.sent[event["requestContext"]["connectionId"]]
    is_frame = event["requestContext"]["eventType"] == "MESSAGE"
    assert [frame["code"] for frame in frames] == (["SIGNED_OUT"] if is_frame else [])
