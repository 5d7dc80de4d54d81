"""Pages in place of a storefront: the chat, and the pages that links in mails lead to."""

from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["CHAT", "FOLDER", "routes"]

CHAT = "/chat"
FOLDER = Path(__file__).parent

_FILES = {
    CHAT: "chat/chat.html",
    "/verify-email": "storefront/verify-email.html",
    "/reset-password": "storefront/reset-password.html",
    "/confirm-email": "storefront/confirm-email.html",
    "/restore-email": "storefront/restore-email.html",
    "/orders/{id}": "storefront/detail.html",
    "/products/{id}": "storefront/detail.html",
    "/change-password": "storefront/detail.html",
    "/cart": "storefront/detail.html",
    "/seller/dashboard": "storefront/detail.html",
}
_HEADERS = {
    "Referrer-Policy": "no-referrer",  # the address may contain a token
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def routes() -> list[BaseRoute]:
    """Return the routes of all pages, with and without a trailing slash, and of their assets."""
    return [
        *(
            Route(path + slash, _page(FOLDER / file))
            for path, file in _FILES.items()
            for slash in ("", "/")
        ),
        Mount("/pages/chat", StaticFiles(directory=FOLDER / "chat")),
        Mount("/pages/storefront", StaticFiles(directory=FOLDER / "storefront")),
    ]


def _page(file: Path) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        return FileResponse(file, headers=_HEADERS)

    return answer
