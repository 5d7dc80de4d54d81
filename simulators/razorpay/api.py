"""Razorpay's REST API under /v1, as its official SDKs speak it."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from simulators.razorpay.account import Account
from simulators.razorpay.errors import not_applicable, unknown_id
from simulators.razorpay.faults import Faults, Trouble
from simulators.razorpay.model import Order, Payment, Refund
from simulators.razorpay.records import Record
from simulators.razorpay.requests import (
    parse_capture,
    parse_json,
    parse_order,
    parse_page,
    parse_refund,
)


class Api:
    def __init__(self, account: Account, faults: Faults) -> None:
        self._account = account
        self._faults = faults

    def mount(self) -> Mount:
        return Mount(
            "/v1",
            routes=[
                Route("/orders", self.create_order, methods=["POST"]),
                Route("/orders", self.list_orders),
                Route("/orders/{id}", self.get_order),
                Route("/orders/{id}/payments", self.list_payments_of_order),
                Route("/payments", self.list_payments),
                Route("/payments/{id}", self.get_payment),
                Route("/payments/{id}/capture", self.capture, methods=["POST"]),
                Route("/payments/{id}/refund", self.refund_payment, methods=["POST"]),
                Route("/payments/{id}/refunds", self.list_refunds_of_payment),
                Route("/payments/{id}/refunds/{refund_id}", self.get_refund_of_payment),
                Route("/refunds", self.create_refund, methods=["POST"]),
                Route("/refunds", self.list_refunds),
                Route("/refunds/{id}", self.get_refund),
            ],
            middleware=[
                Middleware(Trouble, faults=self._faults),
                Middleware(
                    AuthenticationMiddleware,
                    backend=_ApiKeys(self._account),
                    on_error=_unauthorized,
                ),
            ],
        )

    async def create_order(self, request: Request) -> Response:
        wanted = parse_order(parse_json(await request.body()))
        return _entity(await run_in_threadpool(self._account.create_order, wanted))

    def list_orders(self, request: Request) -> Response:
        page = parse_page(request.query_params, with_receipt=True)
        return _collection(self._account.page(Order, page))

    def get_order(self, request: Request) -> Response:
        return _entity(self._account.get(Order, request.path_params["id"]))

    def list_payments_of_order(self, request: Request) -> Response:
        return _collection(self._account.payments_of(request.path_params["id"]))

    def list_payments(self, request: Request) -> Response:
        return _collection(self._account.page(Payment, parse_page(request.query_params)))

    def get_payment(self, request: Request) -> Response:
        return _entity(self._account.get(Payment, request.path_params["id"]))

    async def capture(self, request: Request) -> Response:
        amount, currency = parse_capture(parse_json(await request.body()))
        payment_id = request.path_params["id"]
        return _entity(await run_in_threadpool(self._account.capture, payment_id, amount, currency))

    async def refund_payment(self, request: Request) -> Response:
        body = parse_json(await request.body())
        return await self._refund(request, request.path_params["id"], body)

    async def create_refund(self, request: Request) -> Response:
        body = parse_json(await request.body())
        return await self._refund(request, str(body.pop("payment_id", "")), body)

    async def _refund(self, request: Request, payment_id: str, body: dict[str, Any]) -> Response:
        payment = await run_in_threadpool(self._account.get, Payment, payment_id)
        wanted = parse_refund(body, payment.currency, request.headers.get("X-Refund-Idempotency"))
        return _entity(await run_in_threadpool(self._account.refund, payment_id, wanted))

    def list_refunds_of_payment(self, request: Request) -> Response:
        page = parse_page(request.query_params)
        return _collection(self._account.refunds_of(request.path_params["id"], page))

    def get_refund_of_payment(self, request: Request) -> Response:
        refund = self._account.get(Refund, request.path_params["refund_id"])
        if refund.payment_id != request.path_params["id"]:
            raise unknown_id()
        return _entity(refund)

    def list_refunds(self, request: Request) -> Response:
        return _collection(self._account.page(Refund, parse_page(request.query_params)))

    def get_refund(self, request: Request) -> Response:
        return _entity(self._account.get(Refund, request.path_params["id"]))


class _ApiKeys(AuthenticationBackend):
    """HTTP basic authentication with the account's key id and key secret."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        scheme, _, encoded = conn.headers.get("Authorization", "").partition(" ")
        try:
            key_id, _, key_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise AuthenticationError("Authentication failed") from None
        if scheme.lower() != "basic" or not self._account.accepts(key_id, key_secret):
            raise AuthenticationError("Authentication failed")
        return AuthCredentials(["merchant"]), SimpleUser(key_id)


def _unauthorized(_: HTTPConnection, error: AuthenticationError) -> Response:
    return JSONResponse(
        not_applicable(str(error)).body(), 401, {"WWW-Authenticate": 'Basic realm="Razorpay"'}
    )


def _entity(record: Record) -> Response:
    return JSONResponse(record.wire())


def _collection(records: Sequence[Record]) -> Response:
    items = [record.wire() for record in records]
    return JSONResponse({"entity": "collection", "count": len(items), "items": items})
