"""What a test tells the simulator: how webhooks travel, what fails, and what time it is."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulators.razorpay.account import Account
from simulators.razorpay.errors import RazorpayError
from simulators.razorpay.faults import Fault, Faults
from simulators.razorpay.requests import parse_json
from simulators.razorpay.webhooks import MODES, Webhooks

FATES = ("processed", "failed", "pending")


class Clock:
    """A clock that can be set forward."""

    def __init__(self, base: Callable[[], float]) -> None:
        self._base = base
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


class Control:
    """`/simulator/...`, which Razorpay does not have."""

    def __init__(self, account: Account, webhooks: Webhooks, faults: Faults, clock: Clock) -> None:
        self._account = account
        self._webhooks = webhooks
        self._faults = faults
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/simulator/webhooks", self.show_webhooks, methods=["GET"]),
            Route("/simulator/webhooks", self.change_webhooks, methods=["POST"]),
            Route("/simulator/faults", self.order_fault, methods=["POST"]),
            Route("/simulator/refunds", self.change_refunds, methods=["POST"]),
            Route("/simulator/clock", self.advance_clock, methods=["POST"]),
        ]

    def show_webhooks(self, _: Request) -> Response:
        return JSONResponse(self._webhooks.state())

    async def change_webhooks(self, request: Request) -> Response:
        body = parse_json(await request.body())
        mode = _one_of(body, "mode", MODES)
        delay = _number(body, "delaySeconds", 1.0 if mode == "shuffled" else 0.0)
        self._webhooks.behave(mode, delay)
        return JSONResponse({"mode": mode, "delaySeconds": delay})

    async def order_fault(self, request: Request) -> Response:
        body = parse_json(await request.body())
        status = body.get("status")
        if status != "timeout" and not (type(status) is int and 400 <= status < 600):
            raise RazorpayError("The status must be an error's or timeout.", field="status")
        fault = Fault(
            status=status,
            times=int(_number(body, "times", 1)),
            path=str(body.get("path", "/v1")),
            done=body.get("done") is True,
            about=str(body.get("about", "")),
            description=str(body.get("description", "")),
        )
        self._faults.order(fault)
        return JSONResponse(vars(fault))

    async def change_refunds(self, request: Request) -> Response:
        body = parse_json(await request.body())
        fate = _one_of(body, "outcome", FATES)
        if "refundId" not in body:
            self._account.decide_refunds(fate)
            return JSONResponse({"outcome": fate})
        settle = self._account.settle_refund
        return JSONResponse((await run_in_threadpool(settle, str(body["refundId"]), fate)).wire())

    async def advance_clock(self, request: Request) -> Response:
        body = parse_json(await request.body())
        self._clock.advance(_number(body, "advanceSeconds", 0.0))
        self._webhooks.look_at_the_clock()
        return JSONResponse({"now": self._clock()})


def _one_of(body: dict[str, Any], name: str, allowed: tuple[str, ...]) -> Any:
    if body.get(name) not in allowed:
        raise RazorpayError(f"The {name} must be one of {', '.join(allowed)}.", field=name)
    return body[name]


def _number(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name, default)
    if type(value) not in (int, float) or value < 0:
        raise RazorpayError(f"The {name} must be a number, and not less than nothing.", field=name)
    return float(value)
