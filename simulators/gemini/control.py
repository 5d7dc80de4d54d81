"""What a test tells the simulator, and asks it: trouble, obedience, and when it was visited."""

from dataclasses import fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulators.gemini.api import MODEL, Api, told
from simulators.gemini.errors import invalid
from simulators.gemini.faults import KINDS, Fault, Faults

SETTINGS = {field.name for field in fields(Fault) if field.init}


class Control:
    """`/simulator/...`, which Gemini does not have."""

    def __init__(self, api: Api, faults: Faults) -> None:
        self._api = api
        self._faults = faults

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.describe, methods=["GET"]),
            Route("/simulator/faults", self.order_fault, methods=["POST"]),
            Route("/simulator/faults", self.forget_faults, methods=["DELETE"]),
            Route("/simulator/obedience", self.obey, methods=["POST"]),
            Route("/simulator/visits", self.visits, methods=["GET"]),
        ]

    async def describe(self, _: Request) -> Response:
        return JSONResponse({"model": MODEL, "faults": KINDS})

    async def order_fault(self, request: Request) -> Response:
        wanted: dict[str, Any] = await request.json()
        if wanted.get("kind") not in KINDS or not wanted.keys() <= SETTINGS:
            raise invalid(f"A fault has a kind of {', '.join(KINDS)}, and {', '.join(SETTINGS)}")
        fault = Fault(**wanted)
        self._faults.order(fault)
        return JSONResponse(vars(fault))

    async def forget_faults(self, request: Request) -> Response:
        self._faults.forget(request.query_params.get("about"))
        return JSONResponse({})

    async def obey(self, request: Request) -> Response:
        about = (await request.json()).get("about")
        if not isinstance(about, str):
            raise invalid("Obedience is about a text, which may be empty")
        self._faults.obey(about)
        return JSONResponse({"about": about})

    async def visits(self, _: Request) -> Response:
        return JSONResponse({"visits": [told(visit) for visit in self._api.visits]})
