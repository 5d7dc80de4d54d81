"""A simulator of ImageKit: takes pictures, serves them and their thumbnails, deletes them."""

from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.imagekit.api import Api
from simulators.imagekit.media import Library
from simulators.imagekit.uploads import ImageKitError

__all__ = ["create_app"]


def create_app(directory: Path, *, private_key: str, public_url: str) -> Starlette:
    """The application; each picture's url begins with `public_url`, where a browser reaches it."""
    api = Api(Library(directory), private_key, public_url.rstrip("/"))
    return Starlette(
        routes=api.routes(),
        exception_handlers={ImageKitError: _refusal, HTTPException: _http_error},
    )


def _refusal(_: Request, error: Exception) -> Response:
    refusal = cast("ImageKitError", error)
    return JSONResponse(refusal.body(), refusal.status)


def _http_error(_: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)
    return JSONResponse(ImageKitError(failure.detail).body(), failure.status_code)
