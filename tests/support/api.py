"""API Gateway HTTP API events (payload format 2.0) and signed-in callers, for tests of
endpoints.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from auth.wiring import token_issuing
from local.openapi import DESCRIPTION
from supermarket.caller import Caller, Role
from supermarket.clock import new_id
from supermarket.http import JSON, Endpoint
from supermarket.wiring import sessions


@dataclass(frozen=True)
class Reply:
    """The response of an endpoint."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    body: Any


def a_caller(role: Role = Role.USER, user_id: str | None = None) -> Caller:
    """Return a new caller."""
    user_id = user_id or new_id()
    return Caller(user_id, new_id(), role, f"{user_id.lower()}@example.com", "Asha")


def bearer(caller: Caller) -> dict[str, str]:
    """Headers of a request by `caller`, whose session is opened (needs the `aws` fixture)."""
    sessions().open(caller.session_id, caller.user_id, caller.standing)
    return {"authorization": f"Bearer {token_issuing().issue(caller)}"}


def call(
    endpoint: Endpoint,
    *,
    body: Any = None,
    raw: bytes | None = None,
    query: Mapping[str, str] | None = None,
    path: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: list[str] | None = None,
    caller: Caller | None = None,
) -> Reply:
    """Send a request through the endpoint's own Lambda handler."""
    event = api_event(endpoint, body, raw, query, path, headers, cookies)
    if caller is not None:
        event["headers"].update(bearer(caller))
    answer = endpoint(event, None)
    text = answer["body"]
    assert_described(endpoint, answer["statusCode"], text)
    return Reply(
        answer["statusCode"], answer["headers"], answer["cookies"], _read(answer["headers"], text)
    )


def assert_described(endpoint: Endpoint, status: int, body: str) -> None:
    """Fail when an endpoint of the platform answers with a status or an error code that the API's
    description does not have.
    """
    operation = _description()["paths"].get(endpoint.path, {}).get(endpoint.method.lower())
    if operation is None or not _is_deployed(endpoint):
        return
    responses = operation["responses"]
    assert str(status) in responses, f"{endpoint.name}: status {status} is not described: {body}"
    if status >= 400 and "code" in (answer := json.loads(body)):
        schema = responses[str(status)]["content"][JSON]["schema"]
        codes = schema["properties"]["code"]["enum"]
        assert answer["code"] in codes, f"{endpoint.name}: {answer['code']} is not in {codes}"


@cache
def _description() -> dict[str, Any]:
    description: dict[str, Any] = json.loads(DESCRIPTION.read_text())
    return description


def _is_deployed(endpoint: Endpoint) -> bool:
    return endpoint.function.__module__.endswith(".endpoints")


def _read(headers: Mapping[str, str], text: str) -> Any:
    return json.loads(text) if headers["content-type"] == JSON else text


def api_event(
    endpoint: Endpoint,
    body: Any = None,
    raw: bytes | None = None,
    query: Mapping[str, str] | None = None,
    path: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: list[str] | None = None,
) -> dict[str, Any]:
    payload = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
    sent = {"host": "api.example", **({"content-type": "application/json"} if payload else {})}
    raw_path = endpoint.path
    for name, value in (path or {}).items():
        raw_path = raw_path.replace("{" + name + "}", value)
    return {
        "version": "2.0",
        "routeKey": f"{endpoint.method} {endpoint.path}",
        "rawPath": raw_path,
        "rawQueryString": urlencode(query or {}),
        "cookies": cookies or [],
        "headers": {**sent, **(headers or {})},
        "queryStringParameters": dict(query or {}),
        "pathParameters": dict(path or {}),
        "requestContext": {
            "requestId": f"request-{new_id()}",
            "http": {"method": endpoint.method, "path": raw_path, "sourceIp": "127.0.0.1"},
        },
        "body": base64.b64encode(payload).decode() if payload else None,
        "isBase64Encoded": bool(payload),
    }
