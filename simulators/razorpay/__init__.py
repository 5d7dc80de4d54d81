"""A simulator of Razorpay: its API, its checkout, and the money of one merchant's account."""

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.razorpay.account import Account
from simulators.razorpay.api import Api
from simulators.razorpay.checkout import Checkout
from simulators.razorpay.control import Clock, Control
from simulators.razorpay.errors import RazorpayError, not_applicable
from simulators.razorpay.faults import Faults
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
    """The application; what it knows outlives it in the directory. Without a `webhook_url` it sends
    no webhooks.
    """
    movable, faults = Clock(clock), Faults()
    webhooks = Webhooks(webhook_url, webhook_secret, movable)
    account = Account(Records(directory), key_id, key_secret, movable, webhooks)
    return Starlette(
        routes=[
            Api(account, faults).mount(),
            *Checkout(account).routes(),
            *Control(account, webhooks, faults, movable).routes(),
        ],
        exception_handlers={RazorpayError: _refusal, HTTPException: _http_error},
    )


def _refusal(_: Request, error: Exception) -> Response:
    refusal = cast("RazorpayError", error)
    return JSONResponse(refusal.body(), refusal.status)


def _http_error(_: Request, error: Exception) -> Response:
    """Razorpay says 400 to an address or a method that it does not know."""
    status, detail = cast("HTTPException", error).status_code, cast("HTTPException", error).detail
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        status, detail = HTTPStatus.BAD_REQUEST, "The requested URL was not found on the server."
    return JSONResponse(not_applicable(detail).body(), status)
