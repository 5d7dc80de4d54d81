"""What all simulators need of HTTP: refusals as exceptions, and basic authentication."""

import base64
import binascii
from typing import Any, cast

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    """A refusal of the simulated service: an HTTP status and the JSON body that it sends."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


async def error_response(_: Request, error: Exception) -> Response:
    """Starlette's exception handler for `ApiError`."""
    refusal = cast("ApiError", error)
    return JSONResponse(refusal.body, refusal.status)


def basic_credentials(connection: HTTPConnection) -> tuple[str, str] | None:
    """Return user name and password of basic authentication, or None without a valid header."""
    scheme, _, encoded = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
