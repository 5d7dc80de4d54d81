"""A simulator of the Gemini API: the real wire protocol, and rules where the model would be."""

from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.gemini.api import Api
from simulators.gemini.control import Control
from simulators.gemini.errors import GeminiError
from simulators.gemini.faults import Faults


def create_app(*, api_key: str) -> Starlette:
    """The simulator for one API key."""
    faults = Faults()
    api = Api(api_key, faults)
    routes = [*Control(api, faults).routes(), *api.routes()]
    return Starlette(routes=routes, exception_handlers={GeminiError: _refused})


async def _refused(_: Request, error: Exception) -> Response:
    refusal = cast("GeminiError", error)
    return JSONResponse(refusal.body(), refusal.code)
