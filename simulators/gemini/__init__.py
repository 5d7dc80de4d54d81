"""A simulator of the Gemini API: Google's wire protocol, with rules in place of the model."""

from starlette.applications import Starlette

from simulators.gemini.api import Api
from simulators.gemini.control import Control
from simulators.http import ApiError, error_response


def create_app(*, api_key: str) -> Starlette:
    """Create the application for one API key."""
    control = Control()
    routes = [*control.routes(), *Api(api_key, control).routes()]
    return Starlette(routes=routes, exception_handlers={ApiError: error_response})
