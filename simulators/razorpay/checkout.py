"""The customer's side of Razorpay: a checkout page, and the same choice over HTTP for tests."""

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.templating import Jinja2Templates

from simulators.http import ApiError
from simulators.razorpay.account import Account
from simulators.razorpay.errors import refusal, unknown_id
from simulators.razorpay.model import Order, Payment
from simulators.razorpay.requests import Page, parse_amount, parse_json

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
        orders = self._account.list_page(Order, Page(count=_ORDERS_SHOWN))
        return self._page(request, "orders.html", {"orders": orders})

    def show_checkout(self, request: Request) -> Response:
        order_id = request.query_params.get("orderId", "")
        callback = _checked_callback(request.query_params.get("callback", ""))
        order = self._get_order(order_id)
        payments = self._account.list_payments_of_order(order_id)
        context = {"order": order, "payments": payments, "callback": callback}
        return self._page(request, "checkout.html", context)

    async def submit_checkout(self, request: Request) -> Response:
        form = await request.form()
        callback = _checked_callback(str(form.get("callback", "")))
        payment = await self._pay(form.get("orderId"), form.get("outcome"))
        if callback:
            address = URL(callback).include_query_params(**self._signed(payment))
            return RedirectResponse(address, 303)
        context = {"payment": payment, "signed": self._signed(payment)}
        return self._page(request, "paid.html", context)

    async def pay(self, request: Request) -> Response:
        """Choose an outcome, which may be `authorized`, and perhaps another amount."""
        body = parse_json(await request.body())
        amount = parse_amount(body, "INR") if "amount" in body else None
        options = {"webhook": body.get("webhook") is not False, "again": body.get("again") is True}
        payment = await self._pay(
            body.get("orderId"), body.get("outcome"), amount=amount, **options
        )
        return JSONResponse(self._signed(payment))

    async def _pay(
        self, order_id: object, outcome: object, amount: int | None = None, **options: bool
    ) -> Payment:
        if not isinstance(order_id, str) or not order_id:
            raise refusal("The orderId field is required.", field="orderId")
        if outcome not in ("success", "failure", "authorized"):
            raise refusal("The outcome must be success or failure.", field="outcome")
        self._get_order(order_id)
        pay = partial(self._account.pay, order_id, outcome=outcome, amount=amount, **options)
        return await run_in_threadpool(pay)

    def _get_order(self, order_id: str) -> Order:
        try:
            return self._account.get(Order, order_id)
        except ApiError:  # the checkout is a page, so an unknown order is 404 here
            raise unknown_id(status=404) from None

    def _signed(self, payment: Payment) -> dict[str, str]:
        """Return what Razorpay sends to the browser, for a failed payment as well."""
        return {
            "razorpay_order_id": payment.order_id,
            "razorpay_payment_id": payment.id,
            "razorpay_signature": self._account.sign(payment),
        }

    def _page(self, request: Request, name: str, context: dict[str, Any]) -> Response:
        headers = {"Cache-Control": "no-store"}
        return self._templates.TemplateResponse(request, name, context, headers=headers)


def _money(amount: int, currency: str) -> str:
    return f"{_SYMBOLS[currency]}{amount // 100:,}.{amount % 100:02}"


def _checked_callback(callback: str) -> str:
    """Refuse a callback that is neither a web address nor a path, such as a script."""
    parts = urlsplit(callback)
    is_web_address = parts.scheme in ("http", "https") and parts.netloc
    is_path = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    if callback and not (is_web_address or is_path):
        raise refusal("The callback must be a web address.", field="callback")
    return callback
