"""Trouble with Razorpay's API, as a test orders it: errors, silence, answers that get lost."""

import asyncio
import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_SILENCE_SECONDS = 60.0


@dataclass
class Fault:
    """What happens to the next `times` requests to a path such as `/v1/payments/*/refund`.

    `done` says whether the request takes effect before its answer gets lost; with `about`, only
    requests with this text in their body are struck, such as those of one of the shop's orders;
    `description` is what Razorpay says about it.
    """

    status: int | Literal["timeout"]
    times: int
    path: str
    done: bool
    about: str = ""
    description: str = ""

    def strikes(self, path: str, body: bytes) -> bool:
        if self.about.encode() not in body:
            return False
        return fnmatchcase(path, self.path) or path.startswith(f"{self.path.rstrip('/')}/")


class Faults:
    """Those that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """No times: forget all that were ordered for its path."""
        with self._lock:
            if fault.times:
                self._ordered.append(fault)
            else:
                self._ordered = [one for one in self._ordered if one.path != fault.path]

    def take(self, path: str, body: bytes) -> Fault | None:
        with self._lock:
            fault = next((one for one in self._ordered if one.strikes(path, body)), None)
            if fault is not None:
                fault.times -= 1
                self._ordered = [one for one in self._ordered if one.times]
            return fault


class Trouble:
    """Lets a fault strike instead of the answer, or after the work."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        receive = _again(body, receive)
        fault = self._faults.take(_path(scope), body)
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.done:
            await self._app(scope, receive, _unheard)
        if fault.status == "timeout":
            await _hang_up(receive)
            fault.status = 504
        await _error(fault.status, fault.description)(scope, receive, send)


def _path(scope: Scope) -> str:
    """As Razorpay's documentation writes it, wherever the simulator is mounted."""
    return "/v1" + str(scope["path"]).removeprefix(str(scope.get("root_path", "")))


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body once more, which was read already."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return unread.pop() if unread else await receive()

    return receive_again


async def _unheard(_: Message) -> None:
    """Where an answer goes that nobody gets."""


async def _hang_up(receive: Receive) -> None:
    """Say nothing until the client has enough of it."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), LONGEST_SILENCE_SECONDS)
    except TimeoutError:
        return


def _error(status: int, description: str) -> JSONResponse:
    # Razorpay calls "too many requests" a bad one, too
    if status < 500:
        code, usual = "BAD_REQUEST_ERROR", "Request failed. Please retry after some time."
    else:
        code, usual = "SERVER_ERROR", "We are facing some trouble completing your request."
    error = {"code": code, "description": description or usual, "source": "NA", "step": "NA"}
    return JSONResponse({"error": {**error, "reason": "NA", "metadata": {}}}, status)
