"""The sample requests name existing functions, and these answer them."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from support.contracts import EVENTS_FOLDER
from support.template import functions, routes_of_functions

SAMPLES = sorted((EVENTS_FOLDER / "samples" / "http").glob("*.json"))
EXPECTED = {
    "CheckHealth": 200,
    "CheckReadiness": 503,  # Razorpay and ImageKit are not simulated in this test
    "RefuseUnknownRoute": 404,
    "Register": 201,
    "Login": 401,
    "ListProducts": 200,
    "GetProduct": 404,
    "GetCart": 401,
    "CreateOrder": 401,
    "ReceiveWebhook": 200,  # signed with the secret of the tests, about an unknown payment
    "RefundPayment": 401,
}


def load(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text())
    return event


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_has_the_name_of_its_function(path: Path) -> None:
    route = load(path)["routeKey"]
    routes = routes_of_functions()[path.stem]
    assert (f"ANY {route}" if route == "$default" else route) in routes


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_answered(path: Path) -> None:
    module, name = functions()[path.stem]["Handler"].rsplit(".", 1)
    answer = getattr(import_module(module), name)(load(path), None)
    assert answer["statusCode"] == EXPECTED[path.stem]
    assert answer["headers"]["x-request-id"] == "sample-request-1"
