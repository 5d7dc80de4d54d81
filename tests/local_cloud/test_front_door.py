"""The front door: forwarding, limits of API Gateway, mounted applications."""

import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local import front_door
from local.cloud import serving
from local.emulator import free_port

MEGABYTE = 1024 * 1024
METHODS = ["GET", "POST", "PATCH", "DELETE", "OPTIONS"]


async def echo(request: Request) -> Response:
    seen = {
        "method": request.method,
        "path": request.scope["raw_path"].decode(),
        "query": request.scope["query_string"].decode(),
        "headers": dict(request.headers),
        "size": len(await request.body()),
    }
    response = JSONResponse(seen, 201)
    response.set_cookie("token", "one", secure=True, httponly=True)
    response.set_cookie("refresh", "two")
    return response


async def crash(_: Request) -> Response:
    failure = {"errorMessage": "secret detail", "errorType": "Runtime.HandlerError"}
    return JSONResponse(failure, 502)


async def third_party_is_down(_: Request) -> Response:
    return JSONResponse({"message": "The payment provider does not answer"}, 502)


async def zipped(_: Request) -> Response:
    return Response(b"not really gzip", headers={"content-encoding": "gzip"})


@pytest.fixture(scope="module")
def door() -> Iterator[httpx.Client]:
    """A front door with a fake emulator behind it, both on real ports."""
    emulator = Starlette(
        routes=[
            Route("/stage/api/crash", crash),
            Route("/stage/api/down", third_party_is_down),
            Route("/stage/api/zipped", zipped),
            Route("/stage/{path:path}", echo, methods=METHODS),
        ]
    )
    side = Starlette(
        routes=[
            Route("/", lambda _: PlainTextResponse("the first page")),
            Route("/hello", lambda _: PlainTextResponse("from the mounted application")),
        ]
    )
    behind, front = free_port(), free_port()
    app = front_door.create_app(
        f"http://127.0.0.1:{behind}/stage", {"/side": side}, {"Mail <box>": "http://mail/"}
    )
    with (
        serving(emulator, "127.0.0.1", behind),
        serving(app, "127.0.0.1", front),
        httpx.Client(base_url=f"http://127.0.0.1:{front}", timeout=20) as client,
    ):
        yield client


def test_a_request_is_forwarded_unchanged(door: httpx.Client) -> None:
    seen = door.post(
        "/api/things/a%2Fb%20c?x=1&x=2&y=%26",
        content=b"12345",
        headers={
            "X-Custom": "Value",
            "Cookie": "token=abc; other=1",
            "Origin": "https://me.example",
        },
    ).json()

    assert (seen["method"], seen["size"]) == ("POST", 5)
    assert seen["path"] == "/stage/api/things/a%2Fb%20c"
    assert seen["query"] == "x=1&x=2&y=%26"
    assert seen["headers"]["x-custom"] == "Value"
    assert seen["headers"]["cookie"] == "token=abc; other=1"
    assert seen["headers"]["origin"] == "https://me.example"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_status_and_all_cookies_are_returned(door: httpx.Client) -> None:
    response = door.get("/api/things")

    assert response.status_code == 201
    assert [cookie.split("=")[0] for cookie in response.headers.get_list("set-cookie")] == [
        "token",
        "refresh",
    ]
    assert "Secure" in response.headers.get_list("set-cookie")[0]


def test_an_encoded_body_is_forwarded_unchanged(door: httpx.Client) -> None:
    with door.stream("GET", "/api/zipped") as response:
        assert b"".join(response.iter_raw()) == b"not really gzip"
        assert response.headers["content-encoding"] == "gzip"


def test_a_preflight_is_answered_by_the_api(door: httpx.Client) -> None:
    assert door.options("/api/things").json()["method"] == "OPTIONS"


@pytest.mark.parametrize(
    ("size", "content_type", "status"),
    [
        (5 * MEGABYTE, "application/json", 201),
        (7 * MEGABYTE, "application/json", 413),
        (4 * MEGABYTE, "image/png", 201),
        (5 * MEGABYTE, "image/png", 413),  # as base64 it exceeds the limit of a function
        (11 * MEGABYTE, "application/json", 413),
    ],
)
def test_a_body_above_the_limit_is_refused(
    door: httpx.Client, size: int, content_type: str, status: int
) -> None:
    response = door.post("/api/things", content=b"x" * size, headers={"content-type": content_type})

    assert response.status_code == status
    if status == 413:
        assert response.json() == {"message": "Request Entity Too Large"}


def test_a_body_of_unknown_length_is_refused_once_it_exceeds_the_limit(door: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(12):
            yield b"x" * MEGABYTE

    assert door.post("/api/things", content=endless()).status_code == 413


def test_an_exception_of_a_function_is_a_500_without_details(door: httpx.Client) -> None:
    response = door.get("/api/crash")

    assert response.status_code == 500
    assert response.json() == {"message": "Internal Server Error"}


def test_a_functions_own_502_is_returned(door: httpx.Client) -> None:
    response = door.get("/api/down")

    assert response.status_code == 502
    assert response.json() == {"message": "The payment provider does not answer"}


def test_mounted_applications_are_served_and_other_paths_belong_to_the_api(
    door: httpx.Client,
) -> None:
    assert door.get("/side/hello").text == "from the mounted application"
    assert door.get("/healthz").json()["path"] == "/stage/healthz"
    assert door.get("/no/such/path").json()["path"] == "/stage/no/such/path"


def test_a_mounted_application_is_reached_without_its_slash(door: httpx.Client) -> None:
    redirect = door.get("/side?a=1")
    assert redirect.status_code == 307
    assert httpx.URL(redirect.headers["location"]).raw_path == b"/side/?a=1"
    assert door.get("/side", follow_redirects=True).text == "the first page"


def test_the_first_page_shows_the_links(door: httpx.Client) -> None:
    page = door.get("/")

    assert page.headers["content-type"].startswith("text/html")
    assert '<a href="http://mail/"><strong>Mail &lt;box&gt;</strong>' in page.text


def test_an_api_that_does_not_respond_is_a_503() -> None:
    unused, front = free_port(), free_port()
    app = front_door.create_app(f"http://127.0.0.1:{unused}/stage", {}, {})
    with serving(app, "127.0.0.1", front):
        response = httpx.get(f"http://127.0.0.1:{front}/api/things", timeout=20)

    assert response.status_code == 503
    assert response.json() == {"message": "Service Unavailable"}


def test_the_front_door_keeps_idle_connections_longer_than_clients(door: httpx.Client) -> None:
    """If both closed one at the same moment, a request on its way would be lost."""
    address = (door.base_url.host, door.base_url.port)
    with socket.create_connection(address) as connection:
        for pause in (0.0, 5.5):  # httpx keeps one for five seconds
            time.sleep(pause)
            connection.sendall(b"GET /side/hello HTTP/1.1\r\nHost: shop\r\n\r\n")
            answer = b""
            while not answer.endswith(b"from the mounted application"):  # it may come in pieces
                answer += (piece := connection.recv(MEGABYTE))
                assert piece, answer
            assert answer.startswith(b"HTTP/1.1 200 OK")
