"""The pages of a storefront that links in mails lead to; any other shop window has its own."""

from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["routes"]

_PAGES = Path(__file__).parent / "pages"
_HEADERS = {
    # the address holds a token until the page has taken it out
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


_THINGS = ("/orders/{id}", "/products/{id}", "/cart", "/seller/dashboard")


def routes() -> list[BaseRoute]:
    """Every page that a mail links to, and what they are made of."""
    return [
        Route("/verify-email", _page("verify-email")),
        Route("/reset-password", _page("reset-password")),
        *(Route(path, _page("thing")) for path in _THINGS),
        Mount("/storefront", StaticFiles(directory=_PAGES)),
    ]


def _page(name: str) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        return FileResponse(_PAGES / f"{name}.html", headers=_HEADERS)

    return answer
