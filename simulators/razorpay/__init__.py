"""A simulator of Razorpay: its API, its checkout page, and the account of one merchant."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.http import ApiError, error_response
from simulators.razorpay.account import Account
from simulators.razorpay.api import Api
from simulators.razorpay.checkout import Checkout
from simulators.razorpay.control import Clock, Control
from simulators.razorpay.errors import refusal
from simulators.razorpay.records import Records
from simulators.razorpay.webhooks import Webhooks

__all__ = ["create_app"]


def create_app(
    directory: Path,
    *,
    key_id: str,
    key_secret: str,
    webhook_url: str = "",
    webhook_secret: str = "",
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Create the application; its data are kept in the directory.

    Without a `webhook_url` it sends no webhooks.
    """
    movable = Clock(clock)
    webhooks = Webhooks(webhook_url, webhook_secret, movable)
    account = Account(Records(directory), key_id, key_secret, movable, webhooks)
    control = Control(account, webhooks, movable)
    return Starlette(
        routes=[Api(account, control).mount(), *Checkout(account).routes(), *control.routes()],
        exception_handlers={ApiError: error_response, HTTPException: _http_error},
    )


def _http_error(_: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)
    status, description = failure.status_code, failure.detail
    if status in (404, 405):  # Razorpay answers an unknown address or method with 400
        status, description = 400, "The requested URL was not found on the server."
    return JSONResponse(refusal(description, about_payment=False).body, status)
