"""A mailbox that shows every mail the shop sent, to people as a page and to programs as JSON."""

import hashlib
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from local.mailbox.mail import Mail, parse_mails

__all__ = ["create_app"]

_PAGE = Path(__file__).parent / "page"
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    # A mail is shown in a frame without scripts; this keeps the page itself from running any.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self'; img-src * data:; font-src * data:; frame-src 'self'"
    ),
}


def create_app(
    directory: Path, *, emulator_url: str, clock: Callable[[], float] = time.time
) -> Starlette:
    """The application; it reads from the emulator, and keeps in the directory what it hides."""
    mailbox = _Mailbox(directory, emulator_url.rstrip("/"), clock)
    return Starlette(
        routes=[
            Route("/", mailbox.page),
            Route("/api/messages", mailbox.messages),
            Route("/api/messages", mailbox.clear, methods=["DELETE"]),
            Mount("/page", StaticFiles(directory=_PAGE)),
        ],
        exception_handlers={httpx.HTTPError: _emulator_is_down},
    )


class _Mailbox:
    def __init__(self, directory: Path, emulator_url: str, clock: Callable[[], float]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._marker = directory / "hidden-until.json"
        self._clock = clock
        self._emulator = httpx.AsyncClient(
            base_url=emulator_url,
            timeout=10,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # plain HTTP: no authorities to load
            limits=httpx.Limits(max_keepalive_connections=0),  # so nothing is open at the end
        )

    def page(self, _: Request) -> Response:
        return FileResponse(_PAGE / "mailbox.html", headers=_PAGE_HEADERS)

    async def messages(self, request: Request) -> Response:
        mails = await self._visible()
        if address := request.query_params.get("to"):
            mails = [mail for mail in mails if mail.went_to(address)]
        etag = _etag(mails)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == etag:
            return Response(status_code=304, headers=headers)
        return JSONResponse([mail.view() for mail in mails], headers=headers)

    async def clear(self, _: Request) -> Response:
        """Hide what was sent until now; the emulator itself forgets nothing."""
        marker = json.dumps({"hiddenUntil": self._clock()})
        await run_in_threadpool(self._marker.write_text, marker)
        return Response(status_code=204)

    async def _visible(self) -> list[Mail]:
        answer = await self._emulator.get("/_ministack/ses/messages")
        hidden_until = await run_in_threadpool(self._hidden_until)
        mails = parse_mails(answer.raise_for_status().json())
        return [mail for mail in mails if mail.sent > hidden_until]

    def _hidden_until(self) -> float:
        if not self._marker.exists():
            return 0
        return float(json.loads(self._marker.read_text())["hiddenUntil"])


def _etag(mails: list[Mail]) -> str:
    ids = "\n".join(mail.id for mail in mails)
    return f'"{hashlib.sha256(ids.encode()).hexdigest()[:32]}"'


def _emulator_is_down(_: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"The emulator does not answer: {error}"}, 502)
