"""A page to talk with the assistant in, as a storefront would have one."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["PATH", "routes"]

PATH = "/chat"

_PAGE = Path(__file__).parent / "page"
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def routes() -> list[BaseRoute]:
    """The page and what it is made of, beside the API and the socket that it talks to."""
    return [
        Route(PATH, _page),
        Route(f"{PATH}/", _page),
        Mount(f"{PATH}/page", StaticFiles(directory=_PAGE)),
    ]


def _page(_: Request) -> Response:
    return FileResponse(_PAGE / "chat.html", headers=_HEADERS)
