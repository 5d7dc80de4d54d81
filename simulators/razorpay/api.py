"""Razorpay's REST API under /v1, as its official SDKs use it."""

import asyncio
from collections.abc import Sequence
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulators.http import basic_credentials
from simulators.razorpay import requests
from simulators.razorpay.account import Account
from simulators.razorpay.control import Control
from simulators.razorpay.errors import ordered_error, refusal, unknown_id
from simulators.razorpay.model import (
    Dispute,
    Order,
    Payment,
    Record,
    Refund,
    SettledItem,
    Settlement,
)

LONGEST_TIMEOUT_SECONDS = 60.0


class Api:
    def __init__(self, account: Account, control: Control) -> None:
        self._account = account
        self._control = control

    def mount(self) -> Mount:
        return Mount(
            "/v1",
            routes=[
                Route("/orders", self.create_order, methods=["POST"]),
                Route("/orders", partial(self.list_page, Order)),
                Route("/orders/{id}", partial(self.get, Order)),
                Route("/orders/{id}/payments", self.list_payments_of_order),
                Route("/payments", partial(self.list_page, Payment)),
                Route("/payments/{id}", partial(self.get, Payment)),
                Route("/payments/{id}/capture", self.capture, methods=["POST"]),
                Route("/payments/{id}/refund", self.refund, methods=["POST"]),
                Route("/payments/{id}/refunds", self.list_refunds_of_payment),
                Route("/payments/{id}/refunds/{refund_id}", self.get_refund_of_payment),
                Route("/refunds", self.refund, methods=["POST"]),
                Route("/refunds", partial(self.list_page, Refund)),
                Route("/refunds/{id}", partial(self.get, Refund)),
                Route("/disputes", partial(self.list_page, Dispute)),
                Route("/disputes/{id}", partial(self.get, Dispute)),
                Route("/disputes/{id}/accept", self.accept_dispute, methods=["POST"]),
                Route("/settlements", partial(self.list_page, Settlement)),
                Route("/settlements/recon/combined", self.list_settled),
                Route("/settlements/{id}", partial(self.get, Settlement)),
            ],
            middleware=[
                Middleware(_Faults, control=self._control),
                Middleware(_Authentication, account=self._account),
            ],
        )

    def get(self, kind: type[Record], request: Request) -> Response:
        return _entity(self._account.get(kind, request.path_params["id"]))

    def list_page(self, kind: type[Record], request: Request) -> Response:
        page = requests.parse_page(request.query_params, with_receipt=kind is Order)
        return _collection(self._account.list_page(kind, page))

    def list_settled(self, request: Request) -> Response:
        """List what was settled on a day or in a month."""
        page = requests.parse_settled(request.query_params)
        return _collection(self._account.list_page(SettledItem, page))

    async def create_order(self, request: Request) -> Response:
        wanted = requests.parse_order(requests.parse_json(await request.body()))
        return _entity(await run_in_threadpool(self._account.create_order, wanted))

    def list_payments_of_order(self, request: Request) -> Response:
        return _collection(self._account.list_payments_of_order(request.path_params["id"]))

    async def capture(self, request: Request) -> Response:
        amount, currency = requests.parse_capture(requests.parse_json(await request.body()))
        payment_id = request.path_params["id"]
        return _entity(await run_in_threadpool(self._account.capture, payment_id, amount, currency))

    async def refund(self, request: Request) -> Response:
        """Refund the payment that the path names, or else the body."""
        body = requests.parse_json(await request.body())
        payment_id = request.path_params.get("id") or str(body.pop("payment_id", ""))
        payment = await run_in_threadpool(self._account.get, Payment, payment_id)
        key = request.headers.get("X-Refund-Idempotency")
        wanted = requests.parse_refund(body, payment.currency, key)
        return _entity(await run_in_threadpool(self._account.refund, payment_id, wanted))

    async def accept_dispute(self, request: Request) -> Response:
        """Let the merchant give up, and lose the dispute."""
        change = self._account.change_dispute
        return _entity(await run_in_threadpool(change, request.path_params["id"], "lost"))

    def list_refunds_of_payment(self, request: Request) -> Response:
        page = requests.parse_page(request.query_params)
        return _collection(self._account.list_refunds_of_payment(request.path_params["id"], page))

    def get_refund_of_payment(self, request: Request) -> Response:
        refund = self._account.get(Refund, request.path_params["refund_id"])
        if refund.payment_id != request.path_params["id"]:
            raise unknown_id()
        return _entity(refund)


class _Authentication:
    """Lets requests pass that have the account's key id and key secret."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self._app = app
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credentials = basic_credentials(Request(scope))
        if not credentials or not self._account.accepts(*credentials):
            raise refusal("Authentication failed", status=401, about_payment=False)
        await self._app(scope, receive, send)


class _Faults:
    """Applies the faults that tests have ordered, before or after the request takes effect."""

    def __init__(self, app: ASGIApp, control: Control) -> None:
        self._app = app
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        async def discard(_: Message) -> None:
            pass

        # the path of Razorpay's documentation, wherever the simulator is mounted
        path = "/v1" + str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        fault = self._control.take_fault(path, body)
        if fault is None or fault.done:
            await self._app(scope, receive_again, send if fault is None else discard)
        if fault is None:
            return
        if fault.status == "timeout":
            await _await_disconnection(receive)
        status = 504 if fault.status == "timeout" else fault.status
        raise ordered_error(status, fault.description)


async def _await_disconnection(receive: Receive) -> None:
    """Wait without a response until the client disconnects."""
    try:
        async with asyncio.timeout(LONGEST_TIMEOUT_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def _entity(record: Record) -> Response:
    return JSONResponse(record.to_json())


def _collection(records: Sequence[Record]) -> Response:
    items = [record.to_json() for record in records]
    return JSONResponse({"entity": "collection", "count": len(items), "items": items})
