"""One port for everything: the deployed HTTP API, the simulators, the mailbox and the pages.

It adds what API Gateway does and the emulator does not: limits of size, and error responses.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from local import pages
from local.sockets import PATH as SOCKETS
from local.sockets import SocketGateway

type Headers = list[tuple[bytes, bytes]]

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
GATEWAY_LIMIT = 10 * 1024 * 1024
FUNCTION_LIMIT = 6 * 1024 * 1024  # of the event, in which a binary body is base64
TIMEOUT = 30.0
HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade"}
OWN_HEADERS = {b"date", b"server"}  # each server on the way sets its own


def create_app(
    api: str, mounts: Mapping[str, ASGIApp], links: Mapping[str, str], sockets: str = ""
) -> Starlette:
    """Create the application.

    `api` and `sockets` are the addresses at which the emulator serves the HTTP API and the
    WebSocket API; `mounts` are other applications by path; `links` are shown on the first page.
    """
    gateway = Gateway(api)
    templates = Environment(loader=FileSystemLoader(pages.FOLDER), autoescape=True)
    welcome_page = templates.get_template("welcome.html.j2").render(links=links)

    async def welcome(_: Request) -> Response:
        return HTMLResponse(welcome_page)

    return Starlette(
        routes=[
            Route("/", welcome),
            WebSocketRoute(SOCKETS, SocketGateway(sockets).answer),
            *pages.routes(),
            *(Route(path, _add_slash) for path in mounts),
            *(Mount(path, app) for path, app in mounts.items()),
            Route("/{path:path}", gateway.answer, methods=METHODS),
        ],
        lifespan=gateway.lifespan,
    )


async def _add_slash(request: Request) -> Response:
    return RedirectResponse(request.url.replace(path=f"{request.url.path}/"))


class Gateway:
    """Forwards requests to the emulator over persistent connections."""

    def __init__(self, api: str) -> None:
        self._api = httpx.URL(api)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        async with httpx.AsyncHTTPTransport(limits=limits, retries=1) as self._transport:
            yield

    async def answer(self, request: Request) -> Response:
        try:
            body = await _read(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None or _event_size(request, body) > FUNCTION_LIMIT:
            return _refusal(413, "Request Entity Too Large")
        try:
            status, headers, content = await self._forward(request, body)
        except httpx.TransportError:
            return _refusal(503, "Service Unavailable")
        if status == 502 and _is_function_error(content):
            return _refusal(500, "Internal Server Error")
        response = Response(content, status)
        dropped = HOP_BY_HOP | OWN_HEADERS
        lower = ((name.lower(), value) for name, value in headers)
        response.raw_headers = [(name, value) for name, value in lower if name not in dropped]
        return response

    async def _forward(self, request: Request, body: bytes) -> tuple[int, Headers, bytes]:
        path = self._api.raw_path + request.scope["raw_path"]
        if request.scope["query_string"]:
            path += b"?" + request.scope["query_string"]
        outgoing = httpx.Request(
            request.method,
            self._api.copy_with(raw_path=path),
            headers=_forwarded_headers(request),
            content=body or None,
            extensions={"timeout": httpx.Timeout(TIMEOUT).as_dict()},
        )
        answer = await self._transport.handle_async_request(outgoing)
        try:
            content = b"".join([chunk async for chunk in answer.aiter_raw()])
        finally:
            await answer.aclose()
        return answer.status_code, answer.headers.raw, content


async def _read(request: Request) -> bytes | None:
    """Read the body, or return None if it is larger than API Gateway accepts."""
    if int(request.headers.get("content-length", 0)) > GATEWAY_LIMIT:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > GATEWAY_LIMIT:
            return None
    return bytes(body)


def _event_size(request: Request, body: bytes) -> int:
    is_text = request.headers.get("content-type", "").startswith(("application/json", "text/"))
    return len(body) if is_text else len(body) * 4 // 3


def _forwarded_headers(request: Request) -> Headers:
    dropped = HOP_BY_HOP | {b"content-length"}
    client = request.client.host if request.client else "127.0.0.1"
    return [
        *((name, value) for name, value in request.headers.raw if name not in dropped),
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-proto", request.url.scheme.encode()),
        (b"x-forwarded-port", str(request.url.port or 80).encode()),
    ]


def _is_function_error(content: bytes) -> bool:
    """Whether this is the exception of a function, which the emulator sends with 502."""
    try:
        return "errorType" in json.loads(content)
    except ValueError:
        return False


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
