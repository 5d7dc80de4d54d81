"""Health, readiness and the answers to requests that no route takes."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from outbox import wiring
from outbox.endpoints import check_health, check_readiness, refuse_unknown_route
from outbox.model import RouteMap
from outbox.service import Readiness
from support.api import Reply, api_event, call
from support.cloud import client

ROUTES = RouteMap(["GET /api/cart", "DELETE /api/cart", "POST /api/orders/{orderId}/cancel"])


def test_the_platform_is_healthy_when_its_function_runs() -> None:
    reply = call(check_health)
    assert (reply.status, reply.body) == (200, {"status": "ok"})


def fails() -> None:
    raise ConnectionError("secret address")


def readiness_of(probes: dict[str, Any], patcher: pytest.MonkeyPatch) -> Reply:
    with ThreadPoolExecutor(len(probes)) as executor:
        patcher.setattr(wiring, "readiness", lambda: Readiness(probes, executor))
        return call(check_readiness)


def test_ready_when_every_dependency_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = readiness_of({"database": lambda: None, "events": lambda: None}, monkeypatch)
    assert (reply.status, reply.body["status"]) == (200, "ready")
    assert [(d["name"], d["ok"]) for d in reply.body["dependencies"]] == [
        ("database", True),
        ("events", True),
    ]


def test_unavailable_when_one_is_down_and_the_answer_gives_no_secret_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reply = readiness_of({"database": lambda: None, "razorpay": fails}, monkeypatch)
    assert (reply.status, reply.body["status"]) == (503, "unavailable")
    assert [d["name"] for d in reply.body["dependencies"] if not d["ok"]] == ["razorpay"]
    assert "secret" not in str(reply.body)


@pytest.fixture
def fresh_wiring() -> Iterator[None]:
    wiring.readiness.cache_clear()
    yield
    wiring.readiness.cache_clear()


@pytest.mark.usefixtures("aws", "fresh_wiring")
def test_the_wired_probes_tell_what_is_there_from_what_is_not() -> None:
    client("events").create_event_bus(Name="supermarket-test")
    reply = call(check_readiness)
    found = {d["name"]: d["ok"] for d in reply.body["dependencies"]}
    # nobody listens where the tests' settings say that the third parties are
    assert found == {
        "database": True,
        "secrets": True,
        "events": True,
        "razorpay": False,
        "imagekit": False,
    }
    assert reply.status == 503


@pytest.fixture
def known_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "route_map", lambda: ROUTES)


def request(method: str, path: str, raw: bytes = b"", content_type: str = "text/plain") -> Reply:
    event = api_event(refuse_unknown_route, raw=raw, headers={"content-type": content_type})
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    answer = refuse_unknown_route(event, None)
    return Reply(answer["statusCode"], answer["headers"], [], json.loads(answer["body"]))


@pytest.mark.usefixtures("known_routes")
@pytest.mark.parametrize("path", ["/", "/api", "/api/carts", "/api/orders//cancel", "/api/cart/"])
def test_an_unknown_path_is_not_found_in_the_shape_of_all_errors(path: str) -> None:
    reply = request("GET", path)
    assert reply.status == 404
    assert reply.body.keys() == {"message", "code", "requestId"}
    assert reply.headers["x-request-id"] == reply.body["requestId"]
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("known_routes")
def test_another_method_is_refused_and_the_right_ones_are_named() -> None:
    reply = request("PUT", "/api/cart")
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, GET")
    assert reply.body.keys() == {"message", "code", "requestId"}


@pytest.mark.usefixtures("known_routes")
def test_path_parameters_count_as_any_value() -> None:
    assert request("GET", "/api/orders/01H/cancel").headers["allow"] == "POST"


@pytest.mark.usefixtures("known_routes")
@pytest.mark.parametrize("raw", [b"{broken", b"x" * 200_000])
def test_whatever_is_sent_to_an_unknown_path_it_is_not_found(raw: bytes) -> None:
    assert request("POST", "/api/nothing", raw, "application/octet-stream").status == 404
