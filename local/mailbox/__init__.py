"""A mailbox with every mail that the shop sent, as a page and as JSON.

It can also send the bounce and complaint notifications that SES would send about a mail.
"""

import hashlib
import json
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from local.mailbox import feedback
from local.mailbox.mail import Mail, parse_mails

__all__ = ["create_app"]

type Clock = Callable[[], float]
type CreateEvent = Callable[[Mail, str, str], dict[str, Any]]

_PAGE = Path(__file__).parent / "page"
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    # mails are shown in a frame without scripts, and the page itself runs only its own
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self'; img-src * data:; font-src * data:; frame-src 'self'"
    ),
}


def create_app(
    directory: Path,
    *,
    emulator_url: str,
    configuration_set: str = "",
    clock: Clock = time.time,
) -> Starlette:
    """Create the application.

    It reads the mails from the emulator, stores in the directory up to when they are hidden, and
    sends feedback to the destinations of the configuration set.
    """
    mailbox = _Mailbox(directory, emulator_url.rstrip("/"), configuration_set, clock)
    bounce = partial(mailbox.send_feedback, feedback.bounce, feedback.BOUNCES)
    complain = partial(mailbox.send_feedback, feedback.complaint, feedback.COMPLAINTS)
    return Starlette(
        routes=[
            Route("/", mailbox.page),
            Route("/api/messages", mailbox.messages),
            Route("/api/messages", mailbox.clear, methods=["DELETE"]),
            Route("/api/messages/{id}/bounce", bounce, methods=["POST"]),
            Route("/api/messages/{id}/complaint", complain, methods=["POST"]),
            Mount("/page", StaticFiles(directory=_PAGE)),
        ],
        exception_handlers={
            httpx.HTTPError: _emulator_error,
            feedback.NoDestination: _no_destination,
        },
    )


class _Mailbox:
    def __init__(
        self, directory: Path, emulator_url: str, configuration_set: str, clock: Clock
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._emulator_url = emulator_url
        self._configuration_set = configuration_set
        self._marker = directory / "hidden-until.json"
        self._clock = clock
        self._emulator = httpx.AsyncClient(
            base_url=emulator_url,
            timeout=10,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # plain HTTP needs no certificates
            limits=httpx.Limits(max_keepalive_connections=0),  # no connection is left open
        )

    def page(self, _: Request) -> Response:
        return FileResponse(_PAGE / "mailbox.html", headers=_PAGE_HEADERS)

    async def messages(self, request: Request) -> Response:
        mails = await self._visible_mails()
        if address := request.query_params.get("to"):
            mails = [mail for mail in mails if mail.is_to(address)]
        ids = "\n".join(mail.id for mail in mails)
        etag = f'"{hashlib.sha256(ids.encode()).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == etag:
            return Response(status_code=304, headers=headers)
        return JSONResponse([mail.to_json() for mail in mails], headers=headers)

    async def clear(self, _: Request) -> Response:
        """Hide all mails sent up to now; the emulator keeps them."""
        marker = json.dumps({"hiddenUntil": self._clock()})
        await run_in_threadpool(self._marker.write_text, marker)
        return Response(status_code=204)

    async def send_feedback(
        self, create_event: CreateEvent, kinds: Sequence[str], request: Request
    ) -> Response:
        """Send feedback about a mail; `?type=` is one of the kinds, by default the first."""
        kind = request.query_params.get("type", kinds[0])
        if kind not in kinds:
            return JSONResponse({"message": f"type must be one of {', '.join(kinds)}"}, 400)
        mails = {mail.id: mail for mail in await self._visible_mails()}
        if (mail := mails.get(request.path_params["id"])) is None:
            return JSONResponse({"message": "Mail not found"}, 404)
        settings = self._configuration_set
        event = create_event(mail, kind, settings)
        await run_in_threadpool(feedback.publish, self._emulator_url, settings, event)
        return JSONResponse(event, 202)

    async def _visible_mails(self) -> list[Mail]:
        answer = await self._emulator.get("/_ministack/ses/messages")
        hidden_until = await run_in_threadpool(self._hidden_until)
        mails = parse_mails(answer.raise_for_status().json())
        return [mail for mail in mails if mail.sent > hidden_until]

    def _hidden_until(self) -> float:
        if not self._marker.exists():
            return 0
        return float(json.loads(self._marker.read_text())["hiddenUntil"])


def _emulator_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"The emulator does not respond: {error}"}, 502)


def _no_destination(_: Request, error: Exception) -> Response:
    return JSONResponse({"message": str(error)}, 409)
