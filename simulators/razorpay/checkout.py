"""The customer's side of Razorpay: a checkout page, and the same choice over HTTP for tests."""

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.templating import Jinja2Templates

from simulators.razorpay.account import Account
from simulators.razorpay.errors import RazorpayError, unknown_id
from simulators.razorpay.model import Order, Payment
from simulators.razorpay.requests import Page, parse_json

_SYMBOLS = {"INR": "₹", "USD": "$"}
_ORDERS_SHOWN = 50


class Checkout:
    def __init__(self, account: Account) -> None:
        self._account = account
        self._templates = Jinja2Templates(Path(__file__).parent / "templates")
        self._templates.env.filters["money"] = _money

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.show_orders),
            Route("/checkout", self.show_checkout),
            Route("/checkout", self.submit_checkout, methods=["POST"]),
            Route("/simulator/pay", self.pay, methods=["POST"]),
        ]

    def show_orders(self, request: Request) -> Response:
        orders = self._account.page(Order, Page(count=_ORDERS_SHOWN))
        return self._page(request, "orders.html", {"orders": orders})

    def show_checkout(self, request: Request) -> Response:
        order_id = request.query_params.get("orderId", "")
        callback = _safe_callback(request.query_params.get("callback", ""))
        order = self._order(order_id)
        payments = self._account.payments_of(order_id)
        found = {"order": order, "payments": payments, "callback": callback}
        return self._page(request, "checkout.html", found)

    async def submit_checkout(self, request: Request) -> Response:
        form = await request.form()
        callback = _safe_callback(str(form.get("callback", "")))
        payment = await self._pay(form.get("orderId"), form.get("outcome"))
        if callback:
            return RedirectResponse(_with_query(callback, self._proof(payment)), 303)
        paid = {"payment": payment, "proof": self._proof(payment)}
        return self._page(request, "paid.html", paid)

    async def pay(self, request: Request) -> Response:
        body = parse_json(await request.body())
        ways = {"quietly": body.get("webhook") is False, "again": body.get("again") is True}
        payment = await self._pay(body.get("orderId"), body.get("outcome"), **ways)
        return JSONResponse(self._proof(payment))

    async def _pay(self, order_id: object, outcome: object, **ways: bool) -> Payment:
        if not isinstance(order_id, str) or not order_id:
            raise RazorpayError("The orderId field is required.", field="orderId")
        if outcome not in ("success", "failure"):
            raise RazorpayError("The outcome must be success or failure.", field="outcome")
        self._order(order_id)
        pay = partial(self._account.pay, order_id, outcome, **ways)
        return await run_in_threadpool(pay)

    def _order(self, order_id: str) -> Order:
        try:
            return self._account.get(Order, order_id)
        except RazorpayError:
            # Not an answer of Razorpay's API, so the plain meaning of HTTP serves better here.
            raise unknown_id(status=404) from None

    def _proof(self, payment: Payment) -> dict[str, str]:
        """What Razorpay hands the customer's browser, of a failed payment too: whoever verifies
        it must ask Razorpay what became of the payment."""
        return {
            "razorpay_order_id": payment.order_id,
            "razorpay_payment_id": payment.id,
            "razorpay_signature": self._account.sign(payment),
        }

    def _page(self, request: Request, name: str, context: dict[str, Any]) -> Response:
        return self._templates.TemplateResponse(
            request, name, context, headers={"Cache-Control": "no-store"}
        )


def _money(amount: int, currency: str) -> str:
    return f"{_SYMBOLS[currency]}{amount // 100:,}.{amount % 100:02}"


def _safe_callback(callback: str) -> str:
    """Where the customer goes afterwards: a web address or a path of this one, never a script."""
    parts = urlsplit(callback)
    on_the_web = parts.scheme in ("http", "https") and parts.netloc
    on_this_host = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    if callback and not (on_the_web or on_this_host):
        raise RazorpayError("The callback must be a web address.", field="callback")
    return callback


def _with_query(address: str, values: dict[str, str]) -> str:
    parts = urlsplit(address)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *values.items()])
    return urlunsplit(parts._replace(query=query))
