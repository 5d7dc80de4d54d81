"""A simulator of ImageKit: accepts uploads, serves pictures and thumbnails, lists, deletes."""

from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.http import ApiError, error_response
from simulators.imagekit.api import Api
from simulators.imagekit.media import Library
from simulators.imagekit.uploads import refusal

__all__ = ["create_app"]


def create_app(directory: Path, *, private_key: str, public_url: str) -> Starlette:
    """Create the application; the addresses of pictures begin with `public_url`."""
    api = Api(Library(directory), private_key, public_url.rstrip("/"))
    return Starlette(
        routes=api.routes(),
        exception_handlers={ApiError: error_response, HTTPException: _http_error},
    )


def _http_error(_: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)
    return JSONResponse(refusal(failure.detail).body, failure.status_code)
