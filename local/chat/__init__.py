"""A page to talk with the assistant in, as a storefront would have one."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["create_app"]

_PAGE = Path(__file__).parent / "page"
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'"
    ),
}


def create_app() -> Starlette:
    """The application, to be mounted beside the API and the socket that it talks to."""
    return Starlette(
        routes=[Route("/", _page), Mount("/page", StaticFiles(directory=_PAGE))],
    )


async def _page(_: Request) -> Response:
    return FileResponse(_PAGE / "chat.html", headers=_HEADERS)
