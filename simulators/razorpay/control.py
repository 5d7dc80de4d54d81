"""The control API for tests: webhooks, faults, refunds, disputes, settlements and the clock."""

import threading
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulators.razorpay.account import Account
from simulators.razorpay.errors import refusal
from simulators.razorpay.model import DisputePhase, DisputeStatus, RefundStatus
from simulators.razorpay.webhooks import Mode, Webhooks

type NotNegative = Annotated[float, Field(ge=0, strict=True)]


class Delivery(BaseModel):
    """How webhooks are delivered from now on."""

    mode: Mode
    delaySeconds: NotNegative | None = None  # noqa: N815 - the name in the request


class Fault(BaseModel):
    """What happens to the next `times` requests to a path such as `/v1/payments/*/refund`.

    With `done`, the request takes effect before its response is lost. With `about`, the fault
    concerns only requests with this text in the body. No `times` remove the path's faults.
    """

    status: Annotated[int, Field(ge=400, lt=600, strict=True)] | Literal["timeout"]
    times: int = 1
    path: str = "/v1"
    done: bool = False
    about: str = ""
    description: str = ""

    def concerns(self, path: str, body: bytes) -> bool:
        is_path = fnmatchcase(path, self.path) or path.startswith(f"{self.path.rstrip('/')}/")
        return is_path and self.about.encode() in body


class RefundOutcome(BaseModel):
    """The outcome of one refund, or without `refundId` of all later ones."""

    outcome: RefundStatus
    refundId: str | None = None  # noqa: N815 - the name in the request


class NewDispute(BaseModel):
    """A dispute of a payment, over all of it or an amount."""

    paymentId: str  # noqa: N815 - the name in the request
    amount: Annotated[int, Field(gt=0, strict=True)] | None = None
    reason: str = "goods_or_services_not_received_or_partially_received"
    phase: DisputePhase = "chargeback"


class DisputeChange(BaseModel):
    """The next status of a dispute; `deducted` is what a lost one costs, if not its amount."""

    status: DisputeStatus
    deducted: Annotated[int, Field(ge=0, strict=True)] | None = None


class NewSettlement(BaseModel):
    """A settlement of everything that is due, less its own fees."""

    fees: Annotated[int, Field(ge=0, strict=True)] = 0


class Advance(BaseModel):
    advanceSeconds: NotNegative = 0.0  # noqa: N815 - the name in the request


class Clock:
    """A clock that tests can set forward; seconds since 1970."""

    def __init__(self, base: Callable[[], float]) -> None:
        self._base = base
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


class Control:
    """`/simulator/...`, which Razorpay does not have."""

    def __init__(self, account: Account, webhooks: Webhooks, clock: Clock) -> None:
        self._account = account
        self._webhooks = webhooks
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/simulator/webhooks", self.show_webhooks, methods=["GET"]),
            Route("/simulator/webhooks", self.change_delivery, methods=["POST"]),
            Route("/simulator/faults", self.add_fault, methods=["POST"]),
            Route("/simulator/refunds", self.change_refunds, methods=["POST"]),
            Route("/simulator/disputes", self.open_dispute, methods=["POST"]),
            Route("/simulator/disputes/{id}", self.change_dispute, methods=["POST"]),
            Route("/simulator/settlements", self.settle, methods=["POST"]),
            Route("/simulator/clock", self.advance_clock, methods=["POST"]),
        ]

    def show_webhooks(self, _: Request) -> Response:
        return JSONResponse(self._webhooks.state())

    async def change_delivery(self, request: Request) -> Response:
        delivery = await _parsed(Delivery, request)
        delay = delivery.delaySeconds
        if delay is None:
            delay = 1.0 if delivery.mode == "shuffled" else 0.0
        self._webhooks.set_mode(delivery.mode, delay)
        return JSONResponse({"mode": delivery.mode, "delaySeconds": delay})

    async def add_fault(self, request: Request) -> Response:
        fault = await _parsed(Fault, request)
        with self._lock:
            if fault.times:
                self._faults.append(fault)
            else:
                self._faults = [one for one in self._faults if one.path != fault.path]
        return JSONResponse(fault.model_dump())

    def take_fault(self, path: str, body: bytes) -> Fault | None:
        """Return the next fault for a request."""
        with self._lock:
            fault = next((one for one in self._faults if one.concerns(path, body)), None)
            if fault is not None:
                fault.times -= 1
                self._faults = [one for one in self._faults if one.times]
            return fault

    async def change_refunds(self, request: Request) -> Response:
        wanted = await _parsed(RefundOutcome, request)
        if wanted.refundId is None:
            self._account.refund_outcome = wanted.outcome
            return JSONResponse({"outcome": wanted.outcome})
        settle = self._account.settle_refund
        refund = await run_in_threadpool(settle, wanted.refundId, wanted.outcome)
        return JSONResponse(refund.to_json())

    async def open_dispute(self, request: Request) -> Response:
        new = await _parsed(NewDispute, request)
        facts = (new.paymentId, new.amount, new.reason, new.phase)
        dispute = await run_in_threadpool(self._account.open_dispute, *facts)
        return JSONResponse(dispute.to_json())

    async def change_dispute(self, request: Request) -> Response:
        wanted = await _parsed(DisputeChange, request)
        facts = (request.path_params["id"], wanted.status, wanted.deducted)
        dispute = await run_in_threadpool(self._account.change_dispute, *facts)
        return JSONResponse(dispute.to_json())

    async def settle(self, request: Request) -> Response:
        wanted = await _parsed(NewSettlement, request)
        settlement = await run_in_threadpool(self._account.settle, wanted.fees)
        return JSONResponse(settlement.to_json())

    async def advance_clock(self, request: Request) -> Response:
        self._clock.advance((await _parsed(Advance, request)).advanceSeconds)
        self._webhooks.check_clock()
        return JSONResponse({"now": self._clock()})


async def _parsed[M: BaseModel](model: type[M], request: Request) -> M:
    try:
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as invalid:
        raise refusal(str(invalid)) from None
