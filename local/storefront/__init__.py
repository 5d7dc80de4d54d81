"""The two pages of a storefront that links in mails lead to; any other shop window has its own."""

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
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def routes() -> list[BaseRoute]:
    """`/verify-email` and `/reset-password`, and what they are made of."""
    return [
        Route("/verify-email", _verify_email),
        Route("/reset-password", _reset_password),
        Mount("/storefront", StaticFiles(directory=_PAGES)),
    ]


def _verify_email(_: Request) -> Response:
    return FileResponse(_PAGES / "verify-email.html", headers=_HEADERS)


def _reset_password(_: Request) -> Response:
    return FileResponse(_PAGES / "reset-password.html", headers=_HEADERS)
