"""One port for everything: the deployed HTTP API, the simulators, the mailbox, and a few pages.

Towards the API it behaves as API Gateway does where the emulator does not: limits and errors.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from local import chat, storefront
from local.sockets import PATH as SOCKETS
from local.sockets import SocketGateway

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
GATEWAY_LIMIT = 10 * 1024 * 1024
FUNCTION_LIMIT = 6 * 1024 * 1024  # of the event, in which a binary body is base64
TIMEOUT = 30.0
HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade"}
OWN = {b"date", b"server"}  # every server on the way puts its own


def create_app(
    api: str, mounts: Mapping[str, ASGIApp], links: Mapping[str, str], sockets: str = ""
) -> Starlette:
    """The application: `api` is where the emulator serves the HTTP API, `sockets` where the
    WebSocket API; `mounts` go by path.
    """
    gateway = Gateway(api)

    async def welcome(_: Request) -> Response:
        return HTMLResponse(_page(links))

    return Starlette(
        routes=[
            Route("/", welcome, methods=["GET"]),
            WebSocketRoute(SOCKETS, SocketGateway(sockets).answer),
            *storefront.routes(),
            *chat.routes(),
            *(Mount(path, app) for path, app in mounts.items()),
            Route("/{path:path}", gateway.answer, methods=METHODS),
        ],
        lifespan=gateway.lifespan,
    )


class Gateway:
    """Passes requests on to the emulator over kept-alive connections."""

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
            status, headers, content = await self._exchange(request, body)
        except httpx.TransportError:
            return _refusal(503, "Service Unavailable")
        if status == 502 and _is_function_error(content):
            return _refusal(500, "Internal Server Error")
        response = Response(content, status)
        response.raw_headers = [
            (name.lower(), value) for name, value in headers if name.lower() not in HOP_BY_HOP | OWN
        ]
        return response

    async def _exchange(
        self, request: Request, body: bytes
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        path = self._api.raw_path + request.scope["raw_path"]
        if request.scope["query_string"]:
            path += b"?" + request.scope["query_string"]
        outgoing = httpx.Request(
            request.method,
            self._api.copy_with(raw_path=path),
            headers=_forwarded(request),
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
    """The body, or nothing when it is larger than API Gateway takes."""
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


def _forwarded(request: Request) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in request.headers.raw if name not in HOP_BY_HOP]
    client = request.client.host if request.client else "127.0.0.1"
    return [
        *((name, value) for name, value in kept if name != b"content-length"),
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-proto", request.url.scheme.encode()),
        (b"x-forwarded-port", str(request.url.port or 80).encode()),
    ]


def _is_function_error(content: bytes) -> bool:
    """The emulator answers 502 with the exception that left the function."""
    try:
        return "errorType" in json.loads(content)
    except ValueError:
        return False


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def _page(links: Mapping[str, str]) -> str:
    templates = Environment(loader=PackageLoader("local", ""), autoescape=True)
    return templates.get_template("welcome.html.j2").render(links=links)
