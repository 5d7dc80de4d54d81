"""HTTP Lambdas for the platform as a whole: health, readiness, and unknown routes."""

from http import HTTPStatus
from typing import NoReturn

from outbox import wiring
from outbox.schemas import HealthResponse, ReadinessResponse
from supermarket import telemetry
from supermarket.errors import NotFound
from supermarket.http import MethodNotAllowed, Response, catch_all, get
from supermarket.init_phase import prepare
from supermarket.request import Request


@get("/healthz")
def check_health() -> HealthResponse:
    return HealthResponse()


@get("/readyz", other_statuses=(HTTPStatus.SERVICE_UNAVAILABLE,))
def check_readiness() -> Response[ReadinessResponse]:
    dependencies = wiring.readiness().check()
    for down in (found for found in dependencies if not found.ok):
        details = {"dependency": down.name, "fault": down.fault}
        telemetry.logger.error("dependency down", extra=details)
    view = ReadinessResponse.of(dependencies)
    return Response(view, status=None if view.status == "ready" else HTTPStatus.SERVICE_UNAVAILABLE)


@catch_all()
def refuse_unknown_route(request: Request) -> NoReturn:
    if methods := wiring.route_map().methods_of(request.path):
        raise MethodNotAllowed(methods)
    raise NotFound("Route not found")


prepare(__name__)
