"""Health, readiness and unknown routes."""

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


def test_the_platform_is_healthy_when_the_function_runs() -> None:
    reply = call(check_health)
    assert (reply.status, reply.body) == (200, {"status": "ok"})


def fails() -> None:
    raise ConnectionError("secret address")


def readiness_of(probes: dict[str, Any], patcher: pytest.MonkeyPatch) -> Reply:
    with ThreadPoolExecutor(len(probes)) as executor:
        patcher.setattr(wiring, "readiness", lambda: Readiness(probes, executor))
        return call(check_readiness)


def test_the_platform_is_ready_when_every_dependency_responds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reply = readiness_of({"database": lambda: None, "events": lambda: None}, monkeypatch)
    assert (reply.status, reply.body["status"]) == (200, "ready")
    assert [(d["name"], d["ok"]) for d in reply.body["dependencies"]] == [
        ("database", True),
        ("events", True),
    ]


def test_the_platform_is_unavailable_when_a_dependency_is_down_and_no_detail_is_public(
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
def test_the_wired_probes_find_which_dependencies_are_down() -> None:
    client("events").create_event_bus(Name="supermarket-test")
    reply = call(check_readiness)
    found = {d["name"]: d["ok"] for d in reply.body["dependencies"]}
    # nothing listens at the addresses of the third parties in the tests' settings
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


def request(
    method: str, path: str, raw: bytes = b"", content_type: str = "text/plain", query: str = ""
) -> Reply:
    event = api_event(refuse_unknown_route, raw=raw, headers={"content-type": content_type})
    event["rawQueryString"] = query
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    response = refuse_unknown_route(event, None)
    body = json.loads(response["body"] or "{}")
    return Reply(response["statusCode"], response["headers"], [], body)


@pytest.mark.usefixtures("known_routes")
@pytest.mark.parametrize("path", ["/", "/api", "/api/carts", "/api/orders//cancel", "//api/cart/"])
def test_an_unknown_path_is_not_found_and_has_the_body_of_all_errors(path: str) -> None:
    reply = request("GET", path)
    assert (reply.status, reply.body["message"]) == (404, "Route not found")
    assert reply.body.keys() == {"message", "code", "requestId"}
    assert reply.headers["x-request-id"] == reply.body["requestId"]
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("known_routes")
@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/api/cart/", "/api/cart?q=%20"),
        ("POST", "/api/orders/a b\r\n/cancel/", "/api/orders/a%20b%0D%0A/cancel?q=%20"),
    ],
)
def test_a_slash_at_the_end_is_redirected(method: str, path: str, target: str) -> None:
    reply = request(method, path, query="q=%20")
    assert (reply.status, reply.headers["location"]) == (308, target)


@pytest.mark.usefixtures("known_routes")
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/cart//"), ("PUT", "/api/cart/")])
def test_only_a_route_of_the_same_method_is_redirected_to(method: str, path: str) -> None:
    assert request(method, path).status in {404, 405}


def test_an_unknown_route_answers_head_without_a_body() -> None:
    reply = request("HEAD", "/nothing")
    assert (reply.status, reply.body) == (404, {})


@pytest.mark.usefixtures("known_routes")
def test_a_wrong_method_is_refused_and_the_allowed_ones_are_listed() -> None:
    reply = request("PUT", "/api/cart")
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, GET")
    assert reply.body.keys() == {"message", "code", "requestId"}


@pytest.mark.usefixtures("known_routes")
def test_a_path_parameter_matches_any_value() -> None:
    assert request("GET", "/api/orders/01H/cancel").headers["allow"] == "POST"


@pytest.mark.usefixtures("known_routes")
@pytest.mark.parametrize("raw", [b"{broken", b"x" * 200_000])
def test_an_unknown_path_is_not_found_whatever_the_body_is(raw: bytes) -> None:
    assert request("POST", "/api/nothing", raw, "application/octet-stream").status == 404
